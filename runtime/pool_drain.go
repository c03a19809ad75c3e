package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// drainWait bounds the wait for a task that the queue's numbers promise and
// that is not handed out: one of a group that another worker holds, say.
const drainWait = 100 * time.Millisecond

// Drain runs what is due now, through the same path as a running pool, and
// what becomes due meanwhile, until nothing is ready. It returns how many runs of
// handlers there were. Tasks that are retried later are left for later. With one
// worker tasks run in the order the queue hands them out.
//
// It stops early when ctx ends, which cancels the handlers and gives the rest
// back, or when a queue cannot be reached. It fails while the pool runs.
func (p *Pool) Drain(ctx context.Context) (runs int, err error) {
	s, err := p.begin(ctx, false)
	if err != nil {
		return 0, err
	}
	stopped := context.AfterFunc(ctx, func() { s.end(0) })
	defer func() {
		stopped()
		err = errors.Join(err, s.stop(context.WithoutCancel(ctx), p.cfg.Grace))
		runs = s.runs
	}()
	for {
		fetched := 0
		for _, l := range s.lanes {
			n, err := l.fetchReady(ctx)
			if err != nil {
				return 0, fmt.Errorf("drain queue %q: %w", l.name, err)
			}
			fetched += n
		}
		s.awaitSettled()
		if fetched == 0 {
			return 0, nil
		}
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("drain: %w", context.Cause(ctx))
		}
	}
}

// fetchReady takes one batch of what is ready, and says how many that were.
func (l *lane) fetchReady(ctx context.Context) (int, error) {
	stats, err := l.queue.Stats(ctx)
	if err != nil || stats.Ready == 0 {
		return 0, err
	}
	waiting, cancel := context.WithTimeout(ctx, drainWait)
	defer cancel()
	ds, err := l.queue.Dequeue(l.hearing(waiting), l.s.maxHeld(), l.lease)
	if err != nil && !errors.Is(err, ErrNoTasks) {
		return 0, err
	}
	ds, back := l.separate(ds)
	l.s.mu.Lock()
	defer l.s.unlock()
	l.insert(ds, back)
	return len(ds), nil
}

// awaitSettled waits until nothing is leased.
func (s *shift) awaitSettled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.taken > 0 {
		s.settled.Wait()
	}
}

// maxHeld bounds the tasks of a queue that wait for their type's limit.
func (s *shift) maxHeld() int { return max(s.p.cfg.Workers, 16) }
