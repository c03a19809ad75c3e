package pool

import (
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

// A worker may meet a task whose type it has no handler for: in a deploy, when programs
// that enqueue are newer, or in a pool for some types only. Another worker probably
// knows the task, and this one cannot tell. So it hands the task on, uncharged, for as
// long as the task has been unknown already, within these bounds: soon at first, and
// then twice as late each time.
const (
	minUnknownDelay = time.Second
	maxUnknownDelay = time.Minute
)

// mostUnknown bounds the tasks for which a process remembers this itself, on queues
// that do not keep what is written into released tasks.
const mostUnknown = 100_000

func (x *routing) knows(t *driver.Task) bool { return x.routes[t.Type] != nil }

// separate splits fetched tasks before the first can begin: into those that may run, and
// those that go back to the queue, which are the suspects that it did not take back in
// time, and tasks that the pool hands on because it has no handler for them. The acker
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

// handOn reports whether a task goes back to its queue because the pool has no handler
// for it, and sets its delay. If false, the worker runs the task or buries it.
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
// and the type is declared.
func (c *consumer) othersDo(t *driver.Task) bool {
	return c.run.isForSomeTypes() && slices.Contains(c.run.typesDeclared(c.name), t.Type)
}

// unknownSince is when a worker without a handler first met the task.
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

// errUnknown is why a task of an unknown type dies.
func (c *consumer) errUnknown(t *driver.Task) error {
	waited := "the queue lets such tasks die at once"
	if c.cfg.Unknown > 0 {
		waited = fmt.Sprintf("no worker that has one took it within %s", c.cfg.Unknown)
	}
	return fmt.Errorf("%w %q: no handler is registered for it, and %s: deploy a program that has one, then redrive the task", driver.ErrUnknownType, t.Type, waited)
}

// unknownEvery is how often a pool logs that it hands on tasks of a type.
const unknownEvery = time.Minute

// mostUnknownTypes bounds the types that the log distinguishes: a queue may hold
// foreign messages.
const mostUnknownTypes = 100

// A unknownType is a type that the pool has no handler for.
type unknownType struct {
	told  time.Time
	tasks int // handed on since
}

// tellUnknownLocked logs what was handed on, each type once a minute.
func (c *consumer) tellUnknownLocked(ds []*driver.Delivery) {
	counts := make(map[string]int)
	for _, d := range ds {
		counts[d.Task.Type]++
	}
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		n := c.unknownTypes[name]
		if n == nil {
			if len(c.unknownTypes) >= mostUnknownTypes {
				continue
			}
			n = new(unknownType)
			if c.unknownTypes == nil {
				c.unknownTypes = make(map[string]*unknownType)
			}
			c.unknownTypes[name] = n
		}
		n.tasks += counts[name]
		if !n.told.IsZero() && now.Sub(n.told) < unknownEvery {
			continue
		}
		c.mon.logLocked(slog.LevelWarn, "no handler for a type: its tasks are handed on to other workers",
			slog.String("type", name), slog.String("queue", c.name), slog.Int("tasks", n.tasks), slog.Duration("unknown", c.cfg.Unknown))
		n.told, n.tasks = now, 0
	}
}
