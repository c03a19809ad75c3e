package memory

import (
	"container/list"
	"context"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A waiter is a Dequeue that found nothing.
type waiter struct {
	queue   *queue
	limit   int
	woken   chan struct{} // capacity 1: check again
	element *list.Element // among the waiters; nil once woken
}

func (q *queue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if err := driver.CheckDequeue(q.name, limit, lease); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, q.errNoTasks()
	}
	q.mu.Lock()
	for {
		if q.closed {
			q.leave()
			return nil, q.errClosed()
		}
		q.advance()
		if ds := q.handOut(limit, lease); ds != nil {
			q.leave()
			return ds, nil
		}
		w := q.await(q, limit)
		q.leave()
		select {
		case <-w.woken:
			q.mu.Lock()
			q.removeWaiter(w)
		case <-ctx.Done():
			q.mu.Lock()
			q.removeWaiter(w)
			q.leave() // wakes another waiter for w's tasks
			return nil, q.errNoTasks()
		}
	}
}

func (q *queue) errNoTasks() error { return fmt.Errorf("queue %q: %w", q.name, driver.ErrNoTasks) }

// deliveredTask is a delivery with its task.
type deliveredTask struct {
	delivery driver.Delivery
	task     driver.Task
}

// deliveriesPerBlock is how many deliveries share one allocation, which lives as long as
// any of them is used.
const deliveriesPerBlock = 64

// handOut leases up to limit tasks, or returns nil.
func (s *queueState) handOut(limit int, lease time.Duration) []*driver.Delivery {
	n := min(limit, s.available())
	if n == 0 {
		return nil
	}
	var (
		ends     = later(s.now, lease)
		until    = s.at(ends)
		backing  []deliveredTask
		ds       = make([]*driver.Delivery, n)
		receipts strings.Builder // one string for all
	)
	receipts.Grow(n * receiptLen)
	for i := range ds {
		if len(backing) == 0 {
			backing = make([]deliveredTask, min(n-i, deliveriesPerBlock))
		}
		d, t := &backing[0].delivery, &backing[0].task
		backing = backing[1:]
		it := s.take(ends)
		writeReceipt(&receipts, it.slot, it.token)
		*t = it.task
		if t.Metadata != nil {
			t.Metadata = maps.Clone(t.Metadata)
		}
		d.Task, d.LeaseUntil, d.Crashes = t, until, it.crashes
		ds[i] = d
	}
	text := receipts.String()
	for i, d := range ds {
		d.Receipt = driver.Receipt(text[i*receiptLen : (i+1)*receiptLen])
	}
	return ds
}

// take leases the next task. There must be one.
func (s *queueState) take(ends time.Duration) *item {
	it := s.next()
	s.detach(it)
	s.token++
	it.state, it.begun, it.token = leased, true, s.token
	s.leased.push(ends, it)
	if s.kind == driver.FIFO {
		s.updateTurn(it.group)
	}
	return it
}

// next is the next task to hand out.
func (s *queueState) next() *item {
	if s.kind == driver.FIFO {
		return s.groupTurns.head.head
	}
	for level := len(s.lines) - 1; ; level-- {
		if it := s.lines[level].first(); it != nil {
			return it
		}
	}
}

// await appends a waiter to the list of waiters.
func (s *queueState) await(q *queue, limit int) *waiter {
	w := &waiter{queue: q, limit: min(limit, math.MaxInt32), woken: make(chan struct{}, 1)}
	w.element = s.waiters.PushBack(w)
	return w
}

// wakeWaiters wakes waiters, the longest waiting first, until they can take all ready
// tasks. A woken waiter takes its share or calls removeWaiter, and every operation ends
// with wakeWaiters, so that no wake-up is lost. No waiter is woken for whom nothing would
// be left.
func (s *queueState) wakeWaiters() {
	for s.waiters.Len() > 0 && s.available() > s.promised {
		s.notify(s.waiters.Front().Value.(*waiter))
	}
}

func (s *queueState) notify(w *waiter) {
	s.waiters.Remove(w.element)
	w.element = nil
	s.promised += w.limit
	w.woken <- struct{}{}
}

// removeWaiter ends a wait, whether it was woken or not.
func (s *queueState) removeWaiter(w *waiter) {
	if w.element != nil {
		s.waiters.Remove(w.element)
		return
	}
	s.promised -= w.limit
}

// wakeAllOf wakes all waiters of one handle of the queue, because it is closed.
func (s *queueState) wakeAllOf(q *queue) {
	for e := s.waiters.Front(); e != nil; {
		w := e.Value.(*waiter)
		e = e.Next()
		if w.queue == q {
			s.notify(w)
		}
	}
}
