package rabbitmq

import (
	"cmp"
	"context"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime"
)

// The groups of a fifo queue are spread over partitions by a hash of their keys.
// A partition is a queue with a single active consumer: the broker delivers all of
// it to one process, in order, and to the next only when that one has gone, from
// the place where it was. So a process sees all tasks of its groups in order, and
// keeps the order among them itself: it hands out the first of a group alone, and
// the next when that is done. A task that is released, or whose lease ends, stays
// where it is, and blocks its group; it is with its process still.
//
// What a process draws from a partition beyond what is asked for is there to find
// tasks of other groups behind one that is blocked.
const partitionWindow = 64

// groupIdle is how long a process keeps partitions of which nobody wants anything,
// before it looks whether others wait for them. It is eight times as long for each
// crash that the broker counts of a task that was drawn, up to maxPatience; see leave.
const groupIdle = 150 * time.Millisecond

// maxPatience makes it 77 seconds.
const maxPatience = 3

// arrivedInGroup takes in a delivery from a partition. st.mu is held.
func (st *station) arrivedInGroup(l *lease, d *amqp.Delivery) {
	if task, err := decode(l.body, headersOf(l.from)); err == nil {
		l.task, l.group = task, task.GroupKey
	}
	// Behind another of its group it was never handed out: what the broker counts are
	// the ends of processes that had drawn it.
	if slices.ContainsFunc(st.drawn, func(o *lease) bool { return o.t == l.t && o.group == l.group }) {
		l.crashes = number(d.Headers[headerCrashes])
	}
	st.drawn = append(st.drawn, l)
	st.wake()
}

// runGroups draws tasks for those that wait, until the provider is closed.
func (st *station) runGroups() {
	ctx := st.p.link.ctx
	idle := time.NewTimer(groupIdle)
	defer idle.Stop()
	asked := time.Now()
	for {
		if st.wanted() {
			asked = time.Now()
			if !st.attend(ctx) {
				return
			}
			st.serveGroups()
			idle.Reset(groupIdle)
		}
		var gone <-chan struct{}
		if t := st.present(); t != nil {
			gone = t.ch.gone
		}
		select {
		case <-st.kick:
		case <-gone:
			st.pause(ctx)
		case <-idle.C:
			st.leave(ctx, time.Since(asked))
			idle.Reset(groupIdle)
		case <-ctx.Done():
			return
		}
	}
}

func (st *station) wanted() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return len(st.waiters) > 0
}

// present is the tap that there is.
func (st *station) present() *tap {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.forget()
	return st.tap
}

// attend becomes a consumer of every partition, and waits for what they have. It
// reports false when the provider is closed.
func (st *station) attend(ctx context.Context) bool {
	if st.present() != nil {
		return true
	}
	s, err := st.p.link.session(ctx)
	if err != nil {
		return false
	}
	t, err := st.newTap(ctx, s)
	if err != nil {
		st.pause(ctx)
		return true
	}
	for line := range st.lines {
		if _, err = t.open(line, partitionWindow); err != nil {
			break
		}
	}
	if err == nil {
		err = t.barrier(ctx)
	}
	if err != nil {
		_ = t.ch.Close()
		st.refuse(err)
		st.pause(ctx)
		return true
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.tap = t
	return true
}

// leave gives the partitions up where nobody here has wanted anything of them for
// so long, nothing of them is with a worker or rests, and either nothing was drawn
// or others wait for it. The broker counts a return as it counts a crash. So it is
// not made without need; and the more were counted, the longer it is put off, so
// that tasks which pass between processes that ask seldom do not die of it.
func (st *station) leave(ctx context.Context, idle time.Duration) {
	st.mu.Lock()
	t, busy, empty := st.tap, st.busy(idle), len(st.drawn) == 0
	st.mu.Unlock()
	if t == nil || busy {
		return
	}
	if !empty {
		if all, err := t.s.census(ctx, st.name); err != nil || all.wanting == 0 {
			return
		}
	}
	st.mu.Lock()
	if st.busy(idle) {
		st.mu.Unlock()
		return
	}
	st.tap, st.drawn = nil, nil
	st.mu.Unlock()
	_ = t.ch.Close()
}

// busy reports whether the partitions are kept. st.mu is held.
func (st *station) busy(idle time.Duration) bool {
	return len(st.waiters) > 0 || slices.ContainsFunc(st.drawn, func(l *lease) bool {
		return l.state != waiting || idle < groupIdle<<(3*min(l.counted, maxPatience))
	})
}

// serveGroups hands out the first tasks of groups, those of the group that was
// served least recently first.
func (st *station) serveGroups() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.forget()
	for len(st.waiters) > 0 {
		w := st.waiters[0]
		heads := st.heads(time.Now())
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
func (st *station) heads(now time.Time) []*lease {
	seen := make(map[string]bool)
	var heads []*lease
	for _, l := range st.drawn {
		if seen[l.group] {
			continue
		}
		seen[l.group] = true
		if l.state == resting {
			if l.until.After(now) {
				st.wakeAt(l.until)
				continue
			}
			l.state = waiting
		}
		if l.state == waiting {
			heads = append(heads, l)
		}
	}
	for g := range st.served { // those of groups that are empty
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

// rest keeps a released task in its place until it is due again.
func (st *station) rest(l *lease, d *runtime.Delivery, now time.Time) {
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

// releaseInPlace is Release of a fifo queue: nothing goes to the broker.
func (q *Queue) releaseInPlace(ds []*runtime.Delivery) error {
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
