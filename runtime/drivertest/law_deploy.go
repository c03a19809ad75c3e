package drivertest

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	testShapeWaits    = "tasks of a shape that some workers do not read wait, uncharged, for a worker that does"
	testShapePatience = "a task of a shape that no worker reads dies when the patience of its queue is over, and the reason names both shapes"
	testShapeReads    = "tasks of a shape that their handler reads besides its own are run, and so are tasks without a shape"
)

// deployCases: law 13.
func deployCases() []testCase {
	deploy := func(name string, run func(w *env)) testCase {
		return testCase{law: ADeployIsNoFault, name: name, run: run}
	}
	return []testCase{
		deploy("tasks of a type that some workers do not know wait, uncharged, for a worker that does", deployType),
		deploy(testShapeWaits, deployShape),
		deploy(testShapePatience, deployPatience),
		deploy(testShapeReads, deployReads),
	}
}

// newerShape is the shape of a payload that has changed since it had sampleShape.
const newerShape = "00fe5a9d0b1c"

func deployType(w *env) {
	note := func(t *runtime.Task) { t.Type = "note" }
	deployBoth(w, note, []runtime.Policy{{Type: "letter"}}, []runtime.Policy{{Type: "letter"}, {Type: "note"}})
}

func deployShape(w *env) {
	note := func(t *runtime.Task) { t.Type, t.Shape = "letter", newerShape }
	deployBoth(w, note,
		[]runtime.Policy{{Type: "letter", Shape: sampleShape}},
		[]runtime.Policy{{Type: "letter", Shape: newerShape, Reads: []string{sampleShape}}})
}

// build makes a pool of a program that handles these types.
func (w *env) build(m *runtime.Manager, workers int, types []runtime.Policy, handle runtime.HandlerFunc) *runtime.Pool {
	w.Helper()
	r := runtime.NewRouter()
	for _, policy := range types {
		r.Handle(policy, handle)
	}
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: workers, Logger: w.log})
	w.ok(err, "new pool")
	return p
}

// deployBoth has programs of two versions on one queue: both know letters of sampleShape,
// the fresh one knows notes, too.
func deployBoth(w *env, note func(*runtime.Task), old, fresh []runtime.Policy) {
	const letters, notes = 10, 10
	// The clock of a test may run far ahead on a busy machine.
	m := w.manager(runtime.QueueConfig{Name: "q", Unknown: 1000 * time.Hour})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	sent := w.tasks(q, notes, note, func(t *runtime.Task) { t.MaxRetries = 1 })
	isNote := make(map[string]bool)
	for _, t := range sent {
		isNote[t.ID] = true
	}
	var mu sync.Mutex
	read, noted := 0, make(map[string]int)
	stale := w.build(m, 2, old, func(_ context.Context, t *runtime.Task) error {
		mu.Lock()
		defer mu.Unlock()
		if isNote[t.ID] {
			w.Errorf("the old program has run task %s, which it does not know", t.ID)
			return nil
		}
		read++
		return nil
	})
	_, err = m.Enqueue(w.ctx, sent)
	w.ok(err, "enqueue")
	_, err = m.Enqueue(w.ctx, w.tasks(q, letters, func(t *runtime.Task) { t.Type = "letter" }))
	w.ok(err, "enqueue")
	w.ok(stale.Start(w.ctx), "start the old pool")
	stopOld := sync.OnceFunc(func() { w.stop(stale) })
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

	now := w.build(m, 8, fresh, func(ctx context.Context, t *runtime.Task) error {
		info, _ := runtime.TaskFromContext(ctx)
		mu.Lock()
		defer mu.Unlock()
		if isNote[t.ID] {
			noted[t.ID] = info.Attempt
		}
		return nil
	})
	w.ok(now.Start(w.ctx), "start the new pool")
	defer w.stop(now)
	after(func() bool { return len(noted) > 0 }, "the new pool has run one beside the old pool")
	stopOld() // the longer it runs, the longer are the delays of the tasks that it has handed on
	after(func() bool { return len(noted) == notes }, "the new pool has run the rest")
	mu.Lock()
	defer mu.Unlock()
	for id, attempt := range noted {
		w.check(attempt == 1 || !q.Capabilities().ForgivesCrashes, "task %s was handed on, and is at attempt %d", id, attempt)
	}
}

func deployPatience(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q", Unknown: w.lease()})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	p := w.build(m, 2, []runtime.Policy{{Type: "letter", Shape: sampleShape}}, func(_ context.Context, t *runtime.Task) error {
		w.Errorf("the handler has the task %s of a shape that it does not read", t.ID)
		return nil
	})
	_, err = m.Enqueue(w.ctx, []*runtime.Task{w.task(q, func(t *runtime.Task) { t.Type, t.Shape = "letter", newerShape })})
	w.ok(err, "enqueue")
	w.ok(p.Start(w.ctx), "start the pool")
	defer w.stop(p)
	w.eventually(func() bool {
		w.advance(w.lease() / 4)
		return w.numbers(q).Dead == 1
	}, "the task is dead")
	t := w.takeOne(w.dead(q), long).Task
	w.reason(t, driver.ErrUnknownShape.Error())
	w.reason(t, newerShape)
	w.reason(t, sampleShape)
	w.check(strings.Contains(t.Metadata[driver.MetaFailureReason], "redrive"), "the reason does not say what to do: %q", t.Metadata[driver.MetaFailureReason])
	w.check(t.Metadata[driver.MetaAttempts] == "0" || !q.Capabilities().ForgivesCrashes, "it died after %s attempts, want none", t.Metadata[driver.MetaAttempts])
	w.check(t.Shape == newerShape, "the dead task has the shape %q, want %q", t.Shape, newerShape)
}

func deployReads(w *env) {
	m := w.manager(runtime.QueueConfig{Name: "q", Unknown: runtime.BuryUnknown})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	var mu sync.Mutex
	want, got := make(map[string]string), make(map[string]string)
	p := w.build(m, 2, []runtime.Policy{{Type: "letter", Shape: newerShape, Reads: []string{sampleShape}}}, func(_ context.Context, t *runtime.Task) error {
		mu.Lock()
		defer mu.Unlock()
		got[t.ID] = t.Shape
		return nil
	})
	shapes := []string{newerShape, sampleShape, ""}
	sent := w.tasks(q, 3*len(shapes), func(t *runtime.Task) { t.Type = "letter" })
	for i, t := range sent {
		t.Shape = shapes[i%len(shapes)]
		want[t.ID] = t.Shape
	}
	_, err = m.Enqueue(w.ctx, sent)
	w.ok(err, "enqueue")
	w.ok(p.Start(w.ctx), "start the pool")
	defer w.stop(p)
	w.eventually(func() bool {
		s := w.numbers(q)
		w.check(s.Dead == 0, "of tasks that their handler reads %d have died", s.Dead)
		mu.Lock()
		defer mu.Unlock()
		return len(got) == len(want)
	}, "the pool has run all tasks")
	mu.Lock()
	defer mu.Unlock()
	w.check(maps.Equal(got, want), "the handler has tasks of the shapes %v, want %v", got, want)
}
