package server

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/payload"
)

const (
	// typesFor is how long what the fleet says about types is kept.
	typesFor = 5 * time.Second
	// typesLimit bounds how long it is waited for: all that show payloads wait with it.
	typesLimit = 2 * time.Second
)

// types are the types of tasks that a server knows: those that it has specs of, and those
// that the fleet describes.
type types struct {
	s     *Server
	specs map[string]Type // by name and alias
	own   []fleet.Type    // their descriptions

	checkers map[string]*payload.Checker // of own, by name

	mu    sync.Mutex
	all   fleet.Types // own ones and those of the fleet
	read  time.Time
	heard bool // the fleet has said once what is secret, or there is none
}

func newTypes(s *Server) *types {
	t := &types{s: s, specs: make(map[string]Type), checkers: make(map[string]*payload.Checker)}
	for _, spec := range s.cfg.Types {
		p := spec.Policy()
		for _, name := range append([]string{p.Type}, p.Aliases...) {
			t.specs[name] = spec
		}
		own := describe(p)
		t.own, t.checkers[p.Type] = append(t.own, own), payload.NewChecker(own)
	}
	return t
}

func describe(p runtime.Policy) fleet.Type {
	return fleet.Type{Name: p.Type, Aliases: p.Aliases, Queue: p.Queue, Schema: p.Schema, Secrets: p.Secrets, Timeout: p.Timeout, MaxRetries: p.Retry.Max, Result: p.Result}
}

// spec is that of a type, by its name or an alias.
func (t *types) spec(name string) (Type, bool) {
	s, ok := t.specs[name]
	return s, ok
}

// list returns the types that are known, in the order of their names. What the fleet declares
// secret of a type is secret, whatever its spec here says: a payload may be of either. If the
// fleet cannot be read, that is logged, and what it said before counts.
func (t *types) list(ctx context.Context) fleet.Types {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all != nil && time.Since(t.read) < typesFor {
		return t.all
	}
	told, err := t.tell(ctx)
	switch {
	case err == nil:
		t.all, t.heard = merged(t.own, told), true
	case t.all == nil:
		t.all = merged(t.own, nil)
	}
	if err != nil {
		t.s.log().LogAttrs(ctx, slog.LevelWarn, "the types of the fleet cannot be read", slog.String("error", err.Error()))
	}
	t.read = time.Now()
	return t.all
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

func merged(own []fleet.Type, told fleet.Types) fleet.Types {
	all := make(fleet.Types, 0, len(own)+len(told))
	for _, o := range own {
		if other, ok := told.Of(o.Name); ok {
			o.Result = o.Result || other.Result // the handler decides, which the spec does not know
			o.Secrets = slices.Clone(o.Secrets)
			for _, s := range other.Secrets {
				if !slices.Contains(o.Secrets, s) {
					o.Secrets = append(o.Secrets, s)
				}
			}
		}
		all = append(all, o)
	}
	for _, o := range told {
		if _, ok := fleet.Types(own).Of(o.Name); !ok {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b fleet.Type) int { return strings.Compare(a.Name, b.Name) })
	return all
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
