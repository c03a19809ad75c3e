package pool

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/internal/settle"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A worker may meet a task that it does not know: it has no handler for the task's type, or
// one that does not read the task's shape. That happens in a deploy, when programs that
// enqueue are newer, or in a pool for some types only. Another worker probably knows the
// task, and this one cannot tell. So it hands the task on, uncharged, for as long as the
// task has been unknown already, within these bounds: soon at first, and then twice as
// late each time.
const (
	minUnknownDelay = time.Second
	maxUnknownDelay = time.Minute
)

// mostUnknown bounds the tasks for which a process remembers this itself, on queues
// that do not keep what is written into released tasks.
const mostUnknown = 100_000

// knows reports whether there is a handler that may run a task.
func (x *routing) knows(t *driver.Task) bool {
	rt := x.routes[t.Type]
	return rt != nil && rt.policy.reads(t.Shape)
}

// separate splits fetched tasks before the first can begin: into those that may run, and
// those that go back to the queue, which are the suspects that it did not take back in
// time, and tasks that the pool hands on because it does not know them. The acker
// gives them back while the lease extender keeps their leases.
//
// Until the first fetch without a suspect, and after each fetch with one, tasks are
// fetched one by one: if the process were killed before the others of a batch are given
// back, the death would be charged to all of them.
func (c *consumer) separate(ds []*driver.Delivery) (kept, back []*driver.Delivery) {
	plain := true
	for _, d := range ds {
		plain = plain && c.routing.knows(d.Task) && !c.check.suspected(d)
	}
	if plain {
		c.trust(true)
		return ds, nil
	}
	var known, unknown []*driver.Delivery
	for _, d := range ds {
		if c.handOn(d) {
			unknown = append(unknown, d)
		} else {
			known = append(known, d)
		}
	}
	c.trust(!slices.ContainsFunc(known, c.check.suspected))
	kept, back = c.filter.split(c.base, known)
	if len(unknown) > 0 {
		c.mon.Lock()
		c.tellUnknownLocked(unknown)
		c.mon.unlockAndLog()
	}
	return kept, append(back, unknown...)
}

// trust notes whether a fetch brought no suspect.
func (c *consumer) trust(yes bool) {
	c.mon.Lock()
	defer c.mon.Unlock()
	c.fetcher.trustLocked(yes)
}

// handOn reports whether a task goes back to its queue because the pool does not know it,
// and sets its delay. If false, the worker runs the task or buries it.
func (c *consumer) handOn(d *driver.Delivery) bool {
	t := d.Task
	if c.routing.knows(t) || c.cfg.Unknown < 0 && !c.othersDo(t) || strings.HasPrefix(t.Type, ownTypes) || c.refuse(d) != nil {
		return false
	}
	now := c.clock.Now()
	age := max(now.Sub(c.unknownSince(t, now)), 0)
	delay := min(max(age, minUnknownDelay), maxUnknownDelay)
	delay += rand.N(delay / 4) // so that tasks met together do not come back together
	if !c.othersDo(t) {
		left := c.cfg.Unknown - age
		if left <= 0 {
			return false
		}
		delay = min(delay, left)
	}
	d.Delay = delay
	settle.Delay(&c.cfg, t, delay, now)
	return true
}

// ownTypes begins the types of undecodable tasks, which stand for messages that are no
// tasks. Nobody has a handler for them.
const ownTypes = "taskgen."

// othersDo reports whether a task is for other pools: this pool is for some types only,
// without this one, and the type is declared.
func (c *consumer) othersDo(t *driver.Task) bool {
	return c.run.isForSomeTypes() && c.routing.routes[t.Type] == nil && slices.Contains(c.run.typesDeclared(c.name), t.Type)
}

// unknownSince is when a worker that does not know the task first met it.
func (c *consumer) unknownSince(t *driver.Task, now time.Time) time.Time {
	if since, err := time.Parse(time.RFC3339Nano, t.Metadata[driver.MetaUnknown]); err == nil {
		return since
	}
	if c.can.KeepsReleased {
		driver.SetMeta(t, driver.MetaUnknown, now.UTC().Format(time.RFC3339Nano))
		return now
	}
	key := taskKey{c.name, t.ID}
	c.mon.Lock()
	defer c.mon.Unlock()
	since, again := c.unknown.getLocked(key)
	if !again {
		since = now
	}
	// A task that has died since, and was redriven, begins anew.
	if died, err := time.Parse(time.RFC3339Nano, t.Metadata[driver.MetaFailedAt]); err == nil && died.After(since) {
		since, again = now, false
	}
	if !again {
		c.unknown.putLocked(key, since)
	}
	return since
}

// errUnknown is why a task that no worker knew dies.
func (c *consumer) errUnknown(t *driver.Task) error {
	waited := "the queue lets such tasks die at once"
	if rt := c.routing.routes[t.Type]; rt != nil {
		if c.cfg.Unknown > 0 {
			waited = fmt.Sprintf("no worker that reads it took the task within %s", c.cfg.Unknown)
		}
		return fmt.Errorf("%w; %s: deploy the build that enqueued the task, or one that reads its shape, then redrive the task", ErrShape(t, rt.policy.Shape, rt.policy.Reads), waited)
	}
	if c.cfg.Unknown > 0 {
		waited = fmt.Sprintf("no worker that has one took it within %s", c.cfg.Unknown)
	}
	return fmt.Errorf("%w %q: no handler is registered for it, and %s: deploy a program that has one, then redrive the task", driver.ErrUnknownType, t.Type, waited)
}

// unknownEvery is how often a pool logs that it hands on tasks of a kind.
const unknownEvery = time.Minute

// mostUnknownKinds bounds the kinds that the log distinguishes: a queue may hold foreign
// messages.
const mostUnknownKinds = 100

// A unknownKind is a type that the pool has no handler for, or a shape of a type that the
// handler does not read.
type unknownKind struct{ name, shape string }

// kindOf is the kind of a task that the pool does not know.
func (x *routing) kindOf(t *driver.Task) unknownKind {
	if x.routes[t.Type] == nil {
		return unknownKind{name: t.Type}
	}
	return unknownKind{t.Type, t.Shape}
}

// An unknownCount is what the log has of a kind.
type unknownCount struct {
	told  time.Time
	tasks int // handed on since
}

// tellUnknownLocked logs what was handed on, each kind once a minute.
func (c *consumer) tellUnknownLocked(ds []*driver.Delivery) {
	counts := make(map[unknownKind]int)
	for _, d := range ds {
		counts[c.routing.kindOf(d.Task)]++
	}
	now := time.Now()
	order := func(a, b unknownKind) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.shape, b.shape))
	}
	for _, kind := range slices.SortedFunc(maps.Keys(counts), order) {
		n := c.unknownKinds[kind]
		if n == nil {
			if len(c.unknownKinds) >= mostUnknownKinds {
				continue
			}
			n = new(unknownCount)
			if c.unknownKinds == nil {
				c.unknownKinds = make(map[unknownKind]*unknownCount)
			}
			c.unknownKinds[kind] = n
		}
		n.tasks += counts[kind]
		if !n.told.IsZero() && now.Sub(n.told) < unknownEvery {
			continue
		}
		text, attrs := "no handler for a type: its tasks are handed on to other workers", []slog.Attr{slog.String("type", kind.name)}
		if kind.shape != "" {
			text = "a handler does not read a shape: its tasks are handed on to other workers"
			attrs = append(attrs, slog.String("shape", kind.shape))
		}
		c.mon.logLocked(slog.LevelWarn, text, append(attrs, slog.String("queue", c.name), slog.Int("tasks", n.tasks), slog.Duration("unknown", c.cfg.Unknown))...)
		n.told, n.tasks = now, 0
	}
}
