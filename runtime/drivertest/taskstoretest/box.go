package taskstoretest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// An interceptor is a provider in memory that calls meanwhile during an enqueue: after the
// tasks are on the queue, and before the answer.
type interceptor struct {
	runtime.Provider
	mu        sync.Mutex
	meanwhile func()
	refuse    error
}

type interceptedQueue struct {
	driver.Queue
	of *interceptor
}

func (m *interceptor) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := m.Provider.Open(ctx, cfg)
	return interceptedQueue{q, m}, err
}

func (q interceptedQueue) Enqueue(ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
	q.of.mu.Lock()
	f, refuse := q.of.meanwhile, q.of.refuse
	q.of.meanwhile = nil
	q.of.mu.Unlock()
	if refuse != nil {
		return make([]runtime.Enqueued, len(ts)), refuse
	}
	answers, err := q.Queue.Enqueue(ctx, ts)
	if f != nil {
		f()
	}
	return answers, err
}

// A boxEnv is a box of the store, of letters that died on the queue q.
type boxEnv struct {
	*env
	p     *interceptor
	m     *runtime.Manager
	clock *tasktest.Clock
	q     driver.Queue
	box   *dlq.Box
}

func newBoxEnv(s *env) *boxEnv {
	d := &boxEnv{env: s, p: &interceptor{Provider: memory.New()}, clock: tasktest.NewClock(time.Now())}
	d.m = runtime.NewManager(runtime.ManagerConfig{Clock: d.clock})
	s.ok(d.m.Open(s.ctx, d.p, runtime.QueueConfig{Name: "q"}), "open the queue")
	s.Cleanup(func() { s.ok(errors.Join(d.m.Close(), d.p.Close()), "close the queue") })
	var err error
	d.q, err = d.m.Queue("q")
	s.ok(err, "the queue")
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "mail", Queue: "q"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	d.box = dlq.OpenStore(d.m, s.TaskStore, dlq.Config{Router: r, PageSize: 7})
	return d
}

// run completes the tasks on the queue, and returns the payloads of each run by ID. Any
// goroutine may call it, one at a time.
func (d *boxEnv) run() map[string][]string {
	d.Helper()
	ran := make(map[string][]string)
	for {
		st, err := d.q.Stats(d.ctx)
		if err != nil || st.Ready == 0 {
			d.noted(err)
			return ran
		}
		ds, err := d.q.Dequeue(d.ctx, 100, time.Hour)
		for _, x := range ds {
			ran[x.Task.ID] = append(ran[x.Task.ID], string(x.Task.Payload))
		}
		if err = errors.Join(err, d.q.Complete(d.ctx, ds)); err != nil {
			d.noted(err)
			return ran
		}
	}
}

func (d *boxEnv) noted(err error) {
	d.Helper()
	if err != nil {
		d.Errorf("run what is on the queue: %v", err)
	}
}

// die makes the tasks on the queue fail and stores them, as a worker and a processor do.
func (d *boxEnv) die() {
	d.Helper()
	for id := range d.run() {
		d.ok(d.Put(d.ctx, []*runtime.Task{again(id)}), "put")
	}
}

// left fails unless the store holds the letters with the given IDs, each redriven the
// given number of times.
func (d *boxEnv) left(redriven string, ids ...string) {
	d.Helper()
	got := d.ids(10)
	d.check(strings.Join(got, " ") == strings.Join(ids, " "), "left are %q, want %q", got, ids)
	for _, id := range ids {
		t, err := d.Get(d.ctx, id)
		d.ok(err, "get")
		d.check(t.Metadata[driver.MetaRedriveCount] == redriven && t.Metadata[driver.MetaClaimed] == "", "the metadata of %s are %v", id, t.Metadata)
	}
}

func redrivenAnew(s *env) {
	for about, redrive := range map[string]func(d *boxEnv) error{
		"redriven": func(d *boxEnv) error { _, err := d.box.Redrive(d.ctx, dlq.Redrive{}); return err },
		"edited":   func(d *boxEnv) error { return d.box.RedriveEdited(d.ctx, "a", []byte(`{"to":"b"}`)) },
	} {
		d := newBoxEnv(s)
		s.put("a")
		d.p.meanwhile = d.die
		d.ok(redrive(d), about)
		d.left("1", "a")
		_, err := d.Delete(d.ctx, []string{"a"})
		d.ok(err, "delete")

		s.put("a")
		d.p.meanwhile = func() { s.put("a") } // a processor received it twice
		d.ok(redrive(d), about)
		d.left("")
		d.run()
	}
}

func letters(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("t%02d", i))
	}
	return ids
}

// redrivenAlone has others work on a letter during its enqueue, after its task has run.
func redrivenAlone(s *env) {
	for about, redrive := range map[string]func(d *boxEnv) error{
		"redriven": func(d *boxEnv) error { _, err := d.box.Redrive(d.ctx, dlq.Redrive{}); return err },
		"edited":   func(d *boxEnv) error { return d.box.RedriveEdited(d.ctx, "a", []byte(`1`)) },
	} {
		d := newBoxEnv(s)
		s.put("a")
		d.p.meanwhile = func() {
			d.check(len(d.run()["a"]) == 1, "%s: it did not run", about)
			done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
			d.check(err == nil && done.Moved == 0 && errors.Is(done.Kept["a"], dlq.ErrClaimed), "%s: another redrive: %+v, %v", about, done, err)
			d.check(errors.Is(d.box.RedriveEdited(d.ctx, "a", []byte(`2`)), dlq.ErrClaimed), "%s: an edit is no ErrClaimed", about)
			l, err := d.box.Show(d.ctx, "a")
			d.ok(err, "show")
			gone, err := d.box.Discard(d.ctx, []string{"a", l.Ref})
			d.check(err == nil && len(gone) == 0, "%s: discarded %q, %v", about, gone, err)
			n, err := d.box.DiscardMatching(d.ctx, dlq.Filter{})
			d.check(err == nil && n == 0, "%s: discarded %d, %v", about, n, err)
		}
		d.ok(redrive(d), about)
		d.check(d.p.meanwhile == nil && len(d.run()) == 0, "%s: it ran again", about)
		d.left("")
	}
}

func redrivenTwice(s *env) {
	d := newBoxEnv(s)
	ids := letters(60)
	s.put(ids...)
	ran := make(map[string]int)
	count := func(some map[string][]string) {
		for id, runs := range some {
			ran[id] += len(runs)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	moved := 0
	for range 3 {
		wg.Go(func() {
			for range 4 {
				done, err := d.box.Redrive(d.ctx, dlq.Redrive{Rate: runtime.Rate{Limit: 100_000, Per: time.Second}, Progress: func(int) {
					mu.Lock() // a worker is quick
					defer mu.Unlock()
					count(d.run())
				}})
				if err != nil {
					d.Errorf("redrive: %v", err)
				}
				for id, why := range done.Kept {
					if !errors.Is(why, dlq.ErrClaimed) {
						d.Errorf("%s is kept: %v", id, why)
					}
				}
				mu.Lock()
				moved += done.Moved
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	count(d.run())
	for _, id := range ids {
		d.check(ran[id] == 1, "%s ran %d times", id, ran[id])
	}
	d.check(moved == len(ids), "%d letters were moved, of %d", moved, len(ids))
	d.left("", []string{}...)
}

// oneOutcome edits, redrives and discards the same letters at once.
func oneOutcome(s *env) {
	d := newBoxEnv(s)
	ids := letters(60)
	s.put(ids...)
	var mu sync.Mutex
	var wg sync.WaitGroup
	outcomes := make(map[string][]string)
	for _, what := range []string{"edited", "redriven", "discarded", "discarded by filter"} {
		wg.Go(func() {
			for _, id := range ids {
				n := 0
				var err error
				switch what {
				case "edited":
					if err = d.box.RedriveEdited(d.ctx, id, []byte(`"edited"`)); err == nil {
						n = 1
					}
				case "redriven":
					var done dlq.Redriven
					done, err = d.box.Redrive(d.ctx, dlq.Redrive{IDs: []string{id}, Filter: dlq.Filter{Text: id}})
					n = done.Moved
				case "discarded":
					var gone []string
					gone, err = d.box.Discard(d.ctx, []string{id})
					n = len(gone)
				default:
					n, err = d.box.DiscardMatching(d.ctx, dlq.Filter{Text: id})
				}
				if err != nil && !errors.Is(err, runtime.ErrTaskNotFound) && !errors.Is(err, dlq.ErrClaimed) && !errors.Is(err, runtime.ErrDuplicate) {
					d.Errorf("%s: %v", what, err)
				}
				mu.Lock()
				for range n {
					outcomes[id] = append(outcomes[id], what)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	ran := d.run()
	for _, id := range ids {
		o := outcomes[id]
		d.check(len(o) == 1, "%s was %q", id, o)
		runs := ran[id]
		switch o[0] {
		case "edited":
			d.check(len(runs) == 1 && runs[0] == `"edited"`, "%s was edited, and ran as %q", id, runs)
		case "redriven":
			d.check(len(runs) == 1 && runs[0] != `"edited"`, "%s was redriven, and ran as %q", id, runs)
		default:
			d.check(len(runs) == 0, "%s was %s, and ran as %q", id, o[0], runs)
		}
	}
	d.left("")
}

func refused(s *env) {
	d := newBoxEnv(s)
	s.put("a")
	d.p.refuse = errors.New("the broker is away")
	done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
	d.ok(err, "redrive")
	d.check(done.Moved == 0 && errors.Is(done.Kept["a"], d.p.refuse), "moved %d, kept %v", done.Moved, done.Kept)
	d.left("", "a")
	d.check(errors.Is(d.box.RedriveEdited(d.ctx, "a", []byte(`1`)), d.p.refuse), "an edit whose enqueue fails says something else")
	d.left("", "a")
	d.p.refuse = nil
	done, err = d.box.Redrive(d.ctx, dlq.Redrive{})
	d.ok(err, "redrive")
	d.check(done.Moved == 1 && len(d.run()) == 1, "moved %d", done.Moved)
}

// abandoned finds the claim of a process that was killed before it enqueued.
func abandoned(s *env) {
	d := newBoxEnv(s)
	s.put("a")
	t := dead("a")
	t.Metadata[driver.MetaClaimed] = d.clock.Now().Add(time.Minute).UTC().Format(time.RFC3339Nano) + " killed"
	s.swap(deathsOf("a"), []*runtime.Task{t}, deathsOf("a")...)
	done, err := d.box.Redrive(d.ctx, dlq.Redrive{})
	d.ok(err, "redrive")
	d.check(done.Moved == 0 && errors.Is(done.Kept["a"], dlq.ErrClaimed), "moved %d, kept %v", done.Moved, done.Kept)
	d.check(errors.Is(d.box.RedriveEdited(d.ctx, "a", []byte(`1`)), dlq.ErrClaimed), "an edit of what is claimed is no ErrClaimed")
	gone, err := d.box.Discard(d.ctx, []string{"a"})
	d.check(err == nil && len(gone) == 0, "what is claimed is discarded: %q, %v", gone, err)
	n, err := d.box.DiscardMatching(d.ctx, dlq.Filter{})
	d.check(err == nil && n == 0, "what is claimed is discarded: %d, %v", n, err)
	d.clock.Advance(time.Minute)
	done, err = d.box.Redrive(d.ctx, dlq.Redrive{})
	d.ok(err, "redrive")
	ran := d.run()
	d.check(done.Moved == 1 && len(ran["a"]) == 1, "moved %d, ran %v", done.Moved, ran)
	d.left("")
}

// changing is a store in which something happens once the first letters are listed.
type changing struct {
	dlq.TaskStore
	meanwhile func()
}

func (c *changing) List(ctx context.Context, cursor string, limit int) ([]*runtime.Task, string, error) {
	ts, next, err := c.TaskStore.List(ctx, cursor, limit)
	if f := c.meanwhile; f != nil {
		c.meanwhile = nil
		f()
	}
	return ts, next, err
}

func chosenBefore(s *env) {
	d := newBoxEnv(s)
	s.put("a", "b")
	store := &changing{TaskStore: s.TaskStore}
	box := dlq.OpenStore(d.m, store, dlq.Config{})
	for about, do := range map[string]func() (int, error){
		"redrive": func() (int, error) { done, err := box.Redrive(d.ctx, dlq.Redrive{}); return done.Moved, err },
		"discard": func() (int, error) { return box.DiscardMatching(d.ctx, dlq.Filter{}) },
		"retain":  func() (int, error) { return dlq.Retention{Box: box, Age: time.Hour}.Discard(d.ctx) },
	} {
		s.put("a", "b")
		store.meanwhile = func() { d.ok(s.Put(s.ctx, []*runtime.Task{again("a")}), "put") }
		n, err := do()
		d.ok(err, about)
		d.check(n == 1, "%s: %d letters, want the one that was as it was read", about, n)
		d.left("1", "a")
		d.run()
	}
	l, err := d.box.Show(d.ctx, "a")
	d.ok(err, "show")
	s.put("a")
	_, err = d.box.Show(d.ctx, l.Ref)
	d.check(errors.Is(err, runtime.ErrTaskNotFound), "show by the Ref of an earlier death: %v", err)
	gone, err := d.box.Discard(d.ctx, []string{l.Ref})
	d.check(err == nil && len(gone) == 0, "discard by the Ref of an earlier death: %q, %v", gone, err)
	d.check(errors.Is(d.box.RedriveEdited(d.ctx, l.Ref, []byte(`1`)), runtime.ErrTaskNotFound), "an edit by the Ref of an earlier death is no ErrTaskNotFound")
	done, err := d.box.Redrive(d.ctx, dlq.Redrive{IDs: []string{l.Ref}})
	d.check(err == nil && done.Moved == 0, "redrive by the Ref of an earlier death: %+v, %v", done, err)
	l, err = d.box.Show(d.ctx, "a")
	d.ok(err, "show")
	gone, err = d.box.Discard(d.ctx, []string{l.Ref})
	d.check(err == nil && len(gone) == 1 && gone[0] == "a", "discard by Ref: %q, %v", gone, err)
	d.left("")
}
