package rabbitmq

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The groups of a fifo queue are spread over partitions by a hash of their keys. A
// partition is a queue with a single active consumer: the broker delivers all of it to
// one process, in order. The next process gets it only when that one has gone, from the
// same position. A process therefore sees all tasks of its groups in order, and keeps
// their order itself: it hands out the first task of a group, and the next one when
// that is done. A task that is released, or whose lease ends, stays in place and with
// its process, and blocks its group. shares.go assigns the partitions to processes.
//
// A process draws more tasks from a partition than requested, to find tasks of other
// groups behind a blocked one.
const partitionWindow = 64

// arrivedInGroup records a delivery from a partition. st.mu is held.
func (st *queueState) arrivedInGroup(l *lease, d *amqp.Delivery) {
	if st.parts[l.line] != l.t {
		return // given up: the broker soon has it again
	}
	if i := slices.IndexFunc(st.drawn, func(o *lease) bool {
		return o.state == away && o.t == l.t && o.id == l.id && bytes.Equal(o.body, l.body)
	}); i >= 0 { // at its old position, and unchanged
		was := st.drawn[i]
		was.tag, was.consumer, was.at, was.state = l.tag, l.consumer, l.at, was.then
		st.wake()
		return
	}
	if task, err := decode(l.body, headersOf(l.from)); err == nil {
		l.task, l.group = task, task.GroupKey
	}
	// Behind another task of its group it was never handed out: the broker counts the
	// ends of processes that had drawn it.
	if slices.ContainsFunc(st.drawn, func(o *lease) bool { return o.t == l.t && o.group == l.group }) {
		l.crashes = number(d.Headers[headerCrashes])
	}
	st.drawn = append(st.drawn, l)
	st.wake()
}

// runGroups hands out tasks to waiting calls, until the provider is closed.
func (st *queueState) runGroups() {
	for {
		st.serveGroups()
		select {
		case <-st.signal:
		case <-st.ctx.Done():
			return
		}
	}
}

// The broker closes the channel of a process that keeps a task for longer than its
// consumer_timeout. Tasks that stay here that long without running, drawn ahead or
// resting, are therefore given back to their place and drawn again: all tasks of a
// group at once, and none while one of them runs, so that the broker always has the
// group in order. The broker counts that as a delivery. This process remembers that it
// was none, and keeps its data about the task.

// refresh does that for groups that have been here for the longest lease. st.mu is
// held.
func (st *queueState) refresh(now time.Time) {
	seen := make(map[string]bool)
	for _, l := range slices.Clone(st.drawn) {
		if seen[l.group] {
			continue
		}
		seen[l.group] = true
		if old := l.at.Add(st.p.maxLease); old.After(now) {
			st.wakeAt(old)
		} else {
			st.drawAgain(l.group)
		}
	}
}

// drawAgain gives a group back, and draws it again. st.mu is held.
func (st *queueState) drawAgain(group string) {
	of := func(l *lease) bool { return l.group == group }
	if slices.ContainsFunc(st.drawn, func(l *lease) bool { return of(l) && l.state != waiting && l.state != resting }) {
		return
	}
	for _, l := range st.drawn {
		if of(l) {
			l.state, l.then = away, l.state
			l.t.reject(l)
		}
	}
}

// serveGroups hands out the first tasks of groups, the least recently served group first.
func (st *queueState) serveGroups() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.forget()
	now := time.Now()
	st.refresh(now)
	for len(st.waiters) > 0 && !st.opening {
		w := st.waiters[0]
		heads := st.heads(now)
		if len(heads) == 0 {
			return
		}
		st.waiters = st.waiters[1:]
		heads = heads[:min(w.limit, len(heads))]
		for _, l := range heads {
			st.turn++
			st.served[l.group] = st.turn
			st.lease(l, w.lease)
		}
		w.got <- heads
	}
	st.unwant()
}

// heads are the tasks that may be handed out now. st.mu is held.
func (st *queueState) heads(now time.Time) []*lease {
	seen := make(map[string]bool)
	var heads []*lease
	var stale []string
	for _, l := range st.drawn {
		if seen[l.group] {
			continue
		}
		seen[l.group] = true
		if st.leaving[l.line] {
			continue
		}
		if l.state == resting {
			if l.until.After(now) {
				st.wakeAt(l.until)
				continue
			}
			l.state = waiting
		}
		switch {
		case l.state != waiting:
		case now.Sub(l.at) > st.p.maxLease/2: // too little would be left to run it
			stale = append(stale, l.group)
		default:
			heads = append(heads, l)
		}
	}
	for _, g := range stale {
		st.drawAgain(g)
	}
	for g := range st.served { // of empty groups
		if !seen[g] {
			delete(st.served, g)
		}
	}
	slices.SortStableFunc(heads, func(a, b *lease) int {
		if c := cmp.Compare(st.served[a.group], st.served[b.group]); c != 0 || a.task == nil || b.task == nil {
			return c
		}
		return a.task.DueAt().Compare(b.task.DueAt())
	})
	return heads
}

// rest keeps a released task at its position until it is due again.
func (st *queueState) rest(l *lease, d *driver.Delivery, now time.Time) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.leases, l.receipt)
	l.task = d.Task.Clone()
	l.state, l.kept = waiting, true
	if d.Delay > 0 {
		l.state, l.until = resting, now.Add(d.Delay)
		l.task.ScheduledFor = l.until
		st.wakeAt(l.until)
	}
	st.wake()
}

// releaseInPlace is Release of a fifo queue: it sends nothing to the broker.
func (q *queue) releaseInPlace(ds []*driver.Delivery) error {
	if err := q.open(); err != nil {
		return err
	}
	now := time.Now()
	failed := make([]error, len(ds))
	held := q.st.take(ds)
	for i, l := range held {
		if l == nil {
			failed[i] = q.lost(ds[i])
			continue
		}
		q.st.rest(l, ds[i], now)
	}
	return batchError(failed, func(i int) string { return idOf(ds[i]) })
}
