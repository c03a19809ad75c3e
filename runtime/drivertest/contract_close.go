package drivertest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// closeCases: opening, closing and the declarations of a queue.
func closeCases() []testCase {
	return []testCase{
		{law: Contract, name: "a waiting Dequeue ends with ErrClosed when its queue is closed", run: closeWakes},
		{law: Contract, name: "after Close every method returns ErrClosed", run: closeAll},
		{law: Contract, name: "closing one handle affects neither the others nor the tasks", run: closeOne},
		{law: Contract, name: "a lease outlives the handle that took it, and another handle can settle it", requires: []requirement{freeLeases}, run: closeLeases},
		{law: Contract, name: "closing the provider closes its queues", run: closeProvider},
		{law: Contract, name: "closing while work is in flight loses nothing", requires: []requirement{reopening}, run: closeBusy},
		{law: Contract, name: "Config has the defaults filled in", run: openDefaults},
		{law: Contract, name: "opening a queue with another type is refused", requires: []requirement{ordering}, run: openMismatch},
		{law: Contract, name: "a declaration that contradicts itself is refused", run: openInvalid},
		{law: Contract, name: "Capabilities and interfaces agree", run: openAgrees},
	}
}

func closeWakes(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.open(runtime.QueueConfig{Name: "stays"})
	a, b := w.waiter(q), w.waiter(q)
	stays := w.waiter(other)
	w.ok(q.Close(), "close")
	a.wantsError(runtime.ErrClosed)
	b.wantsError(runtime.ErrClosed)
	w.put(other, 1)
	stays.wants(1)
}

// callAll calls every method of a queue, including the optional ones that it has.
func callAll(ctx context.Context, q driver.Queue, ts []*runtime.Task, ds []*driver.Delivery) map[string]error {
	errs := make(map[string]error)
	_, errs["Enqueue"] = q.Enqueue(ctx, ts)
	_, errs["Dequeue"] = q.Dequeue(ctx, 1, long)
	errs["Complete"] = q.Complete(ctx, ds)
	errs["Extend"] = q.Extend(ctx, ds, long)
	errs["Release"] = q.Release(ctx, ds)
	errs["DeadLetter"] = q.DeadLetter(ctx, ds)
	_, errs["Stats"] = q.Stats(ctx)
	caps := q.Capabilities()
	if caps.Browse {
		_, _, errs["Browse"] = q.(driver.Browser).Browse(ctx, driver.Ready, "", 1)
	}
	if caps.Cancel {
		_, errs["Cancel"] = q.(driver.Canceller).Cancel(ctx, []string{"x"})
	}
	if caps.Purge {
		_, errs["Purge"] = q.(driver.Purger).Purge(ctx)
	}
	if caps.Pause {
		errs["Pause"] = q.(driver.Pauser).Pause(ctx, time.Time{})
		errs["Resume"] = q.(driver.Pauser).Resume(ctx)
		_, errs["Paused"] = q.(driver.Pauser).Paused(ctx)
	}
	if caps.Redrive {
		_, errs["Redrive"] = q.(driver.Redriver).Redrive(ctx, nil)
		_, errs["RedriveDeaths"] = q.(driver.Redriver).RedriveDeaths(ctx, []driver.Death{{ID: "x"}}, nil)
	}
	if caps.Discard {
		_, errs["Discard"] = q.(driver.Discarder).Discard(ctx, []string{"x"})
		_, errs["DiscardDeaths"] = q.(driver.Discarder).DiscardDeaths(ctx, []driver.Death{{ID: "x"}})
	}
	if caps.Delete {
		errs["Delete"] = q.(driver.Deleter).Delete(ctx)
	}
	return errs
}

func closeAll(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 2)
	ds := w.take(q, 1, long)
	ts := w.tasks(q, 1)
	for range 2 {
		w.ok(q.Close(), "close")
	}
	for method, err := range callAll(w.ctx, q, ts, ds) {
		w.is(err, runtime.ErrClosed, "%s after Close", method)
	}
}

func closeOne(w *env) {
	q, twin := w.open(runtime.QueueConfig{}), w.open(runtime.QueueConfig{})
	ts := w.put(q, 3)
	done := w.take(q, 1, long)
	w.ok(q.Complete(w.ctx, done), "complete")
	w.ok(q.Close(), "close")
	w.counts(twin, "after the other handle was closed", 2, 0, 0, 0)
	w.same(append(deliveredIDs(done), deliveredIDs(w.drain(twin))...), ids(ts), "tasks after one handle was closed")
	again := w.open(runtime.QueueConfig{})
	w.counts(again, "opened again", 0, 0, 0, 0)
}

func closeLeases(w *env) {
	q, twin := w.open(runtime.QueueConfig{}), w.open(runtime.QueueConfig{})
	ts := w.put(q, 2)
	got := w.take(q, 1, long)
	w.ok(q.Close(), "close")
	w.counts(twin, "after the other handle was closed", 1, 0, 1, 0)
	w.ok(twin.Complete(w.ctx, got), "complete on the handle that is open")
	w.same(append(deliveredIDs(got), deliveredIDs(w.drain(twin))...), ids(ts), "tasks after one handle was closed")
}

func closeProvider(w *env) {
	q := w.open(runtime.QueueConfig{})
	got := w.waiter(q)
	for range 2 {
		w.ok(w.main.Close(), "close the provider")
	}
	got.wantsError(runtime.ErrClosed)
	_, err := q.Stats(w.ctx)
	w.is(err, runtime.ErrClosed, "Stats after the provider was closed")
	_, err = w.main.Open(w.ctx, runtime.QueueConfig{Name: "late"})
	w.is(err, runtime.ErrClosed, "Open after the provider was closed")
}

// closeBusy closes a provider while goroutines enqueue. Each enqueue is either
// acknowledged and there, or answered with ErrClosed.
func closeBusy(w *env) {
	q := w.open(runtime.QueueConfig{})
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		want []string
	)
	started := make(chan struct{}, 100)
	for range 6 {
		wg.Go(func() {
			for {
				ts := w.tasks(q, 3)
				_, err := q.Enqueue(w.ctx, ts)
				if err != nil {
					if !errors.Is(err, runtime.ErrClosed) {
						w.Errorf("enqueue beside Close: %v", err)
					}
					return
				}
				mu.Lock()
				want = append(want, ids(ts)...)
				mu.Unlock()
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 20 {
		<-started
	}
	w.ok(w.main.Close(), "close the provider")
	wg.Wait()
	w.main = w.provider()
	q = w.open(runtime.QueueConfig{})
	got := make(map[string]bool)
	for _, id := range deliveredIDs(w.drain(q)) {
		w.check(!got[id], "task %s came twice", id)
		got[id] = true
	}
	for _, id := range want {
		w.check(got[id], "task %s was acknowledged beside Close and is lost", id)
	}
}

func openDefaults(w *env) {
	got := w.open(runtime.QueueConfig{Name: "plain"}).Config()
	want, err := runtime.QueueConfig{Name: "plain", Type: w.h.Type}.WithDefaults()
	w.ok(err, "defaults")
	if got.Capacity > 0 {
		want.Capacity = got.Capacity // the provider's own bound
	}
	w.check(reflect.DeepEqual(got, want), "Config is %+v, want %+v", got, want)
	name := w.main.Name()
	w.check(name != "", "the provider has no name")
}

func openMismatch(w *env) {
	w.open(runtime.QueueConfig{Types: []string{"a"}})
	other := runtime.FIFO
	if w.h.Type == runtime.FIFO {
		other = driver.Standard
	}
	_, err := w.main.Open(w.ctx, runtime.QueueConfig{Name: "q", Type: other})
	w.is(err, driver.ErrQueueMismatch, "a queue opened as %s, which it is not", other)
	// It is unchanged, and its types are the programs' concern only.
	w.open(runtime.QueueConfig{Types: []string{"b"}})
	w.openOther(runtime.QueueConfig{})
}

func openInvalid(w *env) {
	for _, cfg := range []runtime.QueueConfig{
		{},
		{Name: "x", Type: "stack"},
		{Name: "x", Levels: 3},
		{Name: "x", Type: runtime.Priority, Levels: 1},
		{Name: "x", Visibility: -1},
		{Name: "x", DLQ: "x"},
	} {
		_, err := w.main.Open(w.ctx, cfg)
		w.is(err, driver.ErrInvalidQueue, "opening %+v", cfg)
	}
}

// openAgrees compares the Capabilities of a queue with its interfaces: a declared
// ability is there, and an undeclared one is either missing from the interfaces or
// answers ErrUnsupported.
func openAgrees(w *env) {
	cfgs := []runtime.QueueConfig{w.withDefaults(runtime.QueueConfig{}), {Name: "f", Type: runtime.FIFO}, {Name: "p", Type: runtime.Priority}, {Name: "q-dlq"}}
	for _, cfg := range cfgs {
		q, err := w.main.Open(w.ctx, cfg)
		if errors.Is(err, runtime.ErrUnsupported) {
			continue
		}
		w.ok(err, "open %q", cfg.Name)
		for name, o := range operations(w.ctx, q) {
			switch {
			case o.says:
				w.check(o.call != nil, "queue %q: Capabilities.%s is true and the queue has no such method", cfg.Name, name)
			case o.call != nil:
				w.is(o.call(), runtime.ErrUnsupported, "queue %q: %s, which Capabilities say it cannot", cfg.Name, name)
			}
		}
		if cfg.Name == "q-dlq" {
			w.is(q.DeadLetter(w.ctx, nil), runtime.ErrUnsupported, "DeadLetter on a dead letter queue")
		}
	}
}

type operation struct {
	says bool
	call func() error // nil: the queue does not have it
}

func operations(ctx context.Context, q driver.Queue) map[string]operation {
	caps := q.Capabilities()
	all := map[string]operation{
		"Browse": {says: caps.Browse}, "Cancel": {says: caps.Cancel}, "Reschedule": {says: caps.Reschedule}, "Purge": {says: caps.Purge},
		"Pause": {says: caps.Pause}, "Redrive": {says: caps.Redrive}, "RedriveDeaths": {says: caps.Redrive},
		"Discard": {says: caps.Discard}, "DiscardDeaths": {says: caps.Discard}, "Delete": {says: caps.Delete},
	}
	has := func(name string, call func() error) { all[name] = operation{all[name].says, call} }
	if b, ok := q.(driver.Browser); ok {
		has("Browse", func() error { _, _, err := b.Browse(ctx, driver.Ready, "", 1); return err })
	}
	if c, ok := q.(driver.Canceller); ok {
		has("Cancel", func() error { _, err := c.Cancel(ctx, []string{"x"}); return err })
	}
	if r, ok := q.(driver.Rescheduler); ok {
		has("Reschedule", func() error { return r.Reschedule(ctx, "x", driver.SystemClock.Now()) })
	}
	if p, ok := q.(driver.Purger); ok {
		has("Purge", func() error { _, err := p.Purge(ctx); return err })
	}
	if p, ok := q.(driver.Pauser); ok {
		has("Pause", func() error { return p.Pause(ctx, time.Time{}) })
	}
	if r, ok := q.(driver.Redriver); ok {
		has("Redrive", func() error { _, err := r.Redrive(ctx, nil); return err })
		has("RedriveDeaths", func() error { _, err := r.RedriveDeaths(ctx, []driver.Death{{ID: "x"}}, nil); return err })
	}
	if d, ok := q.(driver.Discarder); ok {
		has("Discard", func() error { _, err := d.Discard(ctx, []string{"x"}); return err })
		has("DiscardDeaths", func() error { _, err := d.DiscardDeaths(ctx, []driver.Death{{ID: "x"}}); return err })
	}
	if d, ok := q.(driver.Deleter); ok {
		has("Delete", func() error { return d.Delete(ctx) })
	}
	return all
}
