package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A foundTask is a waiting task that was looked up, with its position.
type foundTask struct {
	*stored
	place, tail string
	leased      bool
}

// find looks up tasks by ID. A missing task is nil.
func (q *queue) find(ctx context.Context, ids []string) ([]*foundTask, error) {
	found := make([]*foundTask, len(ids))
	todo := make([]int, len(ids))
	for i := range ids {
		todo[i] = i
	}
	// A task without key and group is found by its subject, all others by a search over
	// keys and groups.
	for _, other := range []string{tail(none, none, ""), tail("*", "*", "")} {
		gets := make([]*request, len(todo))
		for k, i := range todo {
			gets[k] = q.requester.last(q.names.stream, q.at(anyPlace, other+token(ids[i])))
		}
		if err := q.requester.roundTrip(ctx, gets, nil); err != nil {
			return nil, err
		}
		var rest []int
		for k, i := range todo {
			m, err := gets[k].message()
			if err != nil {
				return nil, err
			}
			if m == nil {
				rest = append(rest, i)
				continue
			}
			place, t, _ := q.split(m.subject)
			found[i] = &foundTask{stored: m, place: place, tail: t}
		}
		if todo = rest; len(todo) == 0 {
			break
		}
	}
	return found, q.markLeased(ctx, found)
}

// markLeased marks the found tasks that a worker has: their consumer has delivered them.
func (q *queue) markLeased(ctx context.Context, found []*foundTask) error {
	pulled, _ := q.consumers()
	states, err := q.requester.infos(ctx, q.names.stream, pulled...)
	if err != nil {
		return err
	}
	for _, s := range found {
		if s == nil {
			continue
		}
		for i, c := range pulled {
			if pattern := strings.TrimSuffix(q.pulledFrom(c), ">"); strings.HasPrefix(s.subject, pattern) {
				s.leased = s.seq <= states[i].Delivered.Stream
			}
		}
	}
	return nil
}

// Cancel implements [driver.Canceller]. It takes 3 requests a task. A task that is
// handed to a worker at the same moment may run although it is cancelled.
func (q *queue) Cancel(ctx context.Context, ids []string) ([]string, error) {
	if err := q.beginCall(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	gone := make(map[string]bool)
	todo := slices.Clone(ids)
	slices.Sort(todo)
	todo = slices.Compact(todo)
	for round := 0; len(todo) > 0 && round < rounds; round++ {
		var err error
		if todo, err = q.cancel(ctx, todo, gone); err != nil {
			return nil, fmt.Errorf("cancel tasks of queue %q: %w", q.cfg.Name, err)
		}
	}
	var cancelled []string
	for _, id := range ids {
		if gone[id] {
			delete(gone, id)
			cancelled = append(cancelled, id)
		}
	}
	return cancelled, nil
}

// cancel removes the tasks that it finds, and returns those that have moved in between.
func (q *queue) cancel(ctx context.Context, ids []string, gone map[string]bool) (again []string, err error) {
	found, err := q.find(ctx, ids)
	if err != nil {
		return nil, err
	}
	away, err := q.replaceFoundHeads(ctx, found)
	if err != nil {
		return nil, err
	}
	var rs []*request
	var at []int
	for i, s := range found {
		if s != nil && !s.leased {
			rs, at = append(rs, q.requester.remove(q.names.stream, s.seq)), append(at, i)
		}
	}
	if err := q.requester.roundTrip(ctx, rs, nil); err != nil {
		return nil, err
	}
	var groups []string
	for k, r := range rs {
		ok, err := r.removed()
		if err != nil {
			return nil, err
		}
		if !ok {
			again = append(again, ids[at[k]])
			continue
		}
		gone[ids[at[k]]] = true
		if q.kind == driver.FIFO {
			// It may have been promoted from a follower to the head at this moment.
			groups = append(groups, groupOf(found[at[k]].tail))
			if found[at[k]].place == placeFollowers {
				again = append(again, ids[at[k]])
			}
		}
	}
	_ = q.requester.roundTrip(ctx, away, nil) // as in advance
	return again, q.ensureHeads(ctx, groups)
}

// replaceFoundHeads promotes followers of group heads that are about to be removed, so a
// process that dies after that leaves no group without a head. It returns what can be
// removed with the heads.
func (q *queue) replaceFoundHeads(ctx context.Context, found []*foundTask) (away []*request, err error) {
	var heads []*lease
	for _, s := range found {
		if s != nil && !s.leased && (s.place == placeHead || s.place == placeWaiting) {
			heads = append(heads, &lease{tail: s.tail, seq: s.seq, id: s.tail})
		}
	}
	if len(heads) == 0 {
		return nil, nil
	}
	errs, away := q.replaceHeads(ctx, heads)
	return away, errors.Join(errs...)
}

// Reschedule implements [driver.Rescheduler]. It takes up to 6 requests.
func (q *queue) Reschedule(ctx context.Context, id string, at time.Time) error {
	if err := q.beginCall(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	for range rounds {
		found, err := q.find(ctx, []string{id})
		if err != nil {
			return fmt.Errorf("reschedule task %s of queue %q: %w", id, q.cfg.Name, err)
		}
		s := found[0]
		if s == nil || s.leased || s.place == placeKey {
			return fmt.Errorf("%w: no task %s waits on queue %q", driver.ErrTaskNotFound, id, q.cfg.Name)
		}
		done, err := q.move(ctx, s, at)
		if err != nil {
			return fmt.Errorf("reschedule task %s of queue %q: %w", id, q.cfg.Name, err)
		}
		if done {
			return nil
		}
	}
	return fmt.Errorf("reschedule task %s of queue %q: %w", id, q.cfg.Name, errContended)
}

// move makes a task due at another time. done is false if another call moved it in
// between.
func (q *queue) move(ctx context.Context, s *foundTask, at time.Time) (done bool, err error) {
	task, err := driver.DecodeEnvelope(s.data)
	if err != nil {
		return false, err
	}
	task.ScheduledFor = at
	data := driver.AppendEnvelope(nil, task)
	g := guard{q.at(anyPlace, s.tail), s.seq}
	later, now := q.places(s)
	var r *request
	if !at.After(time.Now()) {
		r = publish(q.at(now, s.tail), data, g, copied(s.header))
	} else {
		r = publish(q.at(later, s.tail), data, g, q.later(copied(s.header), at, q.at(now, s.tail)))
	}
	if err := q.requester.roundTrip(ctx, []*request{r}, nil); err != nil {
		return false, err
	}
	switch _, err := r.ack(); {
	case codeOf(err) == codeWrongSequence:
		return false, nil
	case err != nil:
		return false, err
	}
	var rest []*request
	if s.place == placeHead {
		if rest, err = q.replaceFoundHeads(ctx, []*foundTask{s}); err != nil {
			return false, err
		}
	}
	away := q.requester.remove(q.names.stream, s.seq)
	if err := q.requester.roundTrip(ctx, append(rest, away), nil); err != nil {
		return false, err
	}
	if _, err := away.removed(); err != nil {
		return false, err
	}
	if q.kind == driver.FIFO {
		return true, q.ensureHeads(ctx, []string{groupOf(s.tail)})
	}
	return true, nil
}

// places are where a rescheduled task goes if it is due later, and if it is due now.
func (q *queue) places(s *foundTask) (later, now string) {
	if q.kind != driver.FIFO {
		partition := s.place[strings.LastIndexByte(s.place, '.')+1:]
		return placeScheduled + partition, placeReady + partition
	}
	if s.place == placeWaiting {
		return placeWaiting, placeHead // it keeps its place
	}
	return placeDelayed, placeJoining
}

// Purge implements [driver.Purger]. Schedules and followers take 1 request each. Ready
// tasks take one request per task, because a purge would remove leased ones too. A task
// that is handed to a worker at the same moment may run although it is counted.
func (q *queue) Purge(ctx context.Context) (int, error) {
	if err := q.beginCall(); err != nil {
		return 0, err
	}
	defer q.p.calls.Done()
	n, err := q.purgeWaiting(ctx)
	if err != nil {
		return n, fmt.Errorf("purge queue %q: %w", q.cfg.Name, err)
	}
	return n, nil
}

func (q *queue) purgeWaiting(ctx context.Context) (n int, err error) {
	whole := []string{q.all(strings.TrimSuffix(placeScheduled, ".") + ".*")}
	if q.kind == driver.FIFO {
		whole = append(whole, q.all(placeFollowers), q.all(placeWaiting))
	}
	for _, pattern := range whole {
		purged, err := q.requester.purge(ctx, q.names.stream, pattern)
		if n += purged; err != nil {
			return n, err
		}
	}
	in, ready, err := q.taskRanges(ctx, driver.Ready)
	if err != nil {
		return n, err
	}
	var groups []string
	for _, r := range ready {
		for after := uint64(0); ; {
			page, err := in.list(ctx, r, after, batchSize)
			if err != nil {
				return n, err
			}
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].seq
			rs := make([]*request, len(page))
			for i, m := range page {
				rs[i] = q.requester.remove(q.names.stream, m.seq)
				_, t, _ := q.split(m.subject)
				groups = append(groups, groupOf(t))
			}
			if err := q.requester.roundTrip(ctx, rs, nil); err != nil {
				return n, err
			}
			for _, r := range rs {
				ok, rerr := r.removed()
				if ok {
					n++
				}
				err = errors.Join(err, rerr)
			}
			if err != nil {
				return n, err
			}
		}
	}
	if q.kind == driver.FIFO {
		err = q.ensureHeads(ctx, groups) // tasks that came in meanwhile
	}
	return n, err
}

// Pause implements [driver.Pauser]: the server pauses the consumers, and ends the pause by
// its own clock, so that it also ends for builds that know no end.
func (q *queue) Pause(ctx context.Context, until time.Time) error {
	if until.IsZero() {
		until = time.Now().Add(farFuture)
	}
	return q.pauseUntil(ctx, until)
}

// Resume implements [driver.Pauser].
func (q *queue) Resume(ctx context.Context) error { return q.pauseUntil(ctx, time.Time{}) }

func (q *queue) pauseUntil(ctx context.Context, until time.Time) error {
	if err := q.beginCall(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	if err := q.refresh(ctx); err != nil {
		return err
	}
	pulled, _ := q.consumers()
	rs := make([]*request, len(pulled))
	for i, c := range pulled {
		rs[i] = q.requester.apiRequest("CONSUMER.PAUSE."+q.names.stream+"."+c, map[string]any{"pause_until": until})
	}
	if err := q.requester.roundTrip(ctx, rs, nil); err != nil {
		return fmt.Errorf("pause or resume queue %q: %w", q.cfg.Name, err)
	}
	for i, r := range rs {
		if err := r.into(nil); err != nil {
			return fmt.Errorf("pause or resume consumer %s of queue %q: %w", pulled[i], q.cfg.Name, err)
		}
	}
	return nil
}

// Paused implements [driver.Pauser].
func (q *queue) Paused(ctx context.Context) (driver.Pause, error) {
	if err := q.beginCall(); err != nil {
		return driver.Pause{}, err
	}
	defer q.p.calls.Done()
	pulled, _ := q.consumers()
	states, err := q.requester.infos(ctx, q.names.stream, pulled[0])
	if err != nil {
		return driver.Pause{}, fmt.Errorf("check whether queue %q is paused: %w", q.cfg.Name, err)
	}
	p := driver.Pause{Paused: states[0].Paused}
	if until := states[0].Config.PauseUntil; p.Paused && time.Until(until) < farFuture/2 {
		p.Until = until
	}
	return p, nil
}
