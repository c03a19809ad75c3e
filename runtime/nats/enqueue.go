package nats

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// An entry is one task to enqueue.
type entry struct {
	index    int
	task     *driver.Task
	envelope []byte

	group, key, id string    // tokens
	expect         uint64    // what may hold the key: the record of an expired window
	window         bool      // the key has a window; a redriven task starts no new one
	claim          *claim    // on that window
	redriven       string    // the dead message that it is redriven from
	origin         uint64    // its sequence here when it died
	died           time.Time // when it died
	predecessor    *lease    // its message from before it died, which is still here and must be removed

	recoveredFrom uint64 // the message on a wrong subject that it is stored for

	request request
}

func (e *entry) tail() string { return tail(e.group, e.key, e.id) }

// guard admits a task if there is none with its ID, or with its unique key.
func (e *entry) guard(q *queue) guard { return guard{e.blockers(q), e.expect} }

func (e *entry) header() nats.Header {
	if e.redriven == "" {
		return nil
	}
	return nats.Header{headerMsgID: {e.redriven}, headerRedriven: {e.redriven}}
}

// blockers is the pattern of messages that block the task.
func (e *entry) blockers(q *queue) string {
	if e.key == none {
		return q.at(anyPlace, e.tail())
	}
	return q.keyPattern(e.key)
}

// keyPattern is the pattern of messages that hold a unique key. On a queue without groups
// subjects have no group, which saves the server a search.
func (s *queueState) keyPattern(key string) string {
	group := none
	if s.kind == driver.FIFO {
		group = "*"
	}
	return s.at(anyPlace, tail(group, key, "*"))
}

// encode checks tasks and encodes the valid ones.
func (q *queue) encode(tasks []*driver.Task, failed map[int]error) []*entry {
	room := make([]entry, len(tasks))
	es := make([]*entry, 0, len(tasks))
	most := q.maxEnvelope()
	size := 0
	for _, t := range tasks {
		size += len(t.Payload) + roomForRest
	}
	all := make([]byte, 0, size) // one allocation for all envelopes
	for i, t := range tasks {
		e := &room[i]
		if t.Queue != q.cfg.Name {
			moved := *t
			t, moved.Queue = &moved, q.cfg.Name
		}
		err := q.cfg.Accepts(t)
		if bytes := q.maxPayload(); err == nil && len(t.Payload) > bytes {
			err = fmt.Errorf("%w: the payload of task %s (%s) has %d bytes, and the server takes %d: store the data elsewhere and send a reference, or raise max_payload", driver.ErrPayloadTooLarge, t.ID, t.Type, len(t.Payload), bytes)
		}
		if err == nil {
			begin := len(all)
			all = driver.AppendEnvelope(all, t)
			if e.envelope = all[begin:len(all):len(all)]; len(e.envelope) > most {
				err = fmt.Errorf("%w: task %s (%s) is %d bytes long, and the server takes %d with room for retries: store the data elsewhere and send a reference, or raise max_payload", driver.ErrPayloadTooLarge, t.ID, t.Type, len(e.envelope), most)
			}
		}
		if err != nil {
			failed[i] = err
			continue
		}
		e.index, e.task, e.group, e.key, e.id = i, t, none, none, token(t.ID)
		if t.GroupKey != "" {
			e.group = token(t.GroupKey)
		}
		if e.window = t.UniqueFor > 0; t.UniqueKey != "" && !e.window {
			e.key = token(t.UniqueKey)
		}
		es = append(es, e)
	}
	return es
}

// Enqueue implements [driver.Queue]. It takes 1 request per task, 3 with a uniqueness
// window, up to 5 on a fifo queue, for all tasks of a batch at once.
func (q *queue) Enqueue(ctx context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	if err := q.beginCall(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	failed := make(map[int]error)
	answers := make([]driver.Enqueued, len(tasks))
	q.insert(ctx, q.withinBounds(ctx, q.encode(tasks, failed), failed), answers, failed)
	var be driver.BatchError
	for i, t := range tasks {
		be.Add(i, t.ID, failed[i])
	}
	return answers, be.OrNil()
}

// insert stores entries, and records the answer or the error of each.
func (q *queue) insert(ctx context.Context, es []*entry, answers []driver.Enqueued, failed map[int]error) {
	es, windows := q.claimKeys(ctx, es, answers, failed)
	for round := 0; len(es) > 0; round++ {
		why := q.storeTasks(ctx, es)
		var conflicts []*entry
		for _, e := range es {
			switch _, err := e.request.ack(); {
			case codeOf(err) == codeWrongSequence:
				conflicts = append(conflicts, e)
			case err != nil:
				failed[e.index] = fmt.Errorf("enqueue on queue %q: %w", q.cfg.Name, tooLarge(queueFull(preferCause(err, why))))
			case why != nil && q.kind == driver.FIFO:
				failed[e.index] = fmt.Errorf("enqueue on queue %q: %w", q.cfg.Name, why) // it may be a follower without a head
			default:
				answers[e.index] = driver.Enqueued{ID: e.task.ID, Queue: q.cfg.Name, DueAt: e.task.DueAt()}
			}
		}
		es = q.resolve(ctx, conflicts, answers, failed, round)
	}
	q.confirmKeys(ctx, windows, answers, failed)
}

// storeTasks stores entries. The error says why some have no answer.
func (q *queue) storeTasks(ctx context.Context, es []*entry) error {
	if q.kind == driver.FIFO {
		return q.enqueueGroups(ctx, es)
	}
	now := time.Now()
	for _, e := range es {
		partition := strconv.Itoa(e.task.Priority)
		if at := e.task.ScheduledFor; at.After(now) {
			e.request = *publish(q.at(placeScheduled+partition, e.tail()), e.envelope, e.guard(q), q.later(nil, at, q.at(placeReady+partition, e.tail())))
		} else {
			e.request = *publish(q.at(placeReady+partition, e.tail()), e.envelope, e.guard(q), e.header())
		}
	}
	return q.store(ctx, es)
}

func (q *queue) store(ctx context.Context, es []*entry) error {
	rs := make([]*request, len(es))
	for i, e := range es {
		rs[i] = &e.request
	}
	return q.requester.roundTrip(ctx, rs, nil)
}

// resolve finds out why entries were not stored, and returns those to try again because
// the reason is gone.
func (q *queue) resolve(ctx context.Context, es []*entry, answers []driver.Enqueued, failed map[int]error, round int) (again []*entry) {
	gets := make([]*request, len(es))
	for i, e := range es {
		gets[i] = q.requester.last(q.names.stream, e.blockers(q))
		gets[i].brings = max(len(e.envelope), 1)
	}
	why := q.requester.roundTrip(ctx, gets, nil)
	holders, errs := make([]*stored, len(es)), make([]error, len(es))
	for i := range es {
		holders[i], errs[i] = gets[i].message()
	}
	reappeared, err := q.reappeared(ctx, holders)
	if err != nil {
		why = err
	}
	for i, e := range es {
		m, err := holders[i], errs[i]
		if err == nil && reappeared == nil {
			err = errNoAnswer
		}
		if err == nil && reappeared[i] {
			if _, err = q.discard(ctx, []*stored{m}); err == nil && round < rounds {
				e.expect, e.predecessor = 0, nil
				again = append(again, e)
				continue
			}
		}
		if err == nil && round == rounds {
			err = errContended
		}
		if err != nil {
			failed[e.index] = fmt.Errorf("enqueue on queue %q: %w", q.cfg.Name, preferCause(err, why))
			continue
		}
		switch holder, held := q.holder(m); {
		case m == nil || !held:
			if e.expect, e.predecessor = 0, nil; m != nil {
				e.expect = m.seq
			}
			again = append(again, e)
		case e.recoveredFrom != 0 && e.recoveredFrom == m.seq:
			e.expect = m.seq
			again = append(again, e)
		case e.redriven != "" && e.origin >= m.seq && !e.died.Before(m.at):
			// The process that buried it has not removed it yet, and may be dead. The
			// message therefore does not count: the task replaces it.
			e.expect, e.predecessor = m.seq, q.placeholderLease(m, e.task.ID)
			again = append(again, e)
		case e.request.resent && string(m.data) == string(e.envelope), e.redriven != "" && m.header.Get(headerRedriven) == e.redriven:
			// An earlier try succeeded and its answer was lost; or another process
			// redrives the same task.
			answers[e.index] = driver.Enqueued{ID: e.task.ID, Queue: q.cfg.Name, DueAt: e.task.DueAt()}
		case e.key != none || e.claim != nil && e.claim.resumed:
			answers[e.index] = holder
		default:
			failed[e.index] = fmt.Errorf("%w: %s is already on queue %q", driver.ErrDuplicate, e.task.ID, q.cfg.Name)
		}
	}
	return again
}

// holder reads from a message which task holds a key or an ID. held is false for a record
// of an expired window.
func (q *queue) holder(m *stored) (holder driver.Enqueued, held bool) {
	if m == nil {
		return holder, false
	}
	holder = driver.Enqueued{Queue: q.cfg.Name, Duplicate: true}
	if place, _, _ := q.split(m.subject); place == placeKey {
		c := parseClaim(m.data)
		holder.ID, holder.DueAt = c.ID, time.Unix(0, c.Due)
		return holder, time.Now().UnixNano() < c.Until
	}
	if task, err := driver.DecodeEnvelope(m.data); err == nil {
		holder.ID, holder.DueAt = task.ID, task.DueAt()
	}
	return holder, true
}
