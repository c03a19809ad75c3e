package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history"
)

const (
	// totalsFor is how long totals are kept: a store of a history reads all its records for
	// them.
	totalsFor = 10 * time.Second
	// totalsLimit bounds how long those of one queue are waited for.
	totalsLimit = 5 * time.Second
)

// errNoHistory: there is nothing to count.
var errNoHistory = fmt.Errorf("%w: the server reads no history: set Config.History", driver.ErrUnsupported)

// totals count the runs of queues by the history, each since its last reset.
type totals struct {
	s     *Server
	began time.Time // when the server did

	mu     sync.Mutex
	since  map[string]time.Time  // of queues that were reset
	kept   map[string]keptTotals // by queue
	recent map[string]keptTotals // of the last minute, by queue
}

type keptTotals struct {
	read   time.Time
	totals *v1.QueueTotals
}

func newTotals(s *Server) *totals {
	return &totals{s: s, began: s.cfg.Manager.Now(), since: make(map[string]time.Time), kept: make(map[string]keptTotals), recent: make(map[string]keptTotals)}
}

// of are the totals of a queue, no older than totalsFor. The error wraps ErrUnsupported if the
// server has no history.
func (t *totals) of(ctx context.Context, queue string) (*v1.QueueTotals, error) {
	t.mu.Lock()
	kept, ok := t.kept[queue]
	t.mu.Unlock()
	if ok && time.Since(kept.read) < totalsFor {
		return kept.totals, nil
	}
	return t.read(ctx, queue)
}

// read reads the totals of a queue.
func (t *totals) read(ctx context.Context, queue string) (*v1.QueueTotals, error) {
	if t.s.cfg.History == nil {
		return nil, errNoHistory
	}
	since, reset := t.from(queue)
	sum, err := t.count(ctx, queue, since)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since[queue].Equal(reset) { // else it was reset meanwhile
		t.kept[queue] = keptTotals{time.Now(), sum}
	}
	return sum, nil
}

// lastMinute counts the runs of the last minute, no longer than totalsFor ago. A reset changes
// nothing about it.
func (t *totals) lastMinute(ctx context.Context, queue string) (*v1.QueueTotals, error) {
	t.mu.Lock()
	kept, ok := t.recent[queue]
	t.mu.Unlock()
	switch {
	case ok && time.Since(kept.read) < totalsFor:
		return kept.totals, nil
	case t.s.cfg.History == nil:
		return nil, errNoHistory
	}
	sum, err := t.count(ctx, queue, t.s.cfg.Manager.Now().Add(-time.Minute))
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recent[queue] = keptTotals{time.Now(), sum}
	return sum, nil
}

// count counts the runs of a queue that have ended since a time.
func (t *totals) count(ctx context.Context, queue string, since time.Time) (*v1.QueueTotals, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, totalsLimit, fmt.Errorf("the history has not answered within %s", totalsLimit))
	defer cancel()
	stats, err := t.s.cfg.History.Stats(bounded, history.Filter{Queue: queue, Since: since})
	if err != nil {
		if ctx.Err() == nil && bounded.Err() != nil {
			err = context.Cause(bounded)
		}
		return nil, fmt.Errorf("the totals of queue %q: %w", queue, err)
	}
	sum := &v1.QueueTotals{Since: timestamp(since)}
	for _, of := range stats {
		sum.Completed += of.Outcomes[driver.Completed]
		sum.Retried += of.Outcomes[driver.Retried]
		sum.Died += of.Outcomes[driver.Died]
	}
	return sum, nil
}

// from is when counting began, and the last reset. A history that keeps less has begun later.
func (t *totals) from(queue string) (since, reset time.Time) {
	t.mu.Lock()
	reset, ok := t.since[queue]
	t.mu.Unlock()
	since = t.began
	if ok {
		since = reset
	}
	if oldest := t.s.cfg.Manager.Now().Add(-t.s.cfg.History.Retention()); oldest.After(since) {
		since = oldest
	}
	return since, reset
}

// reset begins to count anew, and returns the totals until now.
func (t *totals) reset(ctx context.Context, queue string) (*v1.QueueTotals, error) {
	until, err := t.read(ctx, queue)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since[queue] = t.s.cfg.Manager.Now()
	delete(t.kept, queue)
	return until, nil
}
