package memory

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Results keeps the results of handlers in memory. It is a [driver.ResultStore], and safe
// for concurrent use.
type Results struct {
	clock driver.Clock
	base  time.Time

	mu    sync.Mutex
	byID  map[string]*result
	room  int               // entries that byID has room for
	ends  timeHeap[*result] // the stored results, by when they expire
	last  uint64            // the newest version
	timer driver.Timer
	armed time.Duration // when timer fires; never when it is not set
}

var (
	_ driver.ResultStore  = (*Results)(nil)
	_ driver.ResultKeeper = (*Results)(nil)
)

// A result is stored or awaited.
type result struct {
	id      string
	value   []byte
	failure string
	version uint64
	until   time.Duration
	index   int           // among the ends; absent until stored
	done    chan struct{} // closed when stored
	waiting int
}

func (r *result) before(o *result) bool { return r.until < o.until }
func (r *result) heapIndex() *int       { return &r.index }

// NewResults returns an empty store.
func NewResults(opts ...Option) *Results {
	o := configure(opts)
	return &Results{clock: o.clock, base: o.clock.Now(), byID: make(map[string]*result), armed: never}
}

// PutResult stores the outcome of a task for ttl, or for driver.DefaultResultRetention if
// ttl is not positive. It replaces an earlier outcome and wakes all waiters.
func (rs *Results) PutResult(ctx context.Context, id string, value []byte, failure string, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("result of task %s: %w", id, err)
	}
	if ttl <= 0 {
		ttl = driver.DefaultResultRetention
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	now := rs.expire()
	if old := rs.byID[id]; old != nil && old.index != absent {
		rs.forget(old)
	}
	r := rs.entry(id)
	rs.last++
	r.value, r.failure, r.version, r.until = slices.Clone(value), failure, rs.last, later(now, ttl)
	heap.Push(&rs.ends, r)
	close(r.done)
	rs.arm(now)
	return nil
}

// Await returns the result of a task, or waits for it until ctx ends. The error wraps
// driver.ErrTaskFailed if the task is dead, else the cause of ctx. Await also waits for
// an expired result, and for one that never existed.
func (rs *Results) Await(ctx context.Context, id string) ([]byte, error) {
	rs.mu.Lock()
	rs.expire()
	r := rs.entry(id)
	r.waiting++
	rs.mu.Unlock()
	select {
	case <-r.done:
		return r.outcome()
	default:
	}
	select {
	case <-r.done:
		return r.outcome()
	case <-ctx.Done():
		rs.giveUp(r)
		return nil, fmt.Errorf("waiting for the result of task %s: %w", id, context.Cause(ctx))
	}
}

func (r *result) outcome() ([]byte, error) {
	if r.failure != "" {
		return nil, fmt.Errorf("task %s: %w: %s", r.id, driver.ErrTaskFailed, r.failure)
	}
	return slices.Clone(r.value), nil
}

// Peek implements [driver.ResultKeeper].
func (rs *Results) Peek(ctx context.Context, ids []string) ([]driver.StoredResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("results of tasks: %w", err)
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.expire()
	found := make([]driver.StoredResult, len(ids))
	for i, id := range ids {
		found[i].ID = id
		if r := rs.byID[id]; r != nil && r.index != absent {
			found[i].Failure, found[i].Version = r.failure, strconv.FormatUint(r.version, 10)
			if r.failure == "" {
				found[i].Result = slices.Clone(r.value)
			}
		}
	}
	return found, nil
}

// Forget implements [driver.ResultKeeper].
func (rs *Results) Forget(ctx context.Context, old []driver.StoredResult) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("forget results of tasks: %w", err)
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, o := range old {
		if r := rs.byID[o.ID]; r != nil && r.index != absent && strconv.FormatUint(r.version, 10) == o.Version {
			rs.forget(r)
		}
	}
	return nil
}

// entry finds or makes the entry of a task.
func (rs *Results) entry(id string) *result {
	r := rs.byID[id]
	if r == nil {
		r = &result{id: id, index: absent, done: make(chan struct{})}
		rs.byID[id] = r
		rs.room = max(rs.room, len(rs.byID))
	}
	return r
}

// giveUp ends a wait. An entry without a result is removed with its last waiter.
func (rs *Results) giveUp(r *result) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.waiting--
	if r.waiting == 0 && r.index == absent && rs.byID[r.id] == r {
		rs.unlist(r)
	}
}

// forget removes a stored result.
func (rs *Results) forget(r *result) {
	heap.Remove(&rs.ends, r.index)
	rs.unlist(r)
}

func (rs *Results) unlist(r *result) {
	delete(rs.byID, r.id)
	if len(rs.byID) == 0 && rs.room > keep {
		rs.byID, rs.room, rs.ends = make(map[string]*result), 0, nil // maps do not shrink
	}
}

// expire removes expired results, and returns the present.
func (rs *Results) expire() time.Duration {
	now := rs.clock.Now().Sub(rs.base)
	for len(rs.ends) > 0 && rs.ends[0].until <= now {
		rs.forget(rs.ends[0])
	}
	return now
}

// arm sets the timer to when the next result expires, so that an idle store releases its
// memory.
func (rs *Results) arm(now time.Duration) {
	if len(rs.ends) == 0 || rs.ends[0].until >= rs.armed {
		return
	}
	rs.armed = rs.ends[0].until
	if rs.timer == nil {
		rs.timer = rs.clock.AfterFunc(rs.armed-now, rs.tick)
		return
	}
	rs.timer.Reset(rs.armed - now)
}

func (rs *Results) tick() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.armed = never
	rs.arm(rs.expire())
}
