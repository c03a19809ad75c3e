package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/internal/settle"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/driver"
)

// maxMessage bounds the payloads of one answer, unless a single one is larger: many clients
// take 4 MiB. callBytes bounds those of one call to a queue likewise.
const (
	maxMessage = 3 << 20
	callBytes  = 4 << 20
)

// receive dequeues tasks that may be run. Those that may not go to the dead letter queue, as
// they do in a pool, and it waits for others.
func (s *Server) receive(ctx context.Context, q *deliveries.Queue, limit int, length time.Duration) ([]*driver.Delivery, error) {
	hearing := driver.HearBuried(driver.HearBehind(ctx, s.leases.behind), func(t *driver.Task) {
		s.log().LogAttrs(ctx, slog.LevelError, "task is dead: it cannot be decoded", slog.String("queue", q.Config().Name), slog.String("id", t.ID), slog.String("error", t.Metadata[driver.MetaFailureReason]))
	})
	for {
		ds, err := q.Dequeue(hearing, limit, length)
		if len(ds) == 0 {
			return nil, err
		}
		if kept := s.bury(ctx, q, ds); len(kept) > 0 || err != nil {
			return kept, err
		}
	}
}

// bury moves the tasks that must not be handed out to the dead letter queue, and returns the
// others.
func (s *Server) bury(ctx context.Context, q *deliveries.Queue, ds []*driver.Delivery) []*driver.Delivery {
	now, worker := s.cfg.Manager.Now(), callerOf(ctx).name
	var dead []*driver.Delivery
	var told []ending
	kept := ds[:0]
	for _, d := range ds {
		cause := refusal(q, d, now)
		if cause == nil {
			kept = append(kept, d)
			continue
		}
		run := s.begin(ctx, q, worker, d)
		settle.Die(d.Task, settle.Run{Attempt: d.Attempt(), Worker: worker, At: now}, q.Config().Name, cause)
		s.storeFailure(ctx, d.Task)
		s.callHook(q, d, run, cause)
		s.log().LogAttrs(ctx, slog.LevelError, "task is dead", slog.Any("task", d.Task.LogValue()), slog.String("error", cause.Error()))
		run.end(d, driver.Died, cause, func() *driver.Task { return d.Task })
		dead, told = append(dead, d), append(told, ending{d, run})
	}
	if len(dead) == 0 {
		return kept
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackLimit)
	defer cancel()
	began := time.Now()
	err := q.DeadLetter(ctx, dead)
	answered(q, worker, told, driver.Died, began, err)
	if err != nil {
		s.log().LogAttrs(ctx, slog.LevelError, "tasks could not be dead lettered: they come back when their leases end", slog.String("queue", q.Config().Name), slog.String("error", err.Error()))
	}
	return kept
}

// refusal is why a task must not be handed out; nil if it may. The limits are those of the
// pool, except that the server cannot let a suspect run alone.
func refusal(q *deliveries.Queue, d *driver.Delivery, now time.Time) error {
	cfg := q.Config()
	ends, suspicion := settle.Suspicion(d, cfg.MaxDeliveries, q.Capabilities().ForgivesCrashes, 0)
	if cfg.MaxDeliveries > 0 && ends >= suspicion+cfg.MaxDeliveries {
		return fmt.Errorf("%w: %d deliveries ended without an outcome from their worker, and queue %q has max_deliveries=%d", driver.ErrMaxDeliveries, ends, cfg.Name, cfg.MaxDeliveries)
	}
	return settle.Expired(&cfg, d.Task, now)
}

// fitting splits deliveries into the first ones, whose payloads have at most so many bytes
// together or which are a single one, and the others.
func fitting(ds []*driver.Delivery, most int) (now, later []*driver.Delivery) {
	bytes := 0
	for i, d := range ds {
		if bytes += len(d.Task.Payload); i > 0 && bytes > most {
			return ds[:i], ds[i:]
		}
	}
	return ds, nil
}

// deliveries are leases as their worker gets them.
func (l *leases) deliveries(held []*lease) []*v1.Delivery {
	l.mu.Lock() // a stream may extend them already
	defer l.mu.Unlock()
	all := make([]*v1.Delivery, len(held))
	for i, h := range held {
		t := h.d.Task
		m := &v1.Delivery{LeaseId: h.id, Task: taskWithout(t), Attempt: int32(h.d.Attempt()), LeaseUntil: timestamp(h.d.LeaseUntil)}
		if t.Encoding == "" && utf8.Valid(t.Payload) {
			m.Task.Payload = string(t.Payload)
		} else {
			m.EncodedPayload = t.Payload
		}
		all[i] = m
	}
	return all
}

// giveBack puts tasks of a worker back on their queue, due at once, and goes on without its
// caller. cause is why the worker does not go on with those that it has.
func giveBack(ctx context.Context, q *deliveries.Queue, worker string, all []ending, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackLimit)
	defer cancel()
	copies := make([]*driver.Delivery, len(all))
	for i := range all {
		same := *all[i].d
		same.Delay = 0
		all[i].d, copies[i] = &same, &same
		all[i].run.end(&same, driver.Released, cause, all[i].own)
	}
	var failed error
	for len(copies) > 0 {
		part, rest := fitting(copies, callBytes)
		began := time.Now()
		err := q.Release(ctx, part)
		answered(q, worker, all[:len(part)], driver.Released, began, err)
		copies, all = rest, all[len(part):]
		for i := range part {
			// What is lost is not held any more: nothing is left to give back.
			if e := driver.ErrorAt(err, i); e != nil && !errors.Is(e, driver.ErrLeaseLost) {
				failed = e
			}
		}
	}
	if failed != nil {
		return fmt.Errorf("tasks of queue %q cannot be given back, and come back when their leases end: %w", q.Config().Name, failed)
	}
	return nil
}

// giveBackOrLog is giveBack where nobody hears of its error.
func (s *Server) giveBackOrLog(ctx context.Context, q *deliveries.Queue, worker string, all []ending, cause error) {
	n := len(all)
	if err := giveBack(ctx, q, worker, all, cause); err != nil {
		s.log().LogAttrs(ctx, slog.LevelWarn, err.Error(), slog.Int("tasks", n))
	}
}
