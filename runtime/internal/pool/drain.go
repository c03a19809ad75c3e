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

// Bounds of the looks of a drain.
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
	stopped := context.AfterFunc(ctx, func() { r.end(0) })
	defer func() {
		stopped()
		err = errors.Join(err, r.stop(context.WithoutCancel(ctx), p.cfg.Grace))
		runs = r.runs
	}()
	for {
		fetched, err := r.drainOnce(ctx)
		if err != nil {
			return 0, err
		}
		r.awaitSettled()
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("drain: %w", context.Cause(ctx))
		}
		if fetched == 0 {
			return 0, nil
		}
	}
}

// drainOnce fetches from all queues. If they bring nothing, it looks closely at all of
// them at once. It returns the number of tasks.
func (r *run) drainOnce(ctx context.Context) (int, error) {
	fetched := 0
	for _, c := range r.consumers {
		n, err := c.drain.fetchReady(c.hearing(ctx))
		if err != nil {
			return 0, fmt.Errorf("drain queue %q: %w", c.name, err)
		}
		fetched += n
	}
	if fetched > 0 {
		return fetched, nil
	}
	var wg sync.WaitGroup
	ns, errs := make([]int, len(r.consumers)), make([]error, len(r.consumers))
	for i, c := range r.consumers {
		if c.drain.proven() {
			continue
		}
		wg.Go(func() {
			if ns[i], errs[i] = c.drain.lookClosely(c.hearing(ctx)); errs[i] != nil {
				errs[i] = fmt.Errorf("drain queue %q: %w", c.name, errs[i])
			}
		})
	}
	wg.Wait()
	for _, n := range ns {
		fetched += n
	}
	return fetched, errors.Join(errs...)
}

// awaitSettled waits until nothing is leased.
func (r *run) awaitSettled() {
	r.mon.Lock()
	defer r.mon.Unlock()
	for r.taken > 0 {
		r.settled.Wait()
	}
}

// A drain fetches the ready tasks of a queue for Drain, in place of a fetcher, and finds
// out when there are none. One goroutine at a time fetches.
type drain struct {
	mon      *monitor
	queue    driver.Queue
	name     string
	lease    time.Duration
	can      driver.Capabilities
	most     int // tasks of a Dequeue
	receives *receives

	// What it needs of its consumer.
	//
	// enter makes the end of the run wait until leave is called. It returns nil if the
	// run is ending: nobody would release what a fetch brings. separate and insertLocked
	// are those of a fetcher.
	enter        func() (leave func())
	separate     func(ds []*driver.Delivery) (kept, back []*driver.Delivery)
	insertLocked func(kept, back []*driver.Delivery)

	promised bool            // the last count had ready tasks
	counted  time.Duration   // how long that count took
	putOff   map[string]bool // IDs of tasks that go back with a delay, guarded by the monitor; nil: not kept
}

// init sets what depends on the queue.
func (d *drain) init(q driver.Queue) {
	cfg := q.Config()
	d.queue, d.name, d.lease, d.can = q, cfg.Name, cfg.Visibility, q.Capabilities()
	if !d.can.ExactReady {
		d.putOff = make(map[string]bool)
	}
}

// note takes note of the items that are about to go back with a delay.
func (d *drain) note(items []*item) {
	if d.putOff == nil {
		return
	}
	d.mon.Lock()
	defer d.mon.Unlock()
	for _, it := range items {
		if it.d.Delay > 0 {
			d.putOff[it.d.Task.ID] = true
		}
	}
}

// fetchReady takes one batch of ready tasks, and returns how many they were.
func (d *drain) fetchReady(ctx context.Context) (int, error) {
	began := time.Now()
	stats, err := d.queue.Stats(ctx)
	d.counted = time.Since(began)
	if d.promised = stats.Ready > 0; err != nil || !d.promised {
		return 0, err
	}
	return d.fetchWithin(ctx, drainWait, nil)
}

// proven reports whether the empty answer of fetchReady proves that nothing is ready. It
// does not if the queue counts ready tasks vaguely, or counts some without handing them
// out, because a busy machine may be the cause.
func (d *drain) proven() bool { return d.can.ExactReady && !d.promised }

// fetchWithin takes one batch, and waits for it no longer than most. Tasks whose IDs are
// in later go back to the queue.
func (d *drain) fetchWithin(ctx context.Context, most time.Duration, later map[string]bool) (int, error) {
	leave := d.enter()
	if leave == nil {
		return 0, nil
	}
	defer leave()
	waiting, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	ds, err := d.queue.Dequeue(waiting, d.most, d.lease)
	if err != nil && !errors.Is(err, driver.ErrNoTasks) {
		return 0, err
	}
	ds, back := d.separate(ds)
	d.mon.Lock()
	defer d.mon.unlockAndLog()
	kept := ds[:0]
	for _, one := range ds {
		if later[one.Task.ID] {
			one.Delay = drainLook
			back = append(back, one)
		} else {
			kept = append(kept, one)
		}
	}
	d.insertLocked(kept, back)
	return len(kept), nil
}

// lookClosely fetches where fetchReady has proven nothing, and returns the number of
// tasks. It skips those that this Drain has put off: else it would wait for tasks that
// become due within its look, and never end if a task snoozes for less.
func (d *drain) lookClosely(ctx context.Context) (int, error) {
	d.mon.Lock()
	later := maps.Clone(d.putOff)
	d.mon.Unlock()
	for look := 1; ; look++ {
		if n, err := d.look(ctx, later); err != nil || n > 0 {
			return n, err
		}
		if d.awaitLate(ctx) && look < drainLooks {
			continue
		}
		// Only such counts are certain: on other queues tasks that are not due may
		// count as ready.
		if !d.can.CountsScheduled || ctx.Err() != nil {
			return 0, nil
		}
		stats, err := d.queue.Stats(ctx)
		if err != nil || stats.Ready == 0 {
			return 0, err
		}
		if look == drainLooks {
			d.mon.logger().Warn("drained, though the queue counts tasks that are ready: others hold what goes before them, or its counts trail",
				slog.String("queue", d.name), slog.Int64("ready", stats.Ready))
			return 0, nil
		}
	}
}

// look fetches for so long that an empty answer counts, and returns the number of tasks.
func (d *drain) look(ctx context.Context, later map[string]bool) (int, error) {
	end := time.Now().Add(drainLook + drainTrips*min(d.counted, maxDrainTrip))
	for ctx.Err() == nil {
		began := time.Now()
		left := end.Sub(began)
		if left <= 0 {
			break
		}
		if n, err := d.fetchWithin(ctx, left, later); err != nil || n > 0 {
			return n, err
		}
		if time.Since(began) < idlePause {
			sleep(ctx, idlePause)
		}
	}
	return 0, nil
}

// awaitLate waits for receives that go on behind a look, and reports whether they were
// so late that the look proves nothing. Their tasks are back on the queue by then.
func (d *drain) awaitLate(ctx context.Context) bool {
	began := time.Now()
	for d.receives.any() && ctx.Err() == nil && time.Since(began) < drainLate {
		sleep(ctx, idlePause)
	}
	return time.Since(began) > drainWait && ctx.Err() == nil
}
