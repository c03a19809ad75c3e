package boxtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// soon bounds each test: none waits for anything but the broker.
	soon = 5 * time.Minute
	// lease is longer than any test needs it.
	lease = time.Minute
	// drainWait is how long a look at a queue takes at most.
	drainWait = 200 * time.Millisecond
	name      = "mail"
)

// died is when the first letter dies; each later one dies a second after the one
// before.
var died = time.Now().UTC().Round(0).Add(-24 * time.Hour)

// An env is a queue under test, with a box for its dead letters.
type env struct {
	*testing.T
	ctx context.Context
	p   runtime.Provider
	m   *runtime.Manager
	q   driver.Queue
	box *dlq.Box
}

func newEnv(t *testing.T, p runtime.Provider, kind driver.QueueType) *env {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	d := &env{T: t, ctx: ctx, p: p, m: runtime.NewManager(runtime.ManagerConfig{})}
	d.ok(d.m.Open(ctx, p, runtime.QueueConfig{Name: name, Type: kind}), "open the queue")
	t.Cleanup(func() { d.ok(d.m.Close(), "close the queue") })
	var err error
	d.q, err = d.m.Queue(name)
	d.ok(err, "the queue")
	d.box = d.boxOf(name)
	return d
}

func (d *env) boxOf(queue string) *dlq.Box {
	d.Helper()
	box, err := dlq.Open(d.m, queue, dlq.Config{Router: router(), Provider: d.p, PageSize: 7})
	d.ok(err, "open the box")
	return box
}

func (d *env) ok(err error, what string) {
	d.Helper()
	if err != nil {
		d.Fatalf("%s: %v", what, err)
	}
}

func (d *env) check(ok bool, format string, args ...any) {
	d.Helper()
	if !ok {
		d.Fatalf(format, args...)
	}
}

func (d *env) is(err, want error, what string) {
	d.Helper()
	d.check(errors.Is(err, want), "%s: %v, want %v", what, err, want)
}

// router knows the type mail, which has two secrets.
func router() *runtime.Router {
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{
		Type: "mail", Aliases: []string{"letter"}, Queue: name, Shape: "00fe5a9d0b1c", Secrets: []string{"password", "keys.*.value"},
		Schema: `{
			"$schema": "https://json-schema.org/draft/2020-12/schema",
			"type": "object",
			"properties": {
				"to": {"type": "string", "minLength": 1},
				"size": {"type": "integer"},
				"password": {"type": "string"},
				"keys": {"type": "array", "items": {"type": "object", "properties": {"value": {"type": "string"}}}}
			},
			"required": ["to"],
			"additionalProperties": false
		}`,
	}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	return r
}

// mail returns a task that the queue takes: of one of three groups, at one of its
// levels, by its last letter.
func (d *env) mail(id string) *runtime.Task {
	t := &runtime.Task{
		ID: id, Type: "mail", Queue: name, CreatedAt: died.Add(-time.Hour), MaxRetries: 3, Shape: "0123456789ab",
		Payload: []byte(`{"to":"` + id + `@example.com","password":"hush","keys":[{"value":"hush"}],"size":12345678901234567890}`),
	}
	last := int(id[len(id)-1])
	switch cfg := d.q.Config(); cfg.Type {
	case runtime.FIFO:
		t.GroupKey = fmt.Sprintf("group-%d", last%3)
	case runtime.Priority:
		t.Priority = last % cfg.Levels
	}
	return t
}

// reason is why the letter i dies: there are two kinds, and each third is of the
// first.
func reason(i int) error {
	if i%3 == 0 {
		return fmt.Errorf("dial 10.0.0.%d:25: timeout after %d ms", i, i*17)
	}
	return fmt.Errorf("mailbox %q is full", fmt.Sprint("box", i))
}

func (d *env) enqueue(q driver.Queue, tasks ...*runtime.Task) {
	d.Helper()
	_, err := q.Enqueue(d.ctx, tasks)
	d.ok(err, "enqueue")
}

// bury has a task of a queue die, with one run behind it.
func (d *env) bury(q driver.Queue, t *runtime.Task, at time.Time, why error) {
	d.Helper()
	d.enqueue(q, t)
	ds, err := q.Dequeue(d.ctx, 1, lease)
	d.ok(err, "dequeue")
	for _, x := range ds {
		driver.RecordAttempt(x.Task, 1, "w 1", at, 1234567*time.Nanosecond, why)
		driver.RecordDeath(x.Task, q.Config().Name, at, why)
	}
	d.ok(q.DeadLetter(d.ctx, ds), "dead letter")
}

// buryMails has n mails die one after the other, m00 first, and returns their IDs.
func (d *env) buryMails(n int) []string {
	d.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("m%02d", i)
		d.bury(d.q, d.mail(ids[i]), died.Add(time.Duration(i)*time.Second), reason(i))
	}
	return ids
}

// list returns the IDs of the letters that f chooses, in the order in which they
// are listed.
func (d *env) list(f dlq.Filter) []string {
	d.Helper()
	page, next, err := d.box.List(d.ctx, f, "", 1000)
	d.ok(err, "list")
	d.check(next == "", "a page of 1000 is not the last, of %d", len(page))
	ids := make([]string, len(page))
	for i := range page {
		ids[i] = page[i].ID
	}
	return ids
}

// lists fails unless the letters that f chooses are the given ones.
func (d *env) lists(f dlq.Filter, want []string, what string) {
	d.Helper()
	got := d.list(f)
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	d.check(slices.Equal(got, want), "%s: the letters are %q, want %q", what, got, want)
}

// receives reports whether letters can be seen by receiving them alone.
func (d *env) receives() bool { return !d.q.Capabilities().Browse }

// take takes the given tasks from the queue, completes them, and returns them by ID.
// It fails unless there are these alone, and on a queue that refuses IDs each once.
func (d *env) take(ids ...string) map[string]*runtime.Task {
	d.Helper()
	all := make(map[string]*runtime.Task)
	again := d.drain(all)
	for len(all) < len(ids) {
		again += d.drain(all)
		d.ok(d.ctx.Err(), fmt.Sprintf("%d of %d tasks are on the queue", len(all), len(ids)))
	}
	got, want := slices.Sorted(maps.Keys(all)), slices.Sorted(slices.Values(ids))
	d.check(slices.Equal(got, want), "on the queue were %q, want %q", got, want)
	d.check(again == 0 || !d.q.Capabilities().RefusesIDs, "%d tasks were on the queue twice", again)
	return all
}

// isEmpty reports whether the queue counts no task that is ready or leased.
func (d *env) isEmpty() bool {
	d.Helper()
	d.ok(d.ctx.Err(), "empty the queue")
	s, err := d.q.Stats(d.ctx)
	d.ok(err, "stats")
	return s.Ready == 0 && s.Leased == 0
}

// drain completes what is on the queue now, adds it to those that were there before,
// and returns how many of it had been.
func (d *env) drain(all map[string]*runtime.Task) (again int) {
	d.Helper()
	for {
		ctx, cancel := context.WithTimeout(d.ctx, drainWait)
		ds, err := d.q.Dequeue(ctx, 100, lease)
		cancel()
		if errors.Is(err, driver.ErrNoTasks) {
			if d.isEmpty() {
				return again
			}
			continue // the look was over before the broker had answered
		}
		d.ok(err, "dequeue")
		for _, x := range ds {
			if all[x.Task.ID] != nil {
				again++
			}
			all[x.Task.ID] = x.Task
		}
		d.ok(d.q.Complete(d.ctx, ds), "complete")
	}
}
