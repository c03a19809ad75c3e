package drivertest

import (
	"context"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// deployCases: law 13.
func deployCases() []testCase {
	return []testCase{
		{law: ADeployIsNoFault, name: "tasks of a type that some workers do not know wait, uncharged, for a worker that does", run: deployUnknown},
	}
}

// deployUnknown has programs of two versions on one queue: the old one knows only
// letters.
func deployUnknown(w *env) {
	const letters, notes = 10, 10
	// The clock of a test may run far ahead on a busy machine.
	m := w.manager(runtime.QueueConfig{Name: "q", Unknown: 1000 * time.Hour})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	var mu sync.Mutex
	read, noted := 0, make(map[string]int)
	old := w.pool(m, runtime.PoolConfig{Workers: 2}, func(context.Context, letter) error {
		mu.Lock()
		defer mu.Unlock()
		read++
		return nil
	})
	sent := make([]*runtime.Task, notes)
	for i := range sent {
		sent[i] = w.task(q, func(t *runtime.Task) { t.Type, t.MaxRetries = "note", 1 })
	}
	_, err = m.Enqueue(w.ctx, sent)
	w.ok(err, "enqueue")
	w.post(m, letters)
	w.ok(old.Start(w.ctx), "start the old pool")
	stopOld := sync.OnceFunc(func() { w.stop(old) })
	defer stopOld()
	after := func(done func() bool, what string) {
		w.Helper()
		w.eventually(func() bool {
			w.advance(w.lease() / 4)
			s := w.numbers(q)
			w.check(s.Dead == 0, "of tasks that a worker does not know %d have died", s.Dead)
			mu.Lock()
			defer mu.Unlock()
			return done()
		}, "%s", what)
	}
	after(func() bool { return read == letters }, "the old pool has run what it knows")

	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "note"}, runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		info, _ := runtime.TaskFromContext(ctx)
		mu.Lock()
		defer mu.Unlock()
		noted[t.ID] = info.Attempt
		return nil
	}))
	r.Handle(runtime.Policy{Type: "letter"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	fresh, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 8, Logger: w.log})
	w.ok(err, "new pool")
	w.ok(fresh.Start(w.ctx), "start the new pool")
	defer w.stop(fresh)
	after(func() bool { return len(noted) > 0 }, "the new pool has run one beside the old pool")
	stopOld() // the longer it runs, the longer are the delays of the tasks that it has handed on
	after(func() bool { return len(noted) == notes }, "the new pool has run the rest")
	mu.Lock()
	defer mu.Unlock()
	for id, attempt := range noted {
		w.check(attempt == 1 || !q.Capabilities().ForgivesCrashes, "task %s was handed on, and is at attempt %d", id, attempt)
	}
}
