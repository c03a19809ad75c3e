package drivertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// troubleCases: law 10.
func troubleCases() []testCase {
	trouble := func(name string, run func(w *env)) testCase {
		return testCase{law: AcksSurviveTrouble, name: name, real: true, run: run}
	}
	return []testCase{
		trouble("completions, retries and burials are repeated while the queue cannot take them", troubleFails),
		trouble("an ack is not repeated beyond its lease: the task goes to another worker", troubleGivesUp),
	}
}

// An awayProvider has queues that refuse to settle while it is away. It wraps the
// provider under test for a pool.
type awayProvider struct {
	runtime.Provider
	away  atomic.Bool
	tries atomic.Int64
}

func (p *awayProvider) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &awayQueue{q, p}, nil
}

type awayQueue struct {
	driver.Queue
	p *awayProvider
}

func (q *awayQueue) unless(do func() error) error {
	if q.p.away.Load() {
		q.p.tries.Add(1)
		return errAway
	}
	return do()
}

func (q *awayQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.unless(func() error { return q.Queue.Complete(ctx, ds) })
}

func (q *awayQueue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	return q.unless(func() error { return q.Queue.Extend(ctx, ds, lease) })
}

func (q *awayQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.unless(func() error { return q.Queue.Release(ctx, ds) })
}

func (q *awayQueue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	return q.unless(func() error { return q.Queue.DeadLetter(ctx, ds) })
}

// begin starts a pool on a provider, and stops it at the end of the test.
func (w *env) begin(p runtime.Provider, cfg runtime.QueueConfig, handle func(context.Context, letter) error) *runtime.Manager {
	w.Helper()
	m, _ := w.beginWith(p, cfg, runtime.PoolConfig{Workers: 6, Grace: time.Second}, handle)
	return m
}

func (w *env) beginWith(p runtime.Provider, cfg runtime.QueueConfig, how runtime.PoolConfig, handle func(context.Context, letter) error) (*runtime.Manager, *runtime.Pool) {
	w.Helper()
	m := runtime.NewManager(runtime.ManagerConfig{Clock: w.ticks()})
	w.ok(m.Open(w.ctx, p, w.withDefaults(cfg)), "open the queue")
	pool := w.pool(m, how, handle)
	w.ok(pool.Start(w.ctx), "start the pool")
	w.Cleanup(func() {
		w.openLatches()
		w.stop(pool)
	})
	return m, pool
}

func troubleFails(w *env) {
	p := &awayProvider{Provider: w.main}
	var (
		begun sync.WaitGroup
		runs  atomic.Int64
	)
	begun.Add(6)
	finish, let := w.latch()
	m := w.begin(p, runtime.QueueConfig{Name: "q", Visibility: long}, func(_ context.Context, l letter) error {
		runs.Add(1)
		begun.Done()
		<-finish
		switch l.N % 3 {
		case 1:
			return runtime.Skip(errBoom)
		case 2:
			return runtime.RetryAfter(time.Hour, errBoom)
		}
		return nil
	})
	w.post(m, 6)
	begun.Wait()
	p.away.Store(true)
	let()
	w.eventually(func() bool { return p.tries.Load() >= 6 }, "each kind of settling is tried again")
	q := w.open(runtime.QueueConfig{})
	w.counts(q, "while the queue takes nothing", 0, 0, 6, 0)
	p.away.Store(false)
	w.counts(q, "when it takes things again", 0, 2, 0, 2)
	w.check(runs.Load() == 6, "six tasks were run %d times", runs.Load())
}

func troubleGivesUp(w *env) {
	p := &awayProvider{Provider: w.main}
	lease := w.brief()
	begun := make(chan struct{}, 9)
	finish, let := w.latch()
	m := w.begin(p, runtime.QueueConfig{Name: "q", Visibility: lease}, func(context.Context, letter) error {
		begun <- struct{}{}
		<-finish
		return nil
	})
	other := w.open(runtime.QueueConfig{Visibility: lease})
	id := w.post(m, 1)
	<-begun
	p.away.Store(true)
	let()
	d := w.takeOneAmong(other, begun)
	if d == nil {
		return // the pool itself was the other worker
	}
	w.equal([]string{d.Task.ID}, id, "the task of the ack that did not get through")
	p.away.Store(false)
	w.nothing(other, "it is leased")
	w.ok(other.Complete(w.ctx, one(d)), "the new holder's receipt is good")
}

// takeOneAmong leases a task that pool workers may take as well: nil if they did.
func (w *env) takeOneAmong(q driver.Queue, begun <-chan struct{}) *driver.Delivery {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.patience)
	defer cancel()
	got := make(chan *driver.Delivery, 1)
	go func() {
		for ctx.Err() == nil {
			if ds, err := q.Dequeue(ctx, 1, long); err == nil {
				got <- ds[0]
				return
			} else if !errors.Is(err, driver.ErrNoTasks) {
				break
			}
		}
		got <- nil
	}()
	select {
	case d := <-got:
		w.check(d != nil, "the task was not handed out again after its lease")
		return d
	case <-begun:
		cancel()
		<-got
		return nil
	}
}
