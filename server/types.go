package server

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/catalog"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/payload"
	"github.com/taskgen/taskgen/runtime/observe"
)

const (
	// typesFor is how long what the fleet says about types is kept.
	typesFor = 5 * time.Second
	// typesLimit bounds how long it is waited for: all that show payloads wait with it.
	typesLimit = 2 * time.Second
)

// types are the types of tasks that a server knows: those that it has specs of, those of its
// catalog, and those that the fleet describes.
type types struct {
	s     *Server
	specs map[string]*knownType // by name and alias
	own   []fleet.Type          // the descriptions of specs and of the catalog

	mu    sync.Mutex
	all   fleet.Types           // own ones and those of the fleet
	made  map[string]*knownType // those of all without a spec, by name
	read  time.Time
	heard bool // the fleet has said once what is secret, or there is none

	learned func([]observe.Type) // listens; nil: nobody does
}

// A knownType is a type, and what has been made of its description.
type knownType struct {
	described fleet.Type
	maker     Type  // of tasks; nil: refused says why
	refused   error // wraps catalog.ErrRefused
	policy    runtime.Policy
	checker   *payload.Checker
}

func newTypes(s *Server) *types {
	t := &types{s: s, specs: make(map[string]*knownType)}
	for _, spec := range s.cfg.Types {
		p := spec.Policy()
		k := &knownType{described: describe(p), maker: spec, policy: p}
		k.checker = payload.NewChecker(k.described)
		for _, name := range append([]string{p.Type}, p.Aliases...) {
			t.specs[name] = k
		}
		t.own = append(t.own, k.described)
	}
	for _, d := range s.cfg.Catalog {
		if _, ok := t.specs[d.Name]; !ok {
			t.own = append(t.own, d)
		}
	}
	if l := deliveries.ListenerOf(s.cfg.Manager); l != nil {
		t.learned = l.TypesLearned
	}
	t.tellLearned(t.own)
	return t
}

// tellLearned tells listeners of types.
func (t *types) tellLearned(types []fleet.Type) {
	if t.learned == nil || len(types) == 0 {
		return
	}
	all := make([]observe.Type, len(types))
	for i, d := range types {
		all[i] = observe.Type{
			Name: d.Name, Aliases: d.Aliases, Queue: d.Queue, Schema: d.Schema, Shape: d.Shape, Secrets: d.Secrets, Timeout: d.Timeout, MaxRetries: d.MaxRetries,
			Result: d.Result, Retry: d.Retry, Retention: d.Retention, Template: d.Template,
		}
	}
	t.learned(all)
}

func describe(p runtime.Policy) fleet.Type {
	return fleet.Type{
		Name: p.Type, Aliases: p.Aliases, Queue: p.Queue, Schema: p.Schema, Shape: p.Shape, Secrets: p.Secrets, Timeout: p.Timeout, MaxRetries: p.Retry.Max, Result: p.Result,
		Retry:     fleet.Retry{Backoff: string(p.Retry.Backoff), Base: p.Retry.Base, Cap: p.Retry.Cap, Factor: p.Retry.Factor, Jitter: p.Retry.Jitter},
		Retention: p.Retention, Template: p.Template,
	}
}

// of is a type by its name or an alias: by its spec, or else by its description.
func (t *types) of(ctx context.Context, name string) (*knownType, bool) {
	if k, ok := t.specs[name]; ok {
		return k, true
	}
	d, ok := t.list(ctx).Of(name)
	if !ok {
		return nil, false
	}
	if k, ok := t.specs[d.Name]; ok { // the fleet knows one more alias
		return k, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.made[d.Name]
	return k, ok
}

// list returns the types that are known, in the order of their names. What the fleet declares
// secret of a type is secret, whatever its spec here says: a payload may be of either. If the
// fleet cannot be read, that is logged, and what it said before counts.
func (t *types) list(ctx context.Context) fleet.Types {
	all, fresh := t.current(ctx)
	t.tellLearned(fresh)
	return all
}

// current is list, and returns besides the types that are described anew.
func (t *types) current(ctx context.Context) (all fleet.Types, fresh []fleet.Type) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all != nil && (t.s.cfg.Fleet == nil || time.Since(t.read) < typesFor) {
		return t.all, nil
	}
	told, err := t.tell(ctx)
	switch {
	case err == nil:
		fresh = t.set(merged(t.own, told))
		t.heard = true
	case t.all == nil:
		fresh = t.set(merged(t.own, nil))
	}
	if err != nil {
		t.s.log().LogAttrs(ctx, slog.LevelWarn, "the types of the fleet cannot be read", slog.String("error", err.Error()))
	}
	t.read = time.Now()
	return t.all, fresh
}

// set takes new descriptions, and returns those that it did not have. What has been made of one
// that has not changed is kept.
func (t *types) set(all fleet.Types) (fresh []fleet.Type) {
	known := make(map[string]*knownType, len(all))
	for _, d := range all {
		if _, ok := t.specs[d.Name]; ok {
			continue
		}
		k := t.made[d.Name]
		if k == nil || !reflect.DeepEqual(k.described, d) {
			k = t.know(d)
			fresh = append(fresh, d)
		}
		known[d.Name] = k
	}
	t.all, t.made = all, known
	return fresh
}

// know makes of a description what makes tasks.
func (t *types) know(d fleet.Type) *knownType {
	k := &knownType{described: d, policy: catalog.PolicyOf(d), checker: payload.NewChecker(d)}
	made, err := catalog.New(d)
	switch {
	case err != nil:
		k.refused = err
	case d.Template.Sealed && !t.s.seals():
		k.refused = fmt.Errorf("%w: %q: its payloads are sealed, and the server's manager has no sealer: give it the key ring of the workers, as middleware or in ManagerConfig.Sealers", catalog.ErrRefused, d.Name)
	default:
		k.maker = made
	}
	return k
}

// seals reports whether the manager has a sealer: without one it returns the task as it is.
func (s *Server) seals() bool {
	t := &runtime.Task{Payload: []byte("null")}
	sealed, err := s.cfg.Manager.Seal(t)
	return err != nil || sealed != t
}

// tell is what the fleet says. It does not end with the call that asks: others wait for it.
func (t *types) tell(ctx context.Context) (fleet.Types, error) {
	if t.s.cfg.Fleet == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), typesLimit)
	defer cancel()
	return t.s.cfg.Fleet.Types(ctx)
}

// merged are the server's own descriptions, and those of the fleet of other types. The fleet
// adds to the first what only workers know: the handler decides about results, their manager
// about sealers, and both may have secrets. A worker may have the type under a former name.
func merged(own []fleet.Type, told fleet.Types) fleet.Types {
	all := make(fleet.Types, 0, len(own)+len(told))
	for _, o := range own {
		for i := range told {
			if sameType(&o, &told[i]) {
				o = typeinfo.Guarded(o, &told[i])
				o.Result = o.Result || told[i].Result
			}
		}
		all = append(all, o)
	}
	for _, t := range told {
		if _, ok := fleet.Types(own).Of(t.Name); !ok {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b fleet.Type) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// sameType reports whether one of two descriptions has the name of the other, or had it.
func sameType(a, b *fleet.Type) bool {
	return a.Name == b.Name || slices.Contains(a.Aliases, b.Name) || slices.Contains(b.Aliases, a.Name)
}

// redacted is the payload of a task without its secrets, or "null" if it cannot be shown: that
// is so, too, while the fleet has not said yet what is secret.
func (t *types) redacted(ctx context.Context, task *runtime.Task) string {
	known, ok := t.list(ctx).Of(task.Type)
	if !ok || task.Encoding != "" || !t.complete() {
		return "null"
	}
	return string(payload.Redact(known, task.Payload))
}

// complete reports whether list has had an answer of the fleet.
func (t *types) complete() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heard
}
