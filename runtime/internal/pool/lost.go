package pool

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A lease may end although its worker lives: the broker was away or did not answer,
// the machine slept. A queue cannot tell that from a crash, and counts one. So the
// pool says afterwards that it was none: it gives the task back with the receipt that
// is over by its own clock, which takes the crash back where the provider can (see
// Queue), and remembers by itself how many there were, for those that cannot.

const (
	// mostExcused bounds the tasks whose lost leases a pool remembers.
	mostExcused = 10_000
	// mostStale bounds the leases of a consumer that are to be given back yet, and
	// staleFor how long that is tried.
	mostStale = 4096
	staleFor  = time.Hour
)

// excuse notes that a lease was lost while the pool lived, once for each. The mutex is
// locked.
func (c *consumer) excuse(it *item) {
	if it.excused {
		return
	}
	it.excused, it.over = true, !it.d.LeaseUntil.After(c.run.p.now())
	c.run.p.excused.add(taskKey{c.name, it.d.Task.ID})
	if it.over && it.state != running { // else its handler may be at the task: finish sees to it
		c.giveBackLost(it)
	}
}

// giveBackLost has the lease extender give back a lease that is over. The mutex is locked.
func (c *consumer) giveBackLost(it *item) {
	if c.fenced && len(c.stale) < mostStale {
		d := *it.d
		c.stale = append(c.stale, &d)
		c.wakeExtender()
	}
}

// excuses counts the leases that a pool has lost while it lived, by task. It is safe
// for use by many goroutines.
type excuses struct {
	mu sync.Mutex
	recall[taskKey, int]
}

func (e *excuses) add(task taskKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.put(task, e.of[task]+1)
}

func (e *excuses) count(task taskKey) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.of[task]
}

// forget is called when a task is done with.
func (e *excuses) forget(task taskKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.of, task)
}

// giveStale gives back the leases that were lost. Those for which the queue did not
// answer are kept for another try. It reports whether there are none.
func (c *consumer) giveStale(ctx context.Context) bool {
	c.run.mon.Lock()
	n := min(len(c.stale), callSize)
	ds := slices.Clone(c.stale[:n])
	c.stale = slices.Delete(c.stale, 0, n)
	c.run.mon.Unlock()
	if n == 0 {
		return true
	}
	err := c.queue.Release(ctx, ds)
	failed, now := itemErrors(err, len(ds)), c.run.p.now()
	c.run.mon.Lock()
	defer c.run.mon.unlockAndLog()
	for i, d := range ds {
		e := failed(i)
		if e == nil || errors.Is(e, driver.ErrLeaseLost) || errors.Is(e, driver.ErrClosed) || now.Sub(d.LeaseUntil) > staleFor || len(c.stale) >= mostStale {
			continue
		}
		same := *d // the queue may be at it still
		c.stale = append(c.stale, &same)
	}
	return len(c.stale) == 0
}

// giveLast is one more try when the pool stops.
func (c *consumer) giveLast() {
	ctx, cancel := context.WithTimeout(c.run.base, time.Second)
	defer cancel()
	c.giveStale(ctx)
}

func (c *consumer) isStale() bool {
	c.run.mon.Lock()
	defer c.run.mon.Unlock()
	return len(c.stale) > 0
}
