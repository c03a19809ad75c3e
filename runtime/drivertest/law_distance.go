package drivertest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// distanceCases: throughput does not fall with the round trip time, because round
// trips are made by the batch. The tests count them, and measure no time.
func distanceCases() []testCase {
	far := func(name string, run func(w *env)) testCase {
		return testCase{law: Contract, name: name, requires: []requirement{meddling}, real: true, run: run}
	}
	return []testCase{
		far("over a 1 ms link a pool makes a round trip for each batch, not for each task", func(w *env) { w.distant(time.Millisecond) }),
		far("over a 20 ms link a pool makes a round trip for each batch, not for each task", func(w *env) { w.distant(20 * time.Millisecond) }),
		far("over a 20 ms link concurrent enqueues share round trips", distanceEnqueue),
	}
}

// distant drains tasks by a pool. A provider with a round trip for each task and
// another for its ack makes twice as many as there are tasks.
func (w *env) distant(rtt time.Duration) {
	const tasks = 400
	net := w.network()
	m := w.manager(runtime.QueueConfig{Name: "q"})
	w.post(m, tasks)
	w.Cleanup(func() { net.Delay(0) })
	net.Delay(rtt)
	before := net.Trips()
	var runs atomic.Int64
	all := make(chan struct{})
	pool := w.pool(m, runtime.PoolConfig{Workers: 8, Grace: time.Second}, func(context.Context, letter) error {
		if runs.Add(1) == tasks {
			close(all)
		}
		return nil
	})
	w.ok(pool.Start(w.ctx), "start")
	select {
	case <-all:
	case <-time.After(w.patience):
		w.Errorf("%d of %d tasks were run in %s", runs.Load(), tasks, w.patience)
	}
	w.stop(pool)
	trips := net.Trips() - before
	w.check(runs.Load() == tasks, "%d tasks were run %d times", tasks, runs.Load())
	w.check(trips <= tasks*3/4, "%d tasks took %d round trips", tasks, trips)
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.counts(q, "when all is done", 0, 0, 0, 0)
}

func distanceEnqueue(w *env) {
	const callers, each = 32, 10
	net := w.network()
	m := w.manager(runtime.QueueConfig{Name: "q"})
	w.post(m, 1)
	w.Cleanup(func() { net.Delay(0) })
	net.Delay(20 * time.Millisecond)
	before := net.Trips()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if _, err := runtime.Enqueue(w.ctx, m, &letterSpec, &letter{}, w.apart); err != nil {
					w.Errorf("enqueue among %d callers: %v", callers, err)
					return
				}
			}
		})
	}
	all.Wait()
	trips := net.Trips() - before
	w.check(trips <= callers*each/2, "%d enqueues by %d callers took %d round trips", callers*each, callers, trips)
	q, err := m.Queue("q")
	w.ok(err, "queue")
	w.counts(q, "when all is enqueued", callers*each+1, 0, 0, 0)
}
