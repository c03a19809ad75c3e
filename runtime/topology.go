package runtime

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A topology is a manager's queues, by name.
type topology map[string]declaration

type declaration struct {
	cfg      QueueConfig // with defaults, and the types of all declarations
	provider Provider
}

// with returns t with configs added, and the configs of it that a provider has to open;
// or the contradictions of the declarations. t stays unchanged.
func (t topology) with(p Provider, configs []QueueConfig) (all topology, fresh []QueueConfig, err error) {
	all = maps.Clone(t)
	for _, cfg := range configs {
		was, again := all[cfg.Name]
		_, before := t[cfg.Name]
		whole, err := cfg.WithDefaults()
		switch {
		case err != nil:
		case before && !sameProvider(was.provider, p):
			err = fmt.Errorf("%w: the manager has a queue of this name open on another provider, %s", driver.ErrQueueMismatch, was.provider.Name())
		default:
			err = all.declare(p, whole)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("open queue %q on %s: %w", cfg.Name, p.Name(), err)
		}
		if !again {
			fresh = append(fresh, cfg)
		}
	}
	if err := all.checkDead(); err != nil {
		return nil, nil, fmt.Errorf("open queues on %s: %w", p.Name(), err)
	}
	return all, fresh, nil
}

// declare adds a declaration whose defaults are set.
func (t topology) declare(p Provider, cfg QueueConfig) error {
	types := cfg.Types
	cfg.Types = nil
	if was, again := t[cfg.Name]; again {
		if diff := differences(was.cfg, cfg); diff != "" {
			return fmt.Errorf("%w: it is declared twice, with %s: declare it alike everywhere, or give one of the two another name", driver.ErrQueueMismatch, diff)
		}
		cfg.Types = slices.Clone(was.cfg.Types)
	}
	for _, name := range types {
		if !slices.Contains(cfg.Types, name) {
			cfg.Types = append(cfg.Types, name)
		}
	}
	t[cfg.Name] = declaration{cfg, p}
	return nil
}

// sameProvider reports whether two providers are one. Those that cannot be compared are not.
func sameProvider(a, b Provider) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// differences lists in what two declarations of a queue, with their defaults, differ:
// "visibility 30s and 1m0s". Their types may differ: a queue has those of all packages
// that declare it.
func differences(c, d QueueConfig) string {
	var found []string
	for _, f := range []struct {
		name string
		a, b any
	}{
		{"type", c.Type, d.Type},
		{"levels", c.Levels, d.Levels},
		{"visibility", c.Visibility, d.Visibility},
		{"max_deliveries", c.MaxDeliveries, d.MaxDeliveries},
		{"dlq", c.DLQ, d.DLQ},
		{"retention", c.Retention, d.Retention},
		{"unknown", c.Unknown, d.Unknown},
		{"capacity", c.Capacity, d.Capacity},
	} {
		if f.a != f.b {
			found = append(found, fmt.Sprintf("%s %v and %v", f.name, f.a, f.b))
		}
	}
	return strings.Join(found, ", ")
}

// checkDead refuses a queue for tasks that another one names as its dead letter queue:
// nothing could die on it any more, and the other's dead tasks would be run. A queue
// without types may be a dead letter queue that a program opens to process its letters,
// unless it names a dead letter queue of its own.
func (t topology) checkDead() error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		dlq := t[name].cfg.DLQ
		dead, open := t[dlq]
		switch {
		case !open || !sameProvider(dead.provider, t[name].provider):
		case len(dead.cfg.Types) > 0:
			return fmt.Errorf("%w: %q is the dead letter queue of %q, and a queue for tasks of the types %q: name another with dlq=", driver.ErrQueueMismatch, dlq, name, dead.cfg.Types)
		case dead.cfg.DLQ != dlq+"-dlq":
			return fmt.Errorf("%w: %q is the dead letter queue of %q, and a queue for tasks, with %q as its own: name another with dlq=", driver.ErrQueueMismatch, dlq, name, dead.cfg.DLQ)
		}
	}
	return nil
}
