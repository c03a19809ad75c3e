package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

func isDuplicate(err error) bool { return errors.Is(err, driver.ErrDuplicate) }

// Redrive implements [driver.Redriver]. Tasks that a worker of the dead letter queue has
// leased stay, and so do those whose ID is on the queue again: the error is then a
// *BatchError with ErrDuplicate, in the order of the tasks that were found. It takes 2
// requests per task, in pages of 1000, and more for a task whose move there was interrupted.
// With nil ids it leaves alone the tasks that die while it runs.
func (q *queue) Redrive(ctx context.Context, ids []string) ([]string, error) {
	if q.isDLQ() {
		return nil, driver.NoRedrive(q.cfg.Name)
	}
	if err := q.beginCall(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	var moved []string
	var be driver.BatchError
	lastMisaddressedSearch := 0
	err := q.eachDead(ctx, ids, func(page []*stored) error {
		page, err := q.latest(ctx, page)
		if err != nil {
			return err
		}
		ids := make([]string, len(page))
		for i, m := range page {
			ids[i] = deadID(m)
		}
		var failed []error
		around := q.around.Around(ctx, ids, func() (back []string) {
			var some []int
			some, failed, err = q.redrive(ctx, page, nil)
			for _, i := range some {
				back = append(back, ids[i])
			}
			moved = append(moved, back...)
			return back
		})
		if failed == nil {
			return around // nothing was moved
		}
		for i, m := range page {
			be.Add(lastMisaddressedSearch+i, deadID(m), failed[i])
		}
		lastMisaddressedSearch += len(page)
		return errors.Join(err, around)
	})
	if err != nil {
		return moved, fmt.Errorf("redrive to queue %q: %w", q.cfg.Name, err)
	}
	return moved, be.OrNil()
}

// OnRedrive implements [driver.Reviver].
func (q *queue) OnRedrive(around driver.Revival) { q.around = around }

func deadID(m *stored) string {
	if task, err := driver.DecodeEnvelope(m.data); err == nil {
		return task.ID
	}
	return subjectID(m.subject)
}

// eachDead calls f with the dead tasks of this queue that no worker has leased, in
// pages: all current ones, or those with the given IDs.
func (q *queue) eachDead(ctx context.Context, ids []string, f func([]*stored) error) error {
	dead := q.deadQueue()
	partition := originPartition(q.name)
	states, err := q.requester.infos(ctx, dead.names.stream, readyConsumer(partition))
	if err != nil {
		return err
	}
	leased := states[0].Delivered.Stream // a message up to here is with a worker
	if ids == nil {
		last := dead.requester.last(dead.names.stream, dead.all(placeReady+partition))
		if err := q.requester.roundTrip(ctx, []*request{last}, nil); err != nil {
			return err
		}
		end, err := last.message()
		if err != nil || end == nil {
			return err
		}
		for after := leased; after < end.seq; {
			page, err := dead.list(ctx, seqRange{dead.all(placeReady + partition), after + 1, end.seq}, 0, batchSize)
			if err != nil || len(page) == 0 {
				return err
			}
			after = page[len(page)-1].seq
			if err := f(page); err != nil {
				return err
			}
		}
		return nil
	}
	var found []*stored
	for _, id := range ids {
		page, err := dead.listID(ctx, placeReady+partition, id, leased+1)
		if err != nil {
			return err
		}
		found = append(found, page...)
	}
	for len(found) > 0 {
		n := min(len(found), batchSize)
		if err := f(found[:n]); err != nil {
			return err
		}
		found = found[n:]
	}
	return nil
}

// latest removes those of a page that were redriven and have died again since: the
// process that redrove them died before it removed them.
func (q *queue) latest(ctx context.Context, page []*stored) ([]*stored, error) {
	dead := q.deadQueue()
	type origin struct{ originID, subject string } // the subject, because a recreated stream counts from the start
	redriven := make(map[origin]bool)
	for _, m := range page {
		if from := m.header.Get(headerRedriven); from != "" {
			redriven[origin{from, m.subject}] = true
		}
	}
	kept := make([]*stored, 0, len(page))
	var rs []*request
	for _, m := range page {
		if redriven[origin{dead.originID(m.seq, m.at), m.subject}] || redriven[origin{dead.originID(m.seq, time.Time{}), m.subject}] {
			rs = append(rs, q.requester.remove(dead.names.stream, m.seq))
		} else {
			kept = append(kept, m)
		}
	}
	if err := q.requester.roundTrip(ctx, rs, nil); err != nil {
		return nil, err
	}
	for _, r := range rs {
		if _, err := r.removed(); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// redrive moves one page of dead tasks, each edited if edits has an entry for
// its index. It returns the indexes of the moved tasks, and the errors of the
// others. Each task is stored under an ID that follows from its place among the dead,
// so that two concurrent redrives move it once.
//
// The message from which a task was buried may still exist. It cannot become the redriven
// task: the process that buried it may be about to remove it, or the worker that gets it
// when its lease has ended, because it is dead; and if it were moved there again, it would
// be a duplicate for the dead letter queue. So the task is always written again, and then
// the old message is removed, and the dead one last of all.
func (q *queue) redrive(ctx context.Context, page []*stored, edits map[int]*driver.Edit) (moved []int, failed []error, err error) {
	deadQueue := q.deadQueue()
	failed = make([]error, len(page))
	es := make([]*entry, len(page))
	for i, m := range page {
		task, err := q.readDead(m)
		if edit, ok := edits[i]; ok {
			edit.Apply(task)
		}
		driver.ClearDeath(task, deadQueue.name)
		task.Queue = q.name
		task.Priority = min(task.Priority, q.cfg.Levels-1)
		es[i] = &entry{index: i, task: task, group: none, key: none, id: token(task.ID), redriven: deadQueue.originID(m.seq, m.at), origin: q.originSeq(m), died: m.at}
		if q.kind == driver.FIFO {
			es[i].group = token(task.GroupKey)
		}
		r := request{guard: guard{es[i].blockers(q), m.seq}, header: es[i].header()}
		if q.fit(&r, task); err != nil {
			r.data = m.data // a program that can decode it may exist by now
		}
		es[i].envelope = r.data
	}
	answers, why := make([]driver.Enqueued, len(page)), make(map[int]error)
	q.insert(ctx, es, answers, why)
	q.removePredecessors(ctx, es, why)
	var rs []*request
	var at []int
	for i := range es {
		if isDuplicate(why[i]) {
			why[i] = q.stillDead(ctx, page[i], why[i])
		}
		if failed[i] = why[i]; failed[i] == nil {
			rs, at = append(rs, q.requester.remove(deadQueue.names.stream, page[i].seq)), append(at, i)
		} else if !isDuplicate(why[i]) {
			err = errors.Join(err, why[i])
		}
	}
	err = errors.Join(err, q.requester.roundTrip(ctx, rs, nil))
	for k, r := range rs {
		ok, rerr := r.removed()
		if rerr != nil {
			err = errors.Join(err, rerr)
		} else if ok {
			moved = append(moved, at[k])
		}
	}
	return moved, failed, err
}

// readDead reads a dead task of this queue, or makes the one that represents another message.
func (q *queue) readDead(m *stored) (*driver.Task, error) {
	_, rest, _ := q.deadQueue().split(m.subject)
	return decodeDead(rest, q.name, m.data, m.header, m.at)
}

// stillDead keeps the error of a redrive for a task that is still dead. One that is not
// was redriven by another process meanwhile: its successor on the queue, however often
// it has moved since, came from it.
func (q *queue) stillDead(ctx context.Context, m *stored, wrong error) error {
	get := q.requester.next(q.deadQueue().names.stream, m.subject, m.seq)
	if err := q.requester.roundTrip(ctx, []*request{get}, nil); err != nil {
		return err
	}
	there, err := get.message()
	if err == nil && there != nil && there.seq == m.seq {
		return wrong
	}
	return err
}

// placeholderLease stands for the lease of a message that is to leave the queue, whichever
// worker has it.
func (s *queueState) placeholderLease(m *stored, id string) *lease {
	place, rest, _ := s.split(m.subject)
	return &lease{subject: m.subject, place: place, tail: rest, seq: m.seq, id: id}
}

// removePredecessors removes the messages that redriven tasks have replaced. If that
// fails, the task stays among the dead, which identifies the old message.
func (q *queue) removePredecessors(ctx context.Context, es []*entry, failed map[int]error) {
	for _, e := range es {
		l := e.predecessor
		if l == nil || failed[e.index] != nil {
			continue
		}
		step := q.remove
		if l.place == placeHead {
			step = q.advance // its group continues
		}
		l.until = time.Now().Add(answerWait)
		if err := step(ctx, []*lease{l})[0]; err != nil {
			failed[e.index] = fmt.Errorf("remove the message that task %s was buried from: %w", l.id, err)
		}
	}
}

// Discard implements [driver.Discarder]. Tasks that a worker of the dead letter
// queue has leased stay.
func (q *queue) Discard(ctx context.Context, ids []string) ([]string, error) {
	if q.isDLQ() {
		return nil, driver.NoDiscard(q.cfg.Name)
	}
	if err := q.beginCall(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	if ids == nil {
		ids = []string{}
	}
	var gone []string
	seen := make(map[string]bool)
	err := q.eachDead(ctx, ids, func(page []*stored) error {
		some, err := q.discardDead(ctx, page)
		for _, i := range some {
			if id := deadID(page[i]); !seen[id] {
				seen[id], gone = true, append(gone, id)
			}
		}
		return err
	})
	if err != nil {
		return gone, fmt.Errorf("discard dead tasks of queue %q: %w", q.cfg.Name, err)
	}
	return gone, nil
}

// discardDead removes dead tasks, and returns the indexes of those that were still
// there.
func (q *queue) discardDead(ctx context.Context, page []*stored) (gone []int, err error) {
	rs := make([]*request, len(page))
	for i, m := range page {
		rs[i] = q.requester.remove(q.deadQueue().names.stream, m.seq)
	}
	if err := q.requester.roundTrip(ctx, rs, nil); err != nil {
		return nil, err
	}
	for i, r := range rs {
		ok, err := r.removed()
		if err != nil {
			return gone, err
		}
		if ok {
			gone = append(gone, i)
		}
	}
	return gone, nil
}
