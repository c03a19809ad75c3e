package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

func (q *queue) Cancel(ctx context.Context, ids []string) ([]string, error) {
	if err := q.enter(ctx); err != nil {
		return nil, err
	}
	defer q.leave()
	var cancelled []string
	for _, id := range ids {
		if it := q.waiting(id); it != nil {
			q.drop(it)
			cancelled = append(cancelled, id)
		}
	}
	return cancelled, nil
}

// waiting returns the ready or scheduled task with the given ID, or nil.
func (s *queueState) waiting(id string) *item {
	it := s.ids.get(id)
	for it != nil && it.state == leased {
		it = it.nextSameID
	}
	return it
}

// Reschedule leaves a task at its position in line if it is due and at has passed too. A
// task of a group that was handed out before keeps its position at the head of the group,
// and the group waits for it.
func (q *queue) Reschedule(ctx context.Context, id string, at time.Time) error {
	if err := q.enter(ctx); err != nil {
		return err
	}
	defer q.leave()
	it := q.waiting(id)
	if it == nil {
		return fmt.Errorf("queue %q: %w: no task %s waits here (it may be with a worker)", q.name, driver.ErrTaskNotFound, id)
	}
	due := at.Sub(q.base)
	it.task.ScheduledFor = at
	if it.state == ready && due <= q.now {
		return nil
	}
	q.detach(it)
	if q.kind == driver.FIFO && it.group != nil && !it.begun {
		q.leaveGroup(it)
	}
	q.makeDue(it, due)
	return nil
}

// leaveGroup takes an item out of its group while it stays on the queue: it joins the end
// when it is due.
func (s *queueState) leaveGroup(it *item) {
	it.state = scheduled
	s.removeFromGroup(it)
}

func (q *queue) Purge(ctx context.Context) (int, error) {
	if err := q.enter(ctx); err != nil {
		return 0, err
	}
	defer q.leave()
	n := q.ready + q.scheduled.n
	for i := range q.lines {
		for it := q.lines[i].first(); it != nil; it = q.lines[i].first() {
			q.drop(it)
		}
	}
	for it := q.scheduled.first(); it != nil; it = q.scheduled.first() {
		q.drop(it)
	}
	return n, nil
}

func (q *queue) Pause(ctx context.Context, until time.Time) error {
	if err := q.enter(ctx); err != nil {
		return err
	}
	defer q.leave()
	end := never
	if !until.IsZero() {
		end = until.Sub(q.base)
	}
	q.paused, q.pauseEnd = end > q.now, end
	return nil
}

func (q *queue) Resume(ctx context.Context) error {
	if err := q.enter(ctx); err != nil {
		return err
	}
	defer q.leave()
	q.paused = false
	return nil
}

func (q *queue) Paused(ctx context.Context) (driver.Pause, error) {
	if err := q.enter(ctx); err != nil {
		return driver.Pause{}, err
	}
	defer q.leave()
	switch {
	case !q.paused:
		return driver.Pause{}, nil
	case q.pauseEnd == never:
		return driver.Pause{Paused: true}, nil
	}
	return driver.Pause{Paused: true, Until: q.at(q.pauseEnd)}, nil
}
