package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A bounded stream, one with a limit and discard=new, refuses messages beyond the
// limit. The server allows no schedules in it. Tasks that are due later are stored in
// the place of schedules all the same, and workers pull them from there: they put a
// task back with its delay, by a negative acknowledgement, and move it to where it is
// due when it comes again (see promoteDelayed).

// bounds are the limits of such a stream; 0 or less: none.
type bounds struct{ bytes, msgs int64 }

// maxBound is the largest limit of a stream unless the program sets another.
const maxBound = 1 << 30

// bound is the limit of bytes for a stream that is to be made; 0 for none.
func (p *Provider) bound(ctx context.Context) (int64, error) {
	if p.maxBytes > 0 {
		return p.maxBytes, nil
	}
	info, err := p.js.AccountInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask NATS for the account's limits: %w", err)
	}
	tier := info.Tier
	if t, ok := info.Tiers[fmt.Sprintf("R%d", max(p.replicas, 1))]; ok {
		tier = t
	}
	if !tier.Limits.MaxBytesRequired {
		return 0, nil
	}
	n := int64(maxBound)
	if most := tier.Limits.MaxStore; most > 0 {
		n = min(n, (most-int64(tier.ReservedStore))/4)
	}
	if most := tier.Limits.StoreMaxStreamBytes; most > 0 {
		n = min(n, most)
	}
	if n < 1 {
		return 0, fmt.Errorf("the account requires a limit of bytes for each stream, and all its storage is reserved: raise max_file of the account, or reserve less with nats.WithMaxBytes")
	}
	return n, nil
}

// withinBounds refuses tasks that would take a bounded stream beyond nine tenths of its
// limits: the rest is for workers, whose retries must not fail. It costs 1 request a
// batch.
func (q *queue) withinBounds(ctx context.Context, es []*entry, failed map[int]error) []*entry {
	b := q.bounds.Load()
	if b == nil || len(es) == 0 {
		return es
	}
	st, err := q.state(ctx)
	kept := es[:0]
	for _, e := range es {
		st.Bytes += uint64(len(e.envelope) + roomForRest)
		st.Msgs++
		switch {
		case err != nil:
			failed[e.index] = fmt.Errorf("enqueue on queue %q: %w", q.cfg.Name, err)
		case b.bytes > 0 && st.Bytes > uint64(b.bytes/10*9) || b.msgs > 0 && st.Msgs > uint64(max(b.msgs/10*9, 1)):
			st.Bytes -= uint64(len(e.envelope) + roomForRest)
			st.Msgs--
			failed[e.index] = fmt.Errorf("%w: nine tenths of stream %s are taken (max_bytes %d, max_msgs %d), and the rest is for retries: enqueue again once workers have caught up", driver.ErrQueueFull, q.names.stream, b.bytes, b.msgs)
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// isFull reports whether the server refuses a message for lack of room.
func isFull(err error) bool { return fullCode(codeOf(err)) }

func fullCode(code int) bool {
	switch code {
	case 10002, 10023, 10028, 10047, 10077: // resources of account or server, memory, storage, the stream's own limits
		return true
	}
	return false
}

// queueFull turns such an error into the contract's.
func queueFull(err error) error {
	if isFull(err) && !errors.Is(err, driver.ErrQueueFull) {
		return fmt.Errorf("%w: %w", driver.ErrQueueFull, err)
	}
	return err
}

// later adds to header what makes a message come to a target at a time.
func (s *queueState) later(header nats.Header, at time.Time, target string) nats.Header {
	if s.bounds.Load() != nil {
		return header // see promoteDelayed
	}
	return scheduled(header, at, target)
}

// delayConsumers returns the consumers of the places of schedules, if workers pull from
// them.
func (s *queueState) delayConsumers() (all []string) {
	if s.bounds.Load() == nil {
		return nil
	}
	pulled, _ := s.consumers()
	for _, c := range pulled {
		if c == headConsumer {
			all = append(all, schedConsumer(defaultPartition), waitingConsumer)
		} else {
			all = append(all, schedConsumer(strings.TrimPrefix(c, readyConsumer(""))))
		}
	}
	return all
}

// promoteDue handles the messages in the places of schedules. On a bounded stream it costs
// a Dequeue, and Stats, 1 request for each level, and 2 more on a fifo queue.
func (q *queue) promoteDue(ctx context.Context) error {
	for _, c := range q.delayConsumers() {
		p, err := q.pull(ctx, q.closing.Done(), []string{c}, batchSize, false)
		if err != nil {
			return err
		}
		if err := q.promotePulled(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// promotePulled is promoteDelayed for pulled messages.
func (q *queue) promotePulled(ctx context.Context, p *pull) error {
	ls, _, misaddressed := q.read(p.got)
	q.enqueueOrBuryAll(ctx, misaddressed)
	due := make([]time.Time, len(ls))
	for i, l := range ls {
		if task, err := driver.DecodeEnvelope(l.data); err == nil {
			due[i] = task.ScheduledFor
		}
	}
	if len(ls) > 0 {
		ctx, cancel := graceContext(ctx, answerWait)
		defer cancel()
		q.promoteDelayed(ctx, ls, due)
	}
	return p.err
}

// isDelayed reports whether a message is in the place of schedules.
func (l *lease) isDelayed() bool {
	return strings.HasPrefix(l.place, placeScheduled) || l.place == placeWaiting
}

// promoteDelayed moves messages from the place of schedules to where they are due, and puts
// back those that are not due yet.
func (q *queue) promoteDelayed(ctx context.Context, ls []*lease, due []time.Time) {
	now := time.Now()
	var back, moves []*request
	var joining, moved []*lease
	for i, l := range ls {
		l.crashes = crashes(l.headers) // putting it back is no run
		// A process that died before it removed the message has promoted it already.
		header := copied(l.headers)
		header[headerMsgID] = []string{q.originID(l.seq, l.stored)}
		switch {
		case due[i].After(now):
			back = append(back, l.nakRequest(due[i].Sub(now)))
		case q.kind == driver.FIFO && l.place == placeDelayed:
			joining = append(joining, l)
		case l.place == placeWaiting:
			moves, moved = append(moves, publish(q.at(placeHead, l.tail), l.data, guard{q.at(anyActive, groupOf(l.tail)+".>"), l.seq}, header)), append(moved, l)
		default:
			partition := strings.TrimPrefix(l.place, placeScheduled)
			header[headerReplaces] = header[headerMsgID]
			moves, moved = append(moves, publish(q.at(placeReady+partition, l.tail), l.data, guard{q.at(anyPlace, l.tail), l.seq}, header)), append(moved, l)
		}
	}
	if len(joining) > 0 {
		q.join(ctx, joining)
	}
	// Everything that fails here is repeated when the server's lease has ended.
	if err := q.requester.roundTrip(ctx, append(back, moves...), nil); err != nil {
		return
	}
	var rest []*request
	for i, r := range moves {
		switch _, err := r.ack(); {
		case err == nil, codeOf(err) == codeWrongSequence: // there is a later copy
			rest = append(rest, moved[i].ackRequest())
		case isFull(err):
			rest = append(rest, moved[i].nakRequest(fullPause))
		case errors.Is(err, nats.ErrMaxPayload):
			if q.buryOversized(ctx, moved[i]) && q.kind == driver.FIFO {
				_ = q.ensureHeads(ctx, []string{groupOf(moved[i].tail)}) // else removeReappeared does it the next time
			}
		}
	}
	_ = q.requester.roundTrip(ctx, rest, nil)
}
