package nats

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// withoutHeld leaves out messages whose lease this process holds, and restores the server's
// lease. A restarted server counts the leases of deliveries from when the messages were
// stored, so they end at once. It knows nothing of deliveries that it made just before
// it was killed.
func (q *queue) withoutHeld(ctx context.Context, ls []*lease, counts []uint64) ([]*lease, []uint64) {
	var puts []*request
	free, times := ls[:0], counts[:0]
	for i, l := range ls {
		if until := q.held.until(l); !until.IsZero() {
			puts = append(puts, l.nakRequest(time.Until(until)+slack))
			continue
		}
		free, times = append(free, l), append(times, counts[i])
	}
	if len(puts) > 0 {
		_ = q.requester.roundTrip(ctx, puts, nil) // if this fails it is delivered once more
	}
	return free, times
}

// dropReplaced removes messages that copies have replaced, if the writer of the copy
// has not: it died, or did not learn in time that the server had stored the copy.
// Otherwise the old message would come again, and if the copy is done by then nothing
// would show that.
func (s *queueState) dropReplaced(ctx context.Context, ls []*lease) error {
	var copies []*lease
	var gets []*request
	for _, l := range ls {
		seq := s.sequence(l.headers.Get(headerReplaces))
		if seq == 0 || s.kind == driver.FIFO {
			continue
		}
		get := s.requester.get(s.names.stream, map[string]any{"seq": seq})
		get.brings = max(len(l.data), 1)
		copies, gets = append(copies, l), append(gets, get)
	}
	if len(gets) == 0 {
		return nil
	}
	if err := s.requester.roundTrip(ctx, gets, nil); err != nil {
		return err
	}
	var old []*stored
	for i, get := range gets {
		m, err := get.message()
		if err != nil {
			return err
		}
		if m == nil || s.originID(m.seq, m.at) != copies[i].headers.Get(headerReplaces) { // of a stream that was recreated since
			continue
		}
		if _, rest, _ := s.split(m.subject); rest == copies[i].tail {
			old = append(old, m)
		}
	}
	_, err := s.discard(ctx, old)
	return err
}

// dropSuperseded drops messages that have a later copy, or one on the dead letter queue: the
// writer of the copy died before it removed the old one. It only checks messages that
// were delivered before, or all if it is late.
func (s *queueState) dropSuperseded(ctx context.Context, ls []*lease, counts []uint64, late bool) ([]*lease, error) {
	var again []*lease
	var rs []*request
	dead := s.deadQueue()
	for i, l := range ls {
		if counts[i] == 1 && !late || l.isDelayed() {
			continue
		}
		again, rs = append(again, l), append(rs, s.requester.last(s.names.stream, s.copies(l)))
		rs[len(rs)-1].brings = max(len(l.data), 1)
		if dead != nil {
			rs = append(rs, s.requester.last(dead.names.stream, s.deadSubject(l)))
			rs[len(rs)-1].brings = max(len(l.data), 1)
		}
	}
	if len(again) == 0 {
		return ls, nil
	}
	if err := s.requester.roundTrip(ctx, rs, nil); err != nil {
		return nil, err // their leases bring them back
	}
	stale := make(map[*lease]bool)
	each := len(rs) / len(again)
	for i, l := range again {
		m, err := rs[i*each].message()
		if err != nil {
			return nil, err
		}
		// A task that joins a group may still join: its later copy among the followers may
		// be in a group that has no head yet.
		stale[l] = (m == nil || m.seq > l.seq) && l.place != placeJoining
		if each == 1 || stale[l] {
			continue
		}
		if m, err = rs[i*each+1].message(); err != nil {
			return nil, err
		}
		// A task that died before this message was stored died on a stream that was
		// recreated since.
		stale[l] = m != nil && s.originSeq(m) >= l.seq && !m.at.Before(l.stored)
	}
	var gone []*lease
	kept := ls[:0]
	for _, l := range ls {
		if stale[l] {
			gone = append(gone, l)
		} else {
			kept = append(kept, l)
		}
	}
	return kept, errors.Join(s.finish(ctx, gone)...)
}

// originID identifies a message on another stream: by its stream, its sequence and when it
// was stored, because a new stream of the same name counts from 1 again. IDs of
// builds that wrote no time are read too: without one, originID has their form.
func (s *queueState) originID(seq uint64, stored time.Time) string {
	m := s.names.stream + "." + strconv.FormatUint(seq, 10)
	if !stored.IsZero() {
		m += "-" + strconv.FormatInt(stored.UnixNano(), 36)
	}
	return m
}

// originSeq is the sequence that a dead message had on this stream; 0 if it came from
// elsewhere.
func (s *queueState) originSeq(m *stored) uint64 { return s.sequence(m.header.Get(headerMsgID)) }

// sequence is the sequence in an originID; 0 if that is of another stream, or invalid.
func (s *queueState) sequence(originID string) uint64 {
	originID, ok := strings.CutPrefix(originID, s.names.stream+".")
	seq, _, _ := strings.Cut(originID, "-")
	n, err := strconv.ParseUint(seq, 10, 64)
	if !ok || err != nil {
		return 0
	}
	return n
}

// deadSubject is the subject of a task on the dead letter queue.
func (s *queueState) deadSubject(l *lease) string {
	return s.deadQueue().at(placeReady+originPartition(s.name), tail(none, none, idToken(l.tail)))
}

// copies is the pattern of all copies of a task. For the head of a fifo group, any head
// of the group counts as a copy: a later one means that this one is done.
func (s *queueState) copies(l *lease) string {
	if l.place == placeHead {
		return s.at(anyActive, groupOf(l.tail)+".>")
	}
	return s.at(anyPlace, l.tail)
}
