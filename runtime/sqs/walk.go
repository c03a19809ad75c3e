package sqs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// defaultWalkLease is how long a walk through the dead letter queue hides the messages
// that it has seen, with renewals. If a process dies on its walk, its messages stay
// hidden for that long.
const defaultWalkLease = 30 * time.Second

// A walk receives the messages of a dead letter queue once. It keeps the leases of
// those that it holds, so that none comes twice, and makes them visible at its end.
type walk struct {
	of      *queueState // of the queue whose dead tasks they are
	l       *source     // with a state of its own
	held    []*message
	renewed time.Time // when the leases were last renewed

	began time.Time
}

// newWalk begins a walk through the dead letter queue of e.
func newWalk(e *queueState) *walk {
	dead := &queueState{p: e.p, isDLQ: true, onExisting: e.onExisting, name: e.name, attemptHints: newAttemptHints()}
	return &walk{of: e, l: newSource(dead, e.dlq, 0), renewed: time.Now(), began: e.p.clock.Now()}
}

// next receives up to ten messages. It returns none when a receive that waits finds none:
// one that does not wait asks only some of SQS's servers, and a count of visible messages
// trails behind what was just sent. If the count has more hidden messages than the walk
// holds, next keeps looking until a walk's lease has passed: messages of a receive with a
// lost answer are back by then, and the rest is in use elsewhere.
func (w *walk) next(ctx context.Context) ([]*message, error) {
	l, p, began := w.l, w.l.state.p, time.Now()
	for wait := time.Duration(0); ; wait = time.Second {
		if err := w.keep(ctx); err != nil {
			return nil, err
		}
		out, err := l.receive(ctx, maxBatch, wait, p.walkLease)
		if err != nil {
			return nil, err
		}
		if len(out.Messages) == 0 {
			if wait == 0 {
				continue
			}
			n, err := p.count(ctx, l.sqsQueue)
			if err != nil || n.hidden <= int64(len(w.held)) || time.Since(began) > p.walkLease {
				return nil, err
			}
			continue
		}
		ms := make([]*message, len(out.Messages))
		for i, r := range out.Messages {
			if ms[i], err = l.read(r, p.clock.Now(), p.walkLease); err != nil {
				ms[i].markUndecodable(r, p.clock.Now(), err)
			}
			if ms[i].stored != "" {
				ms[i].payload = ms[i].task.Payload // its payload stays where it is
			}
		}
		return ms, nil
	}
}

// keep renews the leases of the held messages, once they are half over. A message whose
// lease is lost nevertheless comes once more.
func (w *walk) keep(ctx context.Context) error {
	lease := w.l.state.p.walkLease
	if time.Since(w.renewed) < lease/2 {
		return nil
	}
	w.renewed = time.Now()
	errs := make([]error, len(w.held))
	w.l.state.hide(ctx, false, w.held, errs, func(*message) int32 { return seconds(lease) })
	for _, err := range errs {
		if err != nil && !errors.Is(err, driver.ErrLeaseLost) {
			return fmt.Errorf("extend the leases of the messages received: %w", err)
		}
	}
	return nil
}

// end makes the held messages visible. If this fails, they are visible when their
// leases end.
func (w *walk) end(ctx context.Context) {
	w.of.runDetached(ctx, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, giveBackTimeout)
		defer cancel()
		w.l.state.hide(ctx, true, w.held, make([]error, len(w.held)), func(*message) int32 { return 0 })
	})
}
