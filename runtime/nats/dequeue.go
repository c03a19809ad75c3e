package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Dequeue implements [driver.Queue]. It requests at most limit messages, and at most
// 1000, and waits until ctx ends, however long that is. Requests: 1 per batch, on a
// priority queue 1 per level that it checks; 1 more for each task if the lease is not
// the queue's Visibility, and for each task that is retried.
func (q *queue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if err := driver.CheckDequeue(q.cfg.Name, limit, lease); err != nil {
		return nil, err
	}
	if err := q.beginDequeue(); err != nil {
		return nil, err
	}
	defer q.dequeues.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Work in progress at Close completes, unless the server does not answer.
	defer context.AfterFunc(q.closing, func() { time.AfterFunc(answerWait, cancel) })()
	for pause := firstPause; ; {
		if err := q.open(); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, q.errNoTasks()
		}
		if q.held.due() { // after the end of a lease its task is available
			q.giveBackExpired(ctx, q.held.all())
		}
		if q.housekeepingDue(time.Now()) {
			q.runDetached(ctx, func(ctx context.Context) {
				_, _ = q.housekeep(ctx), q.handleMisaddressed(ctx) // failures are retried another time
			})
		}
		p, err := q.fetch(ctx, min(limit, batchSize))
		if err == nil {
			var ds []*driver.Delivery
			if ds, err = q.deliver(ctx, p, limit, lease); len(ds) > 0 {
				return ds, nil
			}
			if err == nil {
				err = p.err
			}
		}
		if err == nil {
			pause = firstPause
			continue
		}
		if err := q.awaitRecovery(ctx, err, pause); err != nil {
			return nil, err
		}
		pause = min(2*pause, maxPause)
	}
}

func (q *queue) errNoTasks() error {
	return fmt.Errorf("queue %q: %w", q.cfg.Name, driver.ErrNoTasks)
}

// awaitRecovery waits for an unreachable server or a missing consumer to come back. It
// returns an error if waiting is useless.
func (q *queue) awaitRecovery(ctx context.Context, cause error, pause time.Duration) error {
	if errors.Is(cause, nats.ErrConnectionClosed) {
		return fmt.Errorf("dequeue from queue %q: %w", q.cfg.Name, unavailable(cause))
	}
	if errors.Is(cause, errDisconnected) && ctx.Err() == nil {
		return fmt.Errorf("dequeue from queue %q: %w", q.cfg.Name, cause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-q.closing.Done():
		return q.errClosed()
	case <-ctx.Done():
		return cmp.Or(q.open(), q.errNoTasks())
	case <-timer.C:
	}
	if !errors.Is(cause, errNoConsumer) && !errors.Is(cause, driver.ErrUnknownQueue) || q.requester.nc.Status() != nats.CONNECTED {
		return nil
	}
	if err := q.repair(ctx, q.cfg); err != nil && errors.Is(err, driver.ErrQueueMismatch) {
		return fmt.Errorf("dequeue from queue %q: %w", q.cfg.Name, err)
	}
	return nil
}

// fetch gets messages from the queue's consumers. If there are several, the first ones
// with messages serve; if none has any, fetch waits for one message from each.
func (q *queue) fetch(ctx context.Context, limit int) (*pull, error) {
	consumers, _ := q.consumers()
	delayConsumers := q.delayConsumers()
	if len(delayConsumers) > 0 {
		if err := q.promoteDue(ctx); err != nil {
			return nil, err
		}
	}
	if len(consumers)+len(delayConsumers) == 1 {
		return q.pull(ctx, q.closing.Done(), consumers, limit, true)
	}
	all := &pull{w: q.requester, requestedAt: time.Now(), gone: q.requester.disconnected()}
	for i := range consumers {
		p, err := q.pull(ctx, q.closing.Done(), consumers[i:i+1], limit-len(all.got), false)
		if err != nil {
			if len(all.got) > 0 {
				break
			}
			return nil, err
		}
		all.got, all.err = append(all.got, p.got...), p.err
		if len(all.got) >= limit || p.truncated || ctx.Err() != nil {
			break
		}
	}
	if len(all.got) > 0 || all.err != nil || ctx.Err() != nil {
		return all, nil
	}
	// No consumer has messages.
	p, err := q.pull(ctx, q.closing.Done(), slices.Concat(consumers, delayConsumers), 1, true)
	if err == nil && len(p.got) == 0 && p.err == nil && q.isDLQ() && ctx.Err() == nil {
		p.err = q.refresh(ctx) // more queues may die here now
	}
	return p, err
}

// deliver turns messages into deliveries. It handles messages itself that must not be
// handed out: those that cannot be decoded, have a later copy, or are not due.
func (q *queue) deliver(ctx context.Context, p *pull, limit int, length time.Duration) ([]*driver.Delivery, error) {
	if len(p.got) == 0 {
		return nil, nil
	}
	// Work on received messages continues for a short time after ctx has ended.
	ctx, cancel := graceContext(ctx, min(length, answerWait))
	defer cancel()
	if err := q.awaitSiblings(ctx, p, limit); err != nil {
		return nil, err
	}
	ls, counts, misaddressed := q.read(p.got)
	q.enqueueOrBuryAll(ctx, misaddressed)
	ls, counts = q.withoutHeld(ctx, ls, counts)
	if err := q.dropReplaced(ctx, ls); err != nil {
		return nil, err // their leases bring them back
	}
	_, unit := q.consumers()
	ls, err := q.dropSuperseded(ctx, ls, counts, p.late(unit))
	if err != nil {
		return nil, err
	}
	var extra []*lease
	if len(ls) > limit {
		ls, extra = ls[:limit], ls[limit:]
	}
	if q.open() != nil {
		extra, ls = append(extra, ls...), nil
	}
	if len(extra) > 0 {
		q.giveBack(ctx, extra, 0, nil)
	}
	ls, tasks := q.classify(ctx, ls)
	if len(ls) == 0 {
		return nil, nil
	}
	q.grant(ctx, ls, p, length)
	q.held.add(q.queueState, ls)
	room := make([]driver.Delivery, len(ls))
	ds := make([]*driver.Delivery, len(ls))
	for i, l := range ls {
		room[i] = driver.Delivery{Task: tasks[i], Receipt: driver.Receipt(l.receipt), LeaseUntil: l.until, Crashes: l.crashes}
		ds[i] = &room[i]
	}
	return ds, nil
}

// siblingWait is how far apart the server may notice the ends of leases that began
// together.
const siblingWait = 20 * time.Millisecond

// awaitSiblings waits for the other tasks that come back from a dead worker, so that a pool
// sees all suspects at once (see MaxDeliveries).
func (q *queue) awaitSiblings(ctx context.Context, p *pull, limit int) error {
	again := false
	for _, m := range p.got {
		if m.meta.NumDelivered > 1 {
			again = true
			break
		}
	}
	if !again || len(p.got) >= limit {
		return nil
	}
	timer := time.NewTimer(siblingWait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-q.closing.Done():
		return nil
	}
	consumers, _ := q.consumers()
	for _, c := range consumers {
		if n := limit - len(p.got); n > 0 {
			if err := p.fetchNow(q.queueState, c, min(n, batchSize)); err != nil {
				return err
			}
		}
	}
	return nil
}

// read parses messages. counts says how often each was delivered. misaddressed are messages
// whose subject is not that of a task.
func (s *queueState) read(msgs []pulled) (ls []*lease, counts []uint64, misaddressed []misaddressedMsg) {
	room := make([]lease, len(msgs))
	for i, m := range msgs {
		meta := m.meta
		place, rest, ok := s.split(m.Subject)
		if !ok {
			m := &stored{seq: meta.Sequence.Stream, subject: m.Subject, data: m.Data, header: m.Header, at: meta.Timestamp}
			misaddressed = append(misaddressed, misaddressedMsg{m, msgs[i].Reply})
			continue
		}
		l := &room[i]
		*l = lease{
			subject: m.Subject, place: place, tail: rest, seq: meta.Sequence.Stream, ack: m.Reply, data: m.Data, headers: m.Header, stored: meta.Timestamp,
			crashes:     crashes(m.Header) + int(meta.NumDelivered) - 1,
			redelivered: meta.NumDelivered > 1,
			receipt:     strconv.FormatUint(meta.Sequence.Stream, 36) + "." + strconv.FormatUint(meta.Sequence.Consumer, 36),
		}
		if m.back && meta.NumDelivered > 1 {
			l.crashes-- // no worker got that delivery
		}
		ls, counts = append(ls, l), append(counts, meta.NumDelivered)
	}
	return ls, counts, misaddressed
}

// classify decodes the delivered messages and returns those to hand out.
func (q *queue) classify(ctx context.Context, ls []*lease) ([]*lease, []*driver.Task) {
	tasks := make([]*driver.Task, 0, len(ls))
	kept := ls[:0]
	var joining, isDelayed, bad []*lease
	var causes []error
	var due []time.Time // when the delayed tasks are due
	now := time.Now()
	for _, l := range ls {
		task, err := driver.DecodeEnvelope(l.data)
		switch {
		case l.isDelayed():
			isDelayed, due = append(isDelayed, l), append(due, time.Time{})
			if err == nil {
				due[len(due)-1] = task.ScheduledFor
			}
			continue
		case l.place == placeJoining:
			joining = append(joining, l)
			continue
		case q.isDLQ():
			task, _ = decodeDead(l.tail, q.name, l.data, l.headers, l.stored)
			if task.ScheduledFor.After(now) {
				q.postpone(ctx, l, task, now)
				continue
			}
		case err != nil:
			bad, causes = append(bad, l), append(causes, err)
			continue
		case task.ScheduledFor.After(now):
			q.postpone(ctx, l, task, now)
			continue
		}
		l.id = task.ID
		kept, tasks = append(kept, l), append(tasks, task)
	}
	if len(bad) > 0 {
		q.buryUndecodable(ctx, bad, causes)
	}
	if len(joining) > 0 {
		q.join(ctx, joining)
	}
	if len(isDelayed) > 0 {
		q.promoteDelayed(ctx, isDelayed, due)
	}
	return kept, tasks
}

// postpone puts back a task that is not due by this machine's clock: the server's is
// ahead. It sets the schedule by the server's clock, which it knows from the time of
// the message.
func (q *queue) postpone(ctx context.Context, l *lease, task *driver.Task, now time.Time) {
	ahead := max(l.stored.Sub(now), 0)
	r := q.delayed(l, l.data, task.ScheduledFor.Add(ahead))
	if err := q.requester.roundTrip(ctx, []*request{r}, nil); err != nil {
		return // the lease brings it back
	}
	switch _, err := r.ack(); {
	case err == nil:
		_ = q.requester.roundTrip(ctx, []*request{l.ackRequest()}, nil)
	case hasNoCopy(err):
		_ = q.requester.roundTrip(ctx, []*request{l.nakRequest(max(task.ScheduledFor.Sub(now), fullPause))}, nil)
	}
}

// grant gives the server's leases the requested length.
func (q *queue) grant(ctx context.Context, ls []*lease, p *pull, length time.Duration) {
	now := time.Now()
	for _, l := range ls {
		l.until = now.Add(length)
	}
	// A delivery's lease begins when the server sends it, which was after asked. The
	// half of slack beyond late covers that and the answer's travel time. If the
	// connection was lost since, the server may have restarted: see renew.
	_, unit := q.consumers()
	if length+slack == unit && now.Sub(p.requestedAt) < (slack-late)/2 && !p.late(unit) {
		return
	}
	rs := make([]*request, len(ls))
	for i, l := range ls {
		rs[i] = l.nakRequest(length + slack)
	}
	_ = q.requester.roundTrip(ctx, rs, nil)
	for i, r := range rs {
		if r.reply == nil {
			// The lease that the server keeps is not known. The worker has the shorter
			// one; if it got none, the task might wait for the longer.
			ls[i].until = now.Add(min(length, max(unit-2*slack, slack)))
		}
	}
}
