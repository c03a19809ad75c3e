package sqs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Complete implements [driver.Queue]. It costs one request for ten tasks.
func (q *Queue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, ds, func(e *queueState, ms []*message, errs []error) {
		e.deleteMessages(ctx, ms, errs)
		e.recordOutcomes(ctx, ms, errs, true)
		for i, m := range ms {
			if errs[i] == nil && m.stored != "" && e.p.store != nil {
				// Where that fails an object stays behind, and expires in the store.
				_ = e.p.store.Delete(ctx, m.stored)
			}
		}
	})
}

// Extend implements [driver.Queue]. It costs one request for ten tasks. SQS leases a
// message for 12 hours at most, counted from its receive: a lease ends then, however
// far it was extended, and LeaseUntil says so. A lease of more than 12 hours is refused
// with ErrUnsupported.
func (q *Queue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if err := driver.CheckExtend(q.cfg.Name, lease); err != nil {
		return err
	}
	if lease > maxLease {
		return q.tooLong(lease)
	}
	if err := q.checkOpen(); err != nil {
		return err
	}
	errs := q.state.extendLeases(ctx, ds, lease)
	return result(errs, func(i int) string { return idOf(ds[i]) })
}

// extendLeases is Extend. For messages that are being released it waits for the release:
// then the lease is over, or still runs if the release has failed.
func (e *queueState) extendLeases(ctx context.Context, ds []*driver.Delivery, lease time.Duration) []error {
	ms, errs := e.claim(ds, false)
	var all []*message // with their followers
	var released []<-chan struct{}
	var waiting []int
	var owner []int
	e.mu.Lock()
	for i, m := range ms {
		if errs[i] == nil && m.releasing != nil {
			waiting, released, ms[i] = append(waiting, i), append(released, m.releasing), nil
		} else if errs[i] == nil {
			e.countExtends(m, 1)
			for _, o := range m.withFollowers() {
				all = append(all, o)
				owner = append(owner, i)
			}
		}
	}
	e.mu.Unlock()
	lost := make(map[*message]bool)
	for k, err := range e.extend(ctx, all, lease) {
		if i := owner[k]; all[k] == ms[i] {
			errs[i] = err
		} else if err != nil {
			lost[all[k]] = true
		}
	}
	var back []*message
	e.mu.Lock()
	for i, m := range ms {
		if m != nil {
			e.countExtends(m, -1)
		}
		if m != nil && errs[i] == nil {
			ds[i].LeaseUntil = m.until
			back = append(back, m.cutAtLost(lost)...)
		}
	}
	e.mu.Unlock()
	back = append(back, e.abandon(ds, ms, errs)...)
	e.giveBack(ctx, back)
	for k, over := range released {
		i := waiting[k]
		select {
		case <-over:
			errs[i] = e.extendLeases(ctx, ds[i:i+1], lease)[0]
		case <-ctx.Done():
			errs[i] = fmt.Errorf("extend the lease of task %s, which is being released: %w", idOf(ds[i]), unavailable(ctx.Err()))
		}
	}
	return errs
}

// countExtends counts the calls of Extend for a message. mu is held.
func (e *queueState) countExtends(m *message, more int) {
	if m.extended == nil {
		m.extended = make(chan struct{})
	}
	if m.extending += more; m.extending == 0 {
		close(m.extended)
		m.extended = nil
	}
}

// settle does what takes deliveries off their leases.
func (q *Queue) settle(ctx context.Context, ds []*driver.Delivery, do func(e *queueState, ms []*message, errs []error)) error {
	if err := q.checkOpen(); err != nil {
		return err
	}
	e := q.state
	ms, errs := e.claim(ds, true)
	do(e, ms, errs)
	e.mu.Lock()
	for i, m := range ms {
		if m == nil {
			continue
		}
		m.settling = false
		m.setReleasing(false)
		if errs[i] == nil {
			delete(e.leased, ds[i].Receipt)
			e.attemptHints.forget(m)
			e.advanceGroup(m)
		}
	}
	e.mu.Unlock()
	e.giveBack(ctx, e.abandon(ds, ms, errs))
	return result(errs, func(i int) string { return idOf(ds[i]) })
}

// claim finds the messages of deliveries. A message whose lease is over by the local
// clock is lost, whatever SQS would say: standard queues do not fence. With settling
// set it belongs to the caller until settle is done with it.
func (e *queueState) claim(ds []*driver.Delivery, settling bool) ([]*message, []error) {
	ms, errs := make([]*message, len(ds)), make([]error, len(ds))
	now := e.p.clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, d := range ds {
		m := e.leased[d.Receipt]
		if m == nil || !m.until.After(now) || settling && m.settling {
			errs[i] = fmt.Errorf("task %s: %w", idOf(d), driver.ErrLeaseLost)
			continue
		}
		m.settling = m.settling || settling
		if settling {
			m.task = d.Task
		}
		ms[i] = m
	}
	return ms, errs
}

// abandon forgets deliveries that SQS says are lost, and returns their followers. One that
// another call is settling is that call's: it may be lost to an Extend because it was just
// deleted, and then the next of its group is handed out.
func (e *queueState) abandon(ds []*driver.Delivery, ms []*message, errs []error) []*message {
	var back []*message
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, m := range ms {
		if m != nil && !m.settling && errors.Is(errs[i], driver.ErrLeaseLost) && e.leased[ds[i].Receipt] == m {
			delete(e.leased, ds[i].Receipt)
			back = append(back, m.followers()...)
		}
	}
	return back
}

// inBatches calls do for the messages that have no error yet, in batches of ten of
// one source, several at the same time.
func inBatches(ms []*message, errs []error, do func(l *source, part []*message) []error) {
	type batch struct {
		l    *source
		part []*message
		at   []int
	}
	var all []*batch
	last := make(map[*source]*batch)
	for i, m := range ms {
		if m == nil || errs[i] != nil {
			continue
		}
		b := last[m.source]
		if b == nil || len(b.part) == maxBatch {
			b = &batch{l: m.source}
			last[m.source] = b
			all = append(all, b)
		}
		b.part, b.at = append(b.part, m), append(b.at, i)
	}
	concurrently(all, func(b *batch) {
		for k, err := range do(b.l, b.part) {
			errs[b.at[k]] = err
		}
	})
}

// resolveStaleHandles calls do with a batch. It treats a stale receipt handle as success if
// the answer to this request, or to an earlier one for the same message, was lost: SQS has
// carried it out, and says that the handle is used up. If the request only extends a lease,
// a stale handle is a lost lease.
func resolveStaleHandles(ctx context.Context, settles bool, part []*message, numbers []int, do func(context.Context) (map[int]entryResult, error)) (map[int]entryResult, error) {
	ctx, tries := counting(ctx)
	all, err := do(ctx)
	for _, n := range numbers {
		m := part[n]
		if err != nil {
			if settles && unanswered(err, tries.Load()) { // an Extend leaves it alone: another call may settle the message
				m.outcomeUnknown = true
			}
		} else if v := all[n]; v.stale {
			if settles && (m.outcomeUnknown || tries.Load() > 1) {
				all[n] = entryResult{}
			} else {
				all[n] = entryResult{err: fmt.Errorf("%w: %w", driver.ErrLeaseLost, v.err)}
			}
		}
	}
	return all, err
}

// unanswered reports whether a failed request may have been carried out: it was sent, and
// was not refused in its only try.
func unanswered(err error, tries int64) bool {
	var answer *awshttp.ResponseError
	refused := errors.As(err, &answer) && answer.HTTPStatusCode() >= 400 && answer.HTTPStatusCode() < 500
	return tries > 1 || tries == 1 && !refused
}

// deleteMessages deletes messages.
func (e *queueState) deleteMessages(ctx context.Context, ms []*message, errs []error) {
	inBatches(ms, errs, func(l *source, part []*message) []error {
		return entries(ctx, len(part), func(numbers []int) (map[int]entryResult, error) {
			batch := make([]types.DeleteMessageBatchRequestEntry, len(numbers))
			for i, n := range numbers {
				batch[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), ReceiptHandle: &part[n].handle}
			}
			return resolveStaleHandles(ctx, true, part, numbers, func(ctx context.Context) (map[int]entryResult, error) {
				out, err := e.p.api.DeleteMessageBatch(ctx, &awssqs.DeleteMessageBatchInput{QueueUrl: &l.url, Entries: batch})
				if err != nil {
					return nil, explain("delete from "+l.name, err)
				}
				return entryResults(out.Successful, func(s types.DeleteMessageBatchResultEntry) *string { return s.Id }, out.Failed), nil
			})
		})
	})
}

// hide makes messages invisible for the given number of seconds from now; 0 makes
// them visible. settles says that the messages' leases are over with it.
func (e *queueState) hide(ctx context.Context, settles bool, ms []*message, errs []error, secs func(*message) int32) {
	inBatches(ms, errs, func(l *source, part []*message) []error {
		return entries(ctx, len(part), func(numbers []int) (map[int]entryResult, error) {
			batch := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(numbers))
			for i, n := range numbers {
				batch[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), ReceiptHandle: &part[n].handle, VisibilityTimeout: secs(part[n])}
			}
			return resolveStaleHandles(ctx, settles, part, numbers, func(ctx context.Context) (map[int]entryResult, error) {
				out, err := e.p.api.ChangeMessageVisibilityBatch(ctx, &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: &l.url, Entries: batch})
				if err != nil {
					return nil, explain("change the visibility of messages of "+l.name, err)
				}
				return entryResults(out.Successful, func(s types.ChangeMessageVisibilityBatchResultEntry) *string { return s.Id }, out.Failed), nil
			})
		})
	})
}

// extend makes the leases of messages end the given time from now, or 12 hours
// after their receive where that is sooner.
func (e *queueState) extend(ctx context.Context, ms []*message, lease time.Duration) []error {
	return e.extendEach(ctx, ms, func(*message) time.Duration { return lease })
}

func (e *queueState) extendEach(ctx context.Context, ms []*message, lease func(*message) time.Duration) []error {
	errs := make([]error, len(ms))
	now := e.p.clock.Now()
	ends := make(map[*message]time.Time, len(ms))
	longer := make([]*message, len(ms))
	for i, m := range ms {
		// The last second is left out: SQS refuses what goes beyond it by its clock.
		last := m.received.Add(maxLease - time.Second)
		if ends[m] = now.Add(lease(m)); ends[m].Before(last) {
			longer[i] = m
		} else if ends[m] = last; last.Sub(m.until) >= time.Second {
			longer[i] = m
		} else {
			ends[m] = m.until // no further extension is possible
		}
	}
	e.hide(ctx, false, longer, errs, func(m *message) int32 { return seconds(ends[m].Sub(now)) })
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, m := range ms {
		if errs[i] == nil {
			m.until = ends[m]
		}
	}
	return errs
}

// giveBack returns messages that will not run here. It sends them again if possible, so
// that this receive is no crash; messages of a fifo queue become visible again when they
// are due, and keep their place. A caller does not wait for it beyond the end of ctx.
func (e *queueState) giveBack(ctx context.Context, ms []*message) {
	if len(ms) == 0 {
		return
	}
	done := e.markMoving()
	e.runDetached(ctx, func(ctx context.Context) {
		defer done()
		ctx, cancel := context.WithTimeout(ctx, giveBackTimeout)
		defer cancel()
		e.putBack(ctx, ms)
	})
}

func (e *queueState) putBack(ctx context.Context, ms []*message) {
	errs := make([]error, len(ms)) // failed ones come back when their lease ends
	if !e.fifo {
		e.resend(ctx, ms, errs)
		return
	}
	now := e.p.clock.Now()
	for _, m := range ms {
		if m.releasedHere && e.retriesInPlace() {
			e.attemptHints.record(m, m.task)
		}
	}
	e.hide(ctx, true, ms, errs, func(m *message) int32 {
		most := m.received.Add(maxLease - time.Second).Sub(now)
		return seconds(min(max(m.due.Sub(now), m.giveBackDelay()), most))
	})
}

// giveBackDelay is how long a message stays hidden that goes back to a fifo queue unused. It
// is 0 until SQS has counted half of the receives after which it moves a message to the
// dead letter queue by itself. Then it is so long that the other half lasts for as long
// as SQS keeps a message: no message dies of being given back.
func (m *message) giveBackDelay() time.Duration {
	const half = maxReceives / 2
	if m.source.policy == nil && !m.source.assumed || m.receives < half {
		return 0
	}
	return maxRetention / half
}
