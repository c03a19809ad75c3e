package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// A fifo queue hands out the messages in placeHead, where the server allows at most one
// message per group: each is stored under the condition that the group has none. The
// others wait in placeFollowers, which workers do not read.
//
//   - Enqueue stores a task as the head of an empty group. Otherwise the task becomes a
//     follower. The process that stored it then checks whether the group has a head, and
//     promotes the first follower if not (see ensureHeads).
//   - The head is done: the first follower replaces it, stored under the condition that the
//     head is the last event of the group. Only then is the head removed. If there is no
//     follower a tomb replaces the head, under the condition that there is still none: a
//     task that arrives at this moment is either seen, or finds the tomb and becomes the
//     head.
//   - The head is retried: a copy replaces it, in placeWaiting if there is a delay.
//
// A process that dies between two steps therefore leaves the old head, which is delivered
// again, and a later one. The later one shows that the old head is done.

// tombTTL is how long a tomb stays if its maker died before it removed it.
const tombTTL = "10s"

// rounds bounds how often a step is repeated after a conflict. Each time another
// process was faster, so together they make progress.
const rounds = 1000

// advance removes the heads of groups from their queue and promotes their first followers.
func (s *queueState) advance(ctx context.Context, ls []*lease) []error {
	errs, away := s.replaceHeads(ctx, ls)
	var acked []*lease
	var at []int
	for i, l := range ls {
		if errs[i] == nil {
			acked, at = append(acked, l), append(at, i)
		}
	}
	for k, err := range s.remove(ctx, acked) {
		errs[at[k]] = err
	}
	for i, l := range ls {
		if l.copied > 0 && errs[i] == nil {
			away = append(away, s.requester.remove(s.names.stream, l.copied))
		}
	}
	_ = s.requester.roundTrip(ctx, away, nil) // the next worker handles what stays
	var groups []string
	for i, l := range ls {
		if l.noFollower && errs[i] == nil {
			groups = append(groups, groupOf(l.tail))
		}
	}
	_ = s.ensureHeads(ctx, groups) // if this fails the next removeReappeared does it
	return errs
}

// replaceHeads promotes the first followers of heads that are about to be removed. It
// returns requests that remove obsolete messages: earlier heads, and the followers'
// messages in placeFollowers.
func (s *queueState) replaceHeads(ctx context.Context, ls []*lease) (errs []error, away []*request) {
	errs = make([]error, len(ls))
	todo := make([]int, len(ls))
	for i := range ls {
		todo[i] = i
	}
	for round := 0; len(todo) > 0; round++ {
		if round == rounds {
			for _, i := range todo {
				errs[i] = fmt.Errorf("group of task %s on queue %q: %w", ls[i].id, s.name, errContended)
			}
			break
		}
		var err error
		var gone []*request
		if todo, gone, err = s.replaceHeadsOnce(ctx, ls, todo, errs); err != nil {
			for _, i := range todo {
				errs[i] = err
			}
			break
		}
		away = append(away, gone...)
	}
	return errs, away
}

// replaceHeadsOnce replaces each head in todo by its first follower, or by a tomb. It
// returns the heads to try again, and requests that remove obsolete messages.
func (s *queueState) replaceHeadsOnce(ctx context.Context, ls []*lease, todo []int, errs []error) (again []int, away []*request, err error) {
	stream := s.names.stream
	gets := make([]*request, 0, 2*len(todo))
	for _, i := range todo {
		group := groupOf(ls[i].tail)
		gets = append(gets, s.requester.next(stream, s.at(placeFollowers, group+".>"), 1), s.requester.next(stream, s.at(anyActive, group+".>"), 1))
	}
	if err := s.requester.roundTrip(ctx, gets, nil); err != nil {
		return todo, nil, err
	}
	puts := make([]*request, 0, len(todo))
	var at []int
	var seqs []uint64       // the sequence of the first follower; 0 for a tomb
	var followers []*stored // that message
	var stale []*request
	for k, i := range todo {
		l := ls[i]
		m, err := gets[2*k].message()
		if err != nil {
			return todo, nil, err
		}
		before, err := gets[2*k+1].message()
		if err != nil {
			return todo, nil, err
		}
		if before != nil && before.seq < l.last() {
			// An earlier head, or a tomb: the process that replaced it by this one died
			// before it removed it.
			away = append(away, s.requester.remove(stream, before.seq))
		}
		switch group := groupOf(l.tail); {
		case m == nil:
			puts = append(puts, publish(s.at(placeTomb, tail(group, none, none)), nil, guard{s.at(anyPresent, group+".>"), l.last()}, nats.Header{headerTTL: {tombTTL}}))
			at, seqs, followers = append(at, i), append(seqs, 0), append(followers, nil)
		case m.subject == s.at(placeFollowers, l.tail) && m.seq < l.last():
			// The head's own message as a follower: the process that promoted it died before
			// it removed it.
			stale, again = append(stale, s.requester.remove(stream, m.seq)), append(again, i)
		default:
			puts = append(puts, s.promotion(m, guard{s.at(anyActive, group+".>"), l.last()}))
			at, seqs, followers = append(at, i), append(seqs, m.seq), append(followers, m)
		}
	}
	if err := s.requester.roundTrip(ctx, append(stale, puts...), nil); err != nil {
		return todo, nil, err
	}
	for k, r := range puts {
		i := at[k]
		switch seq, err := r.ack(); {
		case err == nil && seqs[k] == 0:
			away = append(away, s.requester.remove(stream, seq))
		case err == nil:
			away = append(away, s.requester.remove(stream, seqs[k]))
		case isFull(err):
			ls[i].noFollower = true // there is room when it is gone
		case errors.Is(err, nats.ErrMaxPayload):
			if s.buryOversized(ctx, s.unheldLease(followers[k])) {
				again = append(again, i)
			} else {
				ls[i].noFollower = true
			}
		case codeOf(err) != codeWrongSequence:
			errs[i] = err
		default:
			switch done, err := s.hasSuccessor(ctx, ls[i]); {
			case err != nil:
				errs[i] = err
			case !done:
				again = append(again, i) // a task has joined the group meanwhile
			}
		}
	}
	return again, away, nil
}

// hasSuccessor reports whether the head of a group has a later one beside it. A copy of a
// finished head does not count, and is recorded: see dropCopies.
func (s *queueState) hasSuccessor(ctx context.Context, l *lease) (bool, error) {
	get := s.requester.last(s.names.stream, s.at(anyActive, groupOf(l.tail)+".>"))
	if err := s.requester.roundTrip(ctx, []*request{get}, nil); err != nil {
		return false, err
	}
	m, err := get.message()
	if err != nil || m == nil {
		return m == nil, err
	}
	if l.finished && m.seq > l.last() && s.replaces(m, l) {
		l.copied = m.seq
		return false, nil
	}
	return m.seq != l.last(), nil
}

// promotion is a request that makes a follower the head.
func (s *queueState) promotion(m *stored, g guard) *request {
	_, rest, _ := s.split(m.subject)
	return publish(s.at(placeHead, rest), m.data, g, copied(m.header))
}

// ensureHeads promotes the first follower in each of the groups without a head.
func (s *queueState) ensureHeads(ctx context.Context, groups []string) error {
	stream := s.names.stream
	slices.Sort(groups)
	groups = slices.Compact(groups)
	for round := 0; len(groups) > 0 && round < rounds; round++ {
		gets := make([]*request, 0, 2*len(groups))
		for _, g := range groups {
			gets = append(gets, s.requester.last(stream, s.at(anyActive, g+".>")), s.requester.next(stream, s.at(placeFollowers, g+".>"), 1))
		}
		if err := s.requester.roundTrip(ctx, gets, nil); err != nil {
			return err
		}
		var puts []*request
		var followers []*stored
		var of []string
		for k, g := range groups {
			head, err := gets[2*k].message()
			if err != nil {
				return err
			}
			first, err := gets[2*k+1].message()
			if err != nil {
				return err
			}
			var seq uint64
			if head != nil {
				if seq = head.seq; head.subject != s.at(placeTomb, tail(g, none, none)) {
					continue
				}
			}
			if first != nil {
				puts, followers, of = append(puts, s.promotion(first, guard{s.at(anyActive, g+".>"), seq})), append(followers, first), append(of, g)
			}
		}
		if err := s.requester.roundTrip(ctx, puts, nil); err != nil {
			return err
		}
		groups = nil
		var away []*request
		for k, r := range puts {
			switch _, err := r.ack(); {
			case err == nil:
				away = append(away, s.requester.remove(stream, followers[k].seq))
			case codeOf(err) == codeWrongSequence:
				groups = append(groups, of[k])
			case errors.Is(err, nats.ErrMaxPayload):
				if s.buryOversized(ctx, s.unheldLease(followers[k])) {
					groups = append(groups, of[k])
				}
			default:
				return err
			}
		}
		if err := s.requester.roundTrip(ctx, away, nil); err != nil {
			return err
		}
	}
	return nil
}

// join makes delayed tasks that are due followers in their groups.
func (q *queue) join(ctx context.Context, ls []*lease) {
	rs := make([]*request, len(ls))
	for i, l := range ls {
		rs[i] = publish(q.at(placeFollowers, l.tail), l.data, guard{q.at(anyPlace, l.tail), l.seq}, q.headerOf(ls[i], 0))
	}
	// A step that fails here is repeated when the lease has ended.
	if err := q.requester.roundTrip(ctx, rs, nil); err != nil {
		return
	}
	var groups []string
	var acks []*request
	for i, r := range rs {
		if _, err := r.ack(); errors.Is(err, nats.ErrMaxPayload) {
			q.buryOversized(ctx, ls[i])
		} else if err == nil || codeOf(err) == codeWrongSequence {
			groups, acks = append(groups, groupOf(ls[i].tail)), append(acks, ls[i].ackRequest())
		}
	}
	if err := q.ensureHeads(ctx, groups); err != nil {
		return
	}
	_ = q.requester.roundTrip(ctx, acks, nil)
}

// enqueueGroups stores tasks of a fifo queue in their order: the first of each group as
// its head if the group is empty, the others as followers.
func (q *queue) enqueueGroups(ctx context.Context, es []*entry) error {
	var heads, followers []*entry
	seen := make(map[string]bool)
	now := time.Now()
	for _, e := range es {
		g := e.group
		switch {
		case e.task.ScheduledFor.After(now):
			e.request = *publish(q.at(placeDelayed, e.tail()), e.envelope, e.guard(q), q.later(nil, e.task.ScheduledFor, q.at(placeJoining, e.tail())))
			heads = append(heads, e)
		case !seen[g] && e.key == none:
			seen[g] = true
			e.request = *publish(q.at(placeHead, e.tail()), e.envelope, guard{q.at(anyPlace, g+".>"), 0}, e.header())
			heads = append(heads, e)
		default:
			seen[g] = true
			e.request = request{} // unanswered, should the heads be as far as this gets
			followers = append(followers, e)
		}
	}
	if err := q.store(ctx, heads); err != nil {
		return err
	}
	var behind []*entry
	for _, e := range heads {
		if _, err := e.request.ack(); codeOf(err) == codeWrongSequence && !e.request.resent && e.request.subject == q.at(placeHead, e.tail()) {
			behind = append(behind, e)
		}
	}
	followers = append(behind, followers...)
	groups := make([]string, len(followers))
	for i, e := range followers {
		groups[i] = e.group
		e.request = *publish(q.at(placeFollowers, e.tail()), e.envelope, e.guard(q), e.header())
	}
	if err := q.store(ctx, followers); err != nil {
		return err
	}
	return q.ensureHeads(ctx, groups)
}
