package drivertest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// stopCases: law 11.
func stopCases() []testCase {
	stop := func(name string, run func(w *env)) testCase {
		return testCase{law: StoppingIsClean, name: name, run: run}
	}
	return []testCase{
		stop("running tasks may finish, tasks that have not begun go back, and nothing stays leased", stopFinishes),
		stop("handlers that outlast the grace are cancelled, and their tasks go back uncharged", stopCancels),
		stop("outcomes that were decided before the stop are settled", stopSettles),
		stop("starting and stopping under load leaves nothing leased", stopAgain),
		stop("an idle pool stops at once", stopIdle),
	}
}

// stopping is a pool at work and its queue.
func (w *env) stopping(cfg runtime.PoolConfig, handle func(context.Context, letter) error) (*runtime.Manager, driver.Queue, *runtime.Pool) {
	w.Helper()
	m := w.manager(runtime.QueueConfig{Name: "q"})
	q, err := m.Queue("q")
	w.ok(err, "queue")
	p := w.pool(m, cfg, handle)
	w.Cleanup(func() { // if the test ended before it stopped the pool
		w.openLatches()
		w.stop(p)
	})
	return m, q, p
}

func (w *env) stop(p *runtime.Pool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), w.patience)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		w.Errorf("stop the pool: %v", err)
	}
}

// back takes all tasks after a pool has stopped, and checks their charges. A provider
// that cannot distinguish a crash from a failure charges every delivery: see law 7.
func (w *env) back(q driver.Queue, n int) {
	w.Helper()
	w.counts(q, "after the pool has stopped", int64(n), 0, 0, 0)
	for _, d := range w.take(q, n, long) {
		free := d.Task.RetryCount == 0 && d.Crashes == 0 || !q.Capabilities().ForgivesCrashes
		w.check(free, "task %s was charged %d retries and %d crashes", d.Task.ID, d.Task.RetryCount, d.Crashes)
	}
}

func stopFinishes(w *env) {
	const workers, tasks = 3, 30
	begun := make(chan struct{}, tasks)
	finish, let := w.latch()
	m, q, p := w.stopping(runtime.PoolConfig{Workers: workers, Grace: w.patience}, func(ctx context.Context, _ letter) error {
		begun <- struct{}{}
		<-finish
		return ctx.Err()
	})
	w.post(m, tasks)
	w.ok(p.Start(w.ctx), "start")
	for range workers {
		<-begun
	}
	ended, cancel := context.WithCancel(w.ctx)
	cancel()
	w.check(p.Stop(ended) != nil, "Stop with a context that has ended says that nothing runs any more, and %d handlers do", workers)
	w.becomes(q, "stopping, with handlers that still run", tasks-workers, 0, workers, 0)
	let()
	w.stop(p)
	w.check(len(begun) == 0, "%d handlers were begun after the stop", len(begun))
	w.back(q, tasks-workers)
}

func stopCancels(w *env) {
	const workers, tasks = 4, 12
	begun := make(chan struct{}, tasks)
	m, q, p := w.stopping(runtime.PoolConfig{Workers: workers, Grace: time.Millisecond}, func(ctx context.Context, _ letter) error {
		begun <- struct{}{}
		<-ctx.Done()
		if cause := context.Cause(ctx); !errors.Is(cause, runtime.ErrStopping) {
			w.Errorf("the cause of a handler's end is %v", cause)
		}
		return ctx.Err()
	})
	w.post(m, tasks)
	w.ok(p.Start(w.ctx), "start")
	for range workers {
		<-begun
	}
	w.stop(p)
	w.back(q, tasks)
}

// stopSettles stops a pool as soon as its handlers have returned: their outcomes must
// not be lost in a batch of acks.
func stopSettles(w *env) {
	const tasks = 12
	var done atomic.Int64
	all := make(chan struct{})
	m, q, p := w.stopping(runtime.PoolConfig{Workers: tasks}, func(_ context.Context, l letter) error {
		if done.Add(1) == tasks {
			close(all)
		}
		switch l.N % 4 {
		case 1:
			return runtime.Skip(errBoom)
		case 2:
			return runtime.RetryAfter(w.lease(), errBoom)
		case 3:
			return runtime.Snooze(w.lease())
		}
		return nil
	})
	w.post(m, tasks)
	w.ok(p.Start(w.ctx), "start")
	<-all
	w.stop(p)
	if w.clock != nil {
		w.counts(q, "stopped", 0, tasks/2, 0, tasks/4)
	}
	w.advance(w.lease() + q.Capabilities().Lateness)
	charged := 0
	for _, d := range w.take(q, tasks/2, long) {
		charged += d.Task.RetryCount
	}
	caps := q.Capabilities()
	w.check(charged == tasks/4 || !caps.KeepsReleased || !caps.ForgivesCrashes, "of %d tasks to be retried and %d snoozed %d were charged", tasks/4, tasks/4, charged)
	w.counts(q, "what was retried and snoozed is leased", 0, 0, tasks/2, tasks/4)
}

func stopAgain(w *env) {
	const rounds, tasks = 12, 40
	var runs atomic.Int64
	m, q, p := w.stopping(runtime.PoolConfig{Workers: 5, Grace: w.patience}, func(context.Context, letter) error {
		runs.Add(1)
		return nil
	})
	for range rounds {
		w.ok(p.Start(w.ctx), "start")
		before := runs.Load()
		w.post(m, tasks)
		w.eventually(func() bool { return runs.Load() > before }, "the pool has begun to work")
		w.stop(p)
		w.unleased(q)
	}
	left := len(w.drain(q))
	w.check(int(runs.Load())+left == rounds*tasks, "%d tasks were run and %d left, of %d", runs.Load(), left, rounds*tasks)
}

// unleased waits until nothing is leased, for much less than a lease: a provider puts
// back what it receives behind a cancelled Dequeue.
func (w *env) unleased(q driver.Queue) {
	w.Helper()
	poll := new(poller)
	for deadline := time.Now().Add(min(w.scaled(promptly), w.patience)); ; poll.wait() {
		n := w.numbers(q).Leased
		if n == 0 {
			return
		}
		w.check(time.Now().Before(deadline), "the pool has stopped and %d tasks are leased", n)
	}
}

func stopIdle(w *env) {
	_, q, p := w.stopping(runtime.PoolConfig{}, never(w))
	w.ok(p.Start(w.ctx), "start")
	w.stop(p)
	w.stop(p)
	w.put(q, 1)
	w.takeOne(q, long)
}
