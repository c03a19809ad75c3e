package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of the looks of a Drain.
const (
	// drainWait bounds the first wait for a task that the queue counts and does not
	// hand out: one of a group that another worker holds, say.
	drainWait = 100 * time.Millisecond
	// drainLook is how long a receive must last before its empty answer counts, on a
	// queue without ExactReady: a receive of SQS that waits for a second asks all its
	// servers.
	drainLook = time.Second + drainWait
	// drainLooks is how many such receives there are if the queue counts ready tasks,
	// or answered a receive late.
	drainLooks = 3
	// drainLate bounds the wait for that answer.
	drainLate = 10 * time.Second
	// drainTrips is how many round trips a receive gets time for in addition to its
	// wait: a queue of levels asks the levels one after the other first. Each trip is
	// assumed to take as long as the last count did, and maxDrainTrip at most.
	drainTrips   = 10
	maxDrainTrip = 500 * time.Millisecond
)

// Drain runs the tasks that are due now or become due meanwhile, until nothing is
// ready. It returns the number of runs of handlers.
func (p *Pool) Drain(ctx context.Context) (runs int, err error) {
	r, err := p.begin(ctx, false)
	if err != nil {
		return 0, err
	}
	for _, c := range r.consumers {
		if !c.can.ExactReady {
			c.acker.putOff = make(map[string]bool)
		}
	}
	stopped := context.AfterFunc(ctx, func() { r.end(0) })
	defer func() {
		stopped()
		err = errors.Join(err, r.stop(context.WithoutCancel(ctx), p.cfg.Grace))
		runs = r.runs
	}()
	for {
		fetched := 0
		for _, c := range r.consumers {
			n, err := c.fetchReady(ctx)
			if err != nil {
				return 0, fmt.Errorf("drain queue %q: %w", c.name, err)
			}
			fetched += n
		}
		if fetched == 0 {
			if fetched, err = r.lookClosely(ctx); err != nil {
				return 0, err
			}
		}
		r.awaitSettled()
		if fetched == 0 && ctx.Err() == nil {
			return 0, nil
		}
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("drain: %w", context.Cause(ctx))
		}
	}
}

// fetchReady takes one batch of ready tasks, and returns how many they were. On a queue
// without ExactReady an empty answer proves nothing.
func (c *consumer) fetchReady(ctx context.Context) (int, error) {
	began := time.Now()
	stats, err := c.queue.Stats(ctx)
	c.counted = time.Since(began)
	if c.promised = stats.Ready > 0; err != nil || !c.promised {
		return 0, err
	}
	return c.fetchWithin(ctx, drainWait, nil)
}

// fetchWithin takes one batch, and waits for it no longer than d. Tasks whose IDs are
// in later go back to the queue.
func (c *consumer) fetchWithin(ctx context.Context, d time.Duration, later map[string]bool) (int, error) {
	if !c.run.beginFetch() {
		return 0, nil
	}
	defer c.run.fetchers.Done()
	waiting, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	ds, err := c.queue.Dequeue(c.hearing(waiting), c.run.maxHeld(), c.lease)
	if err != nil && !errors.Is(err, driver.ErrNoTasks) {
		return 0, err
	}
	ds, back := c.separate(ds)
	c.run.mon.Lock()
	defer c.run.mon.unlockAndLog()
	kept := ds[:0]
	for _, d := range ds {
		if later[d.Task.ID] {
			d.Delay = drainLook
			back = append(back, d)
		} else {
			kept = append(kept, d)
		}
	}
	c.insertLocked(kept, back)
	return len(kept), nil
}

// beginFetch makes the end of the run wait for a fetch, as it does for the fetchers. It
// returns false if the run is ending: nobody would release what the fetch brings.
func (r *run) beginFetch() bool {
	r.mon.Lock()
	defer r.mon.Unlock()
	if r.stopping {
		return false
	}
	r.fetchers.Add(1)
	return true
}

// lookClosely fetches from the queues whose empty answer proves nothing, and from those
// that count tasks without handing them out, because a busy machine may be the cause.
// It fetches from all at once, and returns the number of tasks.
func (r *run) lookClosely(ctx context.Context) (int, error) {
	var (
		wg      sync.WaitGroup
		fetched = make([]int, len(r.consumers))
		errs    = make([]error, len(r.consumers))
	)
	for i, c := range r.consumers {
		if c.can.ExactReady && !c.promised {
			continue
		}
		wg.Go(func() {
			if fetched[i], errs[i] = c.lookClosely(ctx); errs[i] != nil {
				errs[i] = fmt.Errorf("drain queue %q: %w", c.name, errs[i])
			}
		})
	}
	wg.Wait()
	n := 0
	for _, f := range fetched {
		n += f
	}
	return n, errors.Join(errs...)
}

// lookClosely skips the tasks that this Drain has put off: else it would wait for tasks
// that become due within its look, and never end if a task snoozes for less.
func (c *consumer) lookClosely(ctx context.Context) (int, error) {
	c.run.mon.Lock()
	later := maps.Clone(c.acker.putOff)
	c.run.mon.Unlock()
	for look := 1; ; look++ {
		for end := time.Now().Add(drainLook + drainTrips*min(c.counted, maxDrainTrip)); ctx.Err() == nil; {
			began := time.Now()
			left := end.Sub(began)
			if left <= 0 {
				break
			}
			if n, err := c.fetchWithin(ctx, left, later); err != nil || n > 0 {
				return n, err
			}
			if time.Since(began) < idlePause {
				sleep(ctx, idlePause)
			}
		}
		if c.awaitLate(ctx) && look < drainLooks {
			continue
		}
		// Only such counts are certain: on other queues tasks that are not due may
		// count as ready.
		if !c.can.CountsScheduled || ctx.Err() != nil {
			return 0, nil
		}
		stats, err := c.queue.Stats(ctx)
		if err != nil || stats.Ready == 0 {
			return 0, err
		}
		if look == drainLooks {
			c.run.p.logger().Warn("drained, though the queue counts tasks that are ready: others hold what goes before them, or its counts trail",
				slog.String("queue", c.name), slog.Int64("ready", stats.Ready))
			return 0, nil
		}
	}
}

// awaitLate waits for receives that go on behind a look, and reports whether they were
// so late that the look proves nothing. Their tasks are back on the queue by then.
func (c *consumer) awaitLate(ctx context.Context) bool {
	began := time.Now()
	for c.late.Load() > 0 && ctx.Err() == nil && time.Since(began) < drainLate {
		sleep(ctx, idlePause)
	}
	return time.Since(began) > drainWait && ctx.Err() == nil
}

// awaitSettled waits until nothing is leased.
func (r *run) awaitSettled() {
	r.mon.Lock()
	defer r.mon.Unlock()
	for r.taken > 0 {
		r.settled.Wait()
	}
}

// maxHeld bounds the tasks of a queue that wait for their type's limit.
func (r *run) maxHeld() int { return max(r.p.cfg.Workers, 16) }
