package contest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Stage is one way to load a queue, and what its rates are called.
type Stage string

// The stages, in the order in which they run.
const (
	One     Stage = "enqueue, 1 caller"
	Many    Stage = "enqueue, 32 callers"
	Batches Stage = "enqueue, batches of 200"
	Drain   Stage = "drain"
	Flow    Stage = "enqueue and drain"
)

// Stages are those of the contests of brokers.
var Stages = []Stage{One, Many, Batches, Drain, Flow}

// BatchFlow is Flow with the tasks enqueued in batches: for contenders that have batches.
const BatchFlow Stage = "enqueue in batches of 200 and drain"

// allStages are those that a result may have, in their order.
var allStages = append(slices.Clone(Stages), BatchFlow)

// A Size bounds a stage: it is over after so many tasks or after so long,
// whichever comes first, and its rate is that of the tasks until then.
type Size struct {
	Tasks int
	Limit time.Duration
}

// A load is what a stage did: how many tasks in what time.
type load struct {
	tasks int
	took  time.Duration
}

func (l load) rate() float64 { return float64(l.tasks) / l.took.Seconds() }

// enqueue has some callers enqueue, by single calls or by batches of n.
func enqueue(ctx context.Context, q Queue, callers, n int, size Size) (load, error) {
	var left, done atomic.Int64
	left.Store(int64(size.Tasks))
	var all errgroup.Group
	began := time.Now()
	for range callers {
		all.Go(func() error {
			for time.Since(began) < size.Limit {
				mine := min(int64(n), left.Add(-int64(n))+int64(n))
				if mine <= 0 {
					return nil
				}
				if err := put(ctx, q, n, int(mine)); err != nil {
					return err
				}
				done.Add(mine)
			}
			return nil
		})
	}
	err := all.Wait()
	return load{int(done.Load()), time.Since(began)}, err
}

func put(ctx context.Context, q Queue, batch, n int) error {
	if batch == 1 {
		return q.Enqueue(ctx)
	}
	return q.(Batcher).EnqueueBatch(ctx, n)
}

// fill enqueues the way that is fastest for many tasks.
func fill(ctx context.Context, q Queue, size Size) (load, error) {
	if _, ok := q.(Batcher); ok {
		return enqueue(ctx, q, 1, Batch, size)
	}
	return enqueue(ctx, q, Callers, 1, size)
}

// drain works off the tasks of a queue that holds so many.
func drain(ctx context.Context, q Queue, held int, limit time.Duration) (load, error) {
	c := newCount(held)
	began := time.Now()
	stop, err := q.Work(ctx, c.handle)
	if err != nil {
		return load{}, err
	}
	c.wait(ctx, limit)
	l := load{c.handled(), time.Since(began)}
	if err := stop(ctx); err != nil {
		return l, fmt.Errorf("stop the workers: %w", err)
	}
	return l, nothingLeft(ctx, q, c)
}

// flow enqueues and works off at the same time. All contenders are offered the same: by
// Callers, one task a call, and no more than UnderWay that are not handled yet. A queue
// that fills faster than it drains would be measured on its enqueues, and its workers
// on what these leave of the machine.
//
// There is a task before the workers begin: some of them sleep when they find none.
func flow(ctx context.Context, q Queue, size Size) (load, error) {
	if err := q.Enqueue(ctx); err != nil {
		return load{}, err
	}
	c := newCount(size.Tasks + 1)
	underWay := make(chan struct{}, UnderWay)
	began := time.Now()
	stop, err := q.Work(ctx, func(due int64) {
		c.handle(due)
		select {
		case <-underWay:
		default: // the first one, or one that came twice
		}
	})
	if err != nil {
		return load{}, err
	}
	limited, cancel := context.WithTimeout(ctx, size.Limit)
	defer cancel()
	bounded := bound{q, underWay, limited}
	if _, err := enqueue(ctx, bounded, Callers, 1, size); err != nil && limited.Err() == nil {
		return load{}, err
	}
	c.wait(ctx, size.Limit-time.Since(began))
	l := load{c.handled(), time.Since(began)}
	if err := stop(ctx); err != nil {
		return l, fmt.Errorf("stop the workers: %w", err)
	}
	return l, nothingLeft(ctx, q, c)
}

// batchCallers enqueue batches side by side in BatchFlow.
const batchCallers = 4

// batchFlow is flow by batches. No more than UnderWay tasks are enqueued and not handled.
func batchFlow(ctx context.Context, q Queue, size Size) (load, error) {
	batches := max(size.Tasks/Batch, 1)
	c := newCount(batches * Batch)
	room := make(chan struct{}, UnderWay/Batch)
	var handled atomic.Int64
	began := time.Now()
	stop, err := q.Work(ctx, func(due int64) {
		c.handle(due)
		if handled.Add(1)%Batch == 0 {
			select {
			case <-room:
			default: // a task that came twice
			}
		}
	})
	if err != nil {
		return load{}, err
	}
	limited, cancel := context.WithTimeout(ctx, size.Limit)
	defer cancel()
	var left atomic.Int64
	left.Store(int64(batches))
	var all errgroup.Group
	for range batchCallers {
		all.Go(func() error {
			for left.Add(-1) >= 0 {
				select {
				case room <- struct{}{}:
				case <-limited.Done():
					return nil
				}
				if err := q.(Batcher).EnqueueBatch(ctx, Batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return load{}, err
	}
	c.wait(ctx, size.Limit-time.Since(began))
	l := load{c.handled(), time.Since(began)}
	if err := stop(ctx); err != nil {
		return l, fmt.Errorf("stop the workers: %w", err)
	}
	return l, nothingLeft(ctx, q, c)
}

// A bound is a queue whose Enqueue waits while too many tasks are under way.
type bound struct {
	Queue
	underWay chan struct{}
	limited  context.Context // ends with the stage
}

func (b bound) Enqueue(ctx context.Context) error {
	select {
	case b.underWay <- struct{}{}:
		return b.Queue.Enqueue(ctx)
	case <-b.limited.Done():
		return b.limited.Err()
	}
}

// nothingLeft is an error when all tasks were handled but some of them were not
// acknowledged: then the rate is that of something less than the others do.
func nothingLeft(ctx context.Context, q Queue, c *count) error {
	counter, ok := q.(Counter)
	if !ok || c.handled() < c.total {
		return nil
	}
	// Some brokers count what is acknowledged a moment later.
	for wait := time.Millisecond; ; wait *= 2 {
		left, err := counter.Left(ctx)
		if err != nil || left == 0 {
			return err
		}
		if wait > 10*time.Second {
			return fmt.Errorf("all %d tasks were handled, but %d are still on the queue", c.total, left)
		}
		time.Sleep(wait)
	}
}

// A count counts the handled tasks.
type count struct {
	total int
	n     atomic.Int64
	all   chan struct{}
}

func newCount(total int) *count { return &count{total: total, all: make(chan struct{})} }

func (c *count) handle(int64) {
	if c.n.Add(1) == int64(c.total) {
		close(c.all)
	}
}

// handled is how many tasks were handled, without what came twice.
func (c *count) handled() int { return min(int(c.n.Load()), c.total) }

// wait waits for all tasks, but no longer than the limit.
func (c *count) wait(ctx context.Context, limit time.Duration) {
	if c.total == 0 {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.all:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// idle measures how long it takes from the call that enqueues a task on an idle
// queue until its handler begins, n times, or as often as the limit allows.
func idle(ctx context.Context, q Queue, n int, limit time.Duration) ([]time.Duration, error) {
	begun := make(chan time.Time, 1)
	stop, err := q.Work(ctx, func(int64) {
		select {
		case begun <- time.Now():
		default: // it came a second time
		}
	})
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	// The first one is not counted: connections and consumers come up with it.
	for deadline := time.Now().Add(limit); len(took) <= n && time.Now().Before(deadline); {
		time.Sleep(5*time.Millisecond + rand.N(20*time.Millisecond)) // idle again, and in step with nobody's ticks
		called := time.Now()
		if err := q.Enqueue(ctx); err != nil {
			return nil, err
		}
		select {
		case at := <-begun:
			took = append(took, at.Sub(called))
		case <-time.After(limit):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return took[min(1, len(took)):], stop(ctx)
}

// Delayed tasks are due one after another, after a while in which to enqueue them.
const (
	delayedAfter = time.Second
	delayedApart = 20 * time.Millisecond
)

// late measures how long after their time n delayed tasks are begun; below zero
// when that is before their time.
func late(ctx context.Context, q Queue, n int, limit time.Duration) ([]time.Duration, error) {
	d := q.(Delayer)
	var mu sync.Mutex
	var lateness []time.Duration
	c := newCount(n)
	stop, err := q.Work(ctx, func(due int64) {
		by := time.Since(time.Unix(0, due))
		mu.Lock()
		lateness = append(lateness, by)
		mu.Unlock()
		c.handle(due)
	})
	if err != nil {
		return nil, err
	}
	first := time.Now().Add(delayedAfter)
	for i := range n {
		if err := d.EnqueueAt(ctx, first.Add(delayedApart*time.Duration(i))); err != nil {
			return nil, err
		}
	}
	c.wait(ctx, delayedAfter+delayedApart*time.Duration(n)+limit)
	err = stop(ctx)
	mu.Lock()
	defer mu.Unlock()
	return lateness, err
}
