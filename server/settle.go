package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/internal/settle"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A verb is a call of a queue about leases.
type verb int

const (
	_ verb = iota // none
	extends
	completes
	releases
	deadLetters
)

// An item is one lease of a request, and what becomes of it.
type item struct {
	id     string
	lease  *lease // nil: err says why
	d      *driver.Delivery
	verb   verb
	length time.Duration // for extends: how long
	sent   bool          // the queue was asked
	err    error

	owned   bool // d has a task of its own
	outcome driver.Outcome
	cause   error               // of the outcome; nil: there is none
	answer  *observe.Settlement // of the call that asked the queue; nil: nobody listens
}

// over reports whether an item is not sent, because its lease has ended: the task may be another
// worker's, and its result that of the other. A release is sent nevertheless: it says that the
// end was no crash.
func (it *item) over(now time.Time) bool { return it.verb != releases && !it.d.LeaseUntil.After(now) }

// own gives an item a task that may be changed: the lease may have to be settled again.
func (it *item) own() *driver.Task {
	if !it.owned {
		it.owned, it.d.Task = true, copyOf(it.d.Task)
	}
	return it.d.Task
}

// run is the run of an item, which ends now.
func (it *item) run(now time.Time) settle.Run {
	return settle.Run{Attempt: it.d.Attempt(), Worker: it.lease.caller, At: now, Took: now.Sub(it.lease.began)}
}

// delay makes an item go back on its queue, due after d.
func (it *item) delay(d time.Duration, now time.Time) {
	it.verb, it.d.Delay = releases, d
	if cfg := it.lease.queue.Config(); settle.Delays(&cfg, d) {
		settle.Delay(&cfg, it.own(), d, now)
	}
}

// settle takes leases, lets prepare say what is to become of each, and tells their queues.
// Items that prepare leaves with an error are not sent. The error of each item is final when
// settle returns.
func (s *Server) settle(ctx context.Context, ids []string, prepare func(i int, it *item, now time.Time)) []*item {
	items := s.leases.take(callerOf(ctx).name, ids)
	defer s.leases.done(items)
	now := s.cfg.Manager.Now()
	s.prepare(items, func(i int, it *item) { prepare(i, it, now) })
	s.leases.ends(items, now)
	s.send(ctx, items, now)
	return items
}

// prepare calls prepare for each item that has no error, several at a time if that may store a
// result.
func (s *Server) prepare(items []*item, prepare func(i int, it *item)) {
	limit := storing
	if s.cfg.Results == nil {
		limit = 1
	}
	var group errgroup.Group
	group.SetLimit(limit)
	for i, it := range items {
		switch {
		case it.err != nil:
		case limit == 1:
			prepare(i, it)
		default:
			group.Go(func() error { prepare(i, it); return nil })
		}
	}
	_ = group.Wait()
}

// storing is how many results one request stores at a time.
const storing = 16

// send makes one call to each queue for each verb.
func (s *Server) send(ctx context.Context, items []*item, now time.Time) {
	type call struct {
		queue *deliveries.Queue
		verb  verb
		lease time.Duration
	}
	calls := make(map[call][]*item)
	for _, it := range items {
		switch {
		case it.err != nil:
		case it.over(now):
			it.err = fmt.Errorf("%w: it ended at %s", driver.ErrLeaseLost, it.d.LeaseUntil.UTC().Format(time.RFC3339))
		default:
			c := call{it.lease.queue, it.verb, it.length}
			calls[c] = append(calls[c], it)
		}
	}
	for c, of := range calls {
		ds := make([]*driver.Delivery, len(of))
		for i, it := range of {
			ds[i], it.sent = it.d, true
		}
		for len(ds) > 0 {
			part := ds
			if c.verb == releases || c.verb == deadLetters {
				part, _ = fitting(ds, callBytes)
			}
			began := time.Now()
			err := ask(ctx, c.queue, c.verb, part, c.lease)
			answer := c.queue.Settlement(of[0].lease.caller, began, len(part))
			for i := range part {
				of[i].err, of[i].answer = driver.ErrorAt(err, i), answer
			}
			ds, of = ds[len(part):], of[len(part):]
		}
	}
}

func ask(ctx context.Context, q driver.Queue, v verb, ds []*driver.Delivery, lease time.Duration) error {
	switch v {
	case extends:
		return q.Extend(ctx, ds, lease)
	case completes:
		return q.Complete(ctx, ds)
	case deadLetters:
		return q.DeadLetter(ctx, ds)
	default:
		return q.Release(ctx, ds)
	}
}

// outcomes are what became of items.
func outcomes(items []*item) []*v1.SettleOutcome {
	all := make([]*v1.SettleOutcome, len(items))
	for i, it := range items {
		all[i] = &v1.SettleOutcome{LeaseId: it.id, Error: itemError(it.err)}
	}
	return all
}

// Complete implements the method of QueueService.
func (q *queueService) Complete(ctx context.Context, req *v1.CompleteRequest) (*v1.CompleteResponse, error) {
	ids := make([]string, len(req.GetTasks()))
	for i, t := range req.GetTasks() {
		ids[i] = t.GetLeaseId()
	}
	items := q.s.settle(ctx, ids, func(i int, it *item, now time.Time) {
		it.verb, it.outcome = completes, driver.Completed
		if it.d.LeaseUntil.After(now) { // else the result may be another worker's to store
			it.err = q.s.storeResult(ctx, it.d.Task, req.GetTasks()[i].GetResult())
		}
	})
	return &v1.CompleteResponse{Outcomes: outcomes(items)}, nil
}

// Fail implements the method of QueueService. It decides as the pool does, with one
// exception: RetryPolicy.Retryable looks into errors of Go, which the wire does not carry. The
// worker says itself what is permanent.
func (q *queueService) Fail(ctx context.Context, req *v1.FailRequest) (*v1.FailResponse, error) {
	ids := make([]string, len(req.GetTasks()))
	all := make([]*v1.FailOutcome, len(ids))
	for i, t := range req.GetTasks() {
		ids[i], all[i] = t.GetLeaseId(), &v1.FailOutcome{LeaseId: t.GetLeaseId()}
	}
	items := q.s.settle(ctx, ids, func(i int, it *item, now time.Time) {
		failed, t := req.GetTasks()[i], it.own()
		delete(t.Metadata, driver.MetaUnknown) // a worker that runs the task knows its type and its shape
		cause := errors.New(failed.GetError())
		if failed.GetPermanent() || t.RetryCount >= t.MaxRetries {
			q.s.die(ctx, it, cause, now)
			return
		}
		delay := span(failed.GetRetryAfter())
		if failed.RetryAfter == nil {
			delay = q.s.policyOf(ctx, t.Type).Retry.Delay(t.RetryCount+1, rand.Float64())
		}
		settle.Retry(t, it.run(now), cause)
		it.outcome, it.cause = driver.Retried, cause
		it.delay(delay, now)
		all[i].DueAt = timestamp(now.Add(delay))
	})
	for i, it := range items {
		if it.err != nil {
			all[i] = &v1.FailOutcome{LeaseId: it.id, Error: itemError(it.err)}
			continue
		}
		all[i].Dead = it.verb == deadLetters
	}
	return &v1.FailResponse{Outcomes: all}, nil
}

// die makes the task of an item die of a run that failed.
func (s *Server) die(ctx context.Context, it *item, cause error, now time.Time) {
	t := it.own()
	settle.Die(t, it.run(now), it.lease.queue.Config().Name, cause)
	it.outcome, it.cause = driver.Died, cause
	if it.verb = deadLetters; it.d.LeaseUntil.After(now) {
		s.storeFailure(ctx, t)
		s.callHook(it.lease.queue, it.d, it.lease.run, cause)
	}
}

// Extend implements the method of QueueService.
func (q *queueService) Extend(ctx context.Context, req *v1.ExtendRequest) (*v1.ExtendResponse, error) {
	items := q.s.settle(ctx, req.GetLeaseIds(), func(_ int, it *item, _ time.Time) {
		it.verb, it.length = extends, leaseOf(it.lease.queue, req.GetLease())
	})
	return &v1.ExtendResponse{Outcomes: outcomes(items)}, nil
}

// Release implements the method of QueueService.
func (q *queueService) Release(ctx context.Context, req *v1.ReleaseRequest) (*v1.ReleaseResponse, error) {
	items := q.s.settle(ctx, req.GetLeaseIds(), func(_ int, it *item, now time.Time) {
		if it.outcome = driver.Released; req.GetDelay().AsDuration() > 0 {
			it.outcome = driver.Snoozed
		}
		it.delay(span(req.GetDelay()), now)
	})
	return &v1.ReleaseResponse{Outcomes: outcomes(items)}, nil
}

// DeadLetter implements the method of QueueService.
func (q *queueService) DeadLetter(ctx context.Context, req *v1.DeadLetterRequest) (*v1.DeadLetterResponse, error) {
	items := q.s.settle(ctx, req.GetLeaseIds(), func(_ int, it *item, now time.Time) {
		q.s.die(ctx, it, errors.New(req.GetReason()), now)
	})
	return &v1.DeadLetterResponse{Outcomes: outcomes(items)}, nil
}

// policyOf is the policy of a type; the default one for a type that the server does not know.
func (s *Server) policyOf(ctx context.Context, name string) runtime.Policy {
	if known, ok := s.types.of(ctx, name); ok {
		return known.policy
	}
	return runtime.Policy{}
}

// storeResult keeps the result of a task that is about to be completed. A task without one
// leaves a mark only if results of its type are awaited.
func (s *Server) storeResult(ctx context.Context, t *driver.Task, result string) error {
	if result != "" && !json.Valid([]byte(result)) {
		return fmt.Errorf("%w: the result of task %s (%s) is not JSON", driver.ErrInvalidTask, t.ID, t.Type)
	}
	if s.cfg.Results == nil {
		return nil
	}
	var data []byte
	if result != "" {
		data = []byte(result)
	} else if known, _ := s.types.list(ctx).Of(t.Type); !known.Result {
		return nil
	}
	if err := s.cfg.Results.PutResult(ctx, t.ID, data, "", s.retentionOf(ctx, t.Type)); err != nil {
		return fmt.Errorf("the result of task %s (%s) cannot be stored: %w", t.ID, t.Type, err)
	}
	return nil
}

// storeFailure keeps why a task has died, for those who await its result. Whether anybody
// does is unknown, as handlers decide it. If the failure cannot be stored, that is logged: the
// task dies nevertheless.
func (s *Server) storeFailure(ctx context.Context, t *driver.Task) {
	if s.cfg.Results == nil {
		return
	}
	if err := s.cfg.Results.PutResult(ctx, t.ID, nil, t.Metadata[driver.MetaFailureReason], s.retentionOf(ctx, t.Type)); err != nil {
		s.log().LogAttrs(ctx, slog.LevelWarn, "the failure of a task cannot be stored: who awaits its result is not told", slog.Any("task", t.LogValue()), slog.String("error", err.Error()))
	}
}

// callHook calls the hook for a task that dies, if this program has one, for the time of a lease.
// That it fails is logged.
func (s *Server) callHook(q *deliveries.Queue, d *driver.Delivery, run *heardRun, cause error) {
	ctx := context.Background() // neither the end nor the values of the call are the hook's business
	if run != nil {
		ctx = run.ctx
	}
	ctx, cancel := context.WithTimeout(ctx, q.Config().Visibility)
	defer cancel()
	if err := deliveries.Bury(ctx, s.cfg.Manager, d, cause); err != nil {
		s.log().LogAttrs(ctx, slog.LevelError, "the hook for dead tasks failed", slog.Any("task", d.Task.LogValue()), slog.Any("error", err))
	}
}

// retentionOf is how long results of a type are kept.
func (s *Server) retentionOf(ctx context.Context, name string) time.Duration {
	if ttl := s.policyOf(ctx, name).Retention; ttl != 0 {
		return ttl
	}
	return driver.DefaultResultRetention
}

// longest bounds what clients ask for, so that no sum of times overflows.
const longest = 100 * 365 * 24 * time.Hour

// span is a duration of a request.
func span(d *durationpb.Duration) time.Duration { return min(d.AsDuration(), longest) }

// leaseOf is how long leases of a queue are, if a request says so.
func leaseOf(q driver.Queue, d *durationpb.Duration) time.Duration {
	if d == nil {
		return q.Config().Visibility
	}
	return span(d)
}
