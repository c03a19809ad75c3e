package nats

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Stats implements [driver.Queue]. It takes 1 request per consumer for its state, and
// asks for the oldest message of each that has some.
//
// A task whose worker was killed counts as leased until a process asks for tasks after
// its lease has ended: the server checks no sooner.
func (q *queue) Stats(ctx context.Context) (driver.Stats, error) {
	if err := q.beginCall(); err != nil {
		return driver.Stats{}, err
	}
	defer q.p.calls.Done()
	if err := q.promoteDue(ctx); err != nil {
		return driver.Stats{}, fmt.Errorf("stats of queue %q: %w", q.cfg.Name, err)
	}
	for try := 1; ; try++ {
		moves := q.moves.awaitNone()
		st, err := q.count(ctx)
		moved := !q.moves.unchangedSince(moves) && try < 3
		if err == nil && !moved && st.Ready+st.Scheduled+st.Leased == 0 && try < 20 {
			moved, err = q.some(ctx)
		}
		if err == nil && moved && try == 3 {
			_, err = q.removeReappeared(ctx)
		}
		if err != nil {
			return driver.Stats{}, fmt.Errorf("stats of queue %q: %w", q.cfg.Name, err)
		}
		if !moved {
			return st, nil
		}
	}
}

// some reports whether there are tasks. Each consumer counts on its own, a moment after
// the stream. A message that moves between consumers, such as a fired schedule, may
// therefore be with none. So a queue that seems empty is read itself.
func (s *queueState) some(ctx context.Context) (bool, error) {
	places := []string{"q.>", "d.>"}
	if s.kind == driver.FIFO {
		places = []string{placeHead + ".>", placeWaiting + ".>", placeFollowers + ".>", "d.>"} // a tomb is not a task
	}
	gets := make([]*request, len(places))
	for i, place := range places {
		gets[i] = s.requester.last(s.names.stream, s.root+place)
	}
	if err := s.requester.roundTrip(ctx, gets, nil); err != nil {
		return false, err
	}
	for _, r := range gets {
		if m, err := r.message(); err != nil || m != nil {
			return err == nil, err
		}
	}
	return false, nil
}

// moves counts this process's moves between two places. A task would count twice while
// its copy is written and the old message not yet removed.
type moves struct {
	begun, over atomic.Int64
}

// begin notes the start of a move, and returns a function that notes its end.
func (m *moves) begin() (end func()) {
	m.begun.Add(1)
	return func() { m.over.Add(1) }
}

// awaitNone waits a short time until no move is in progress, and returns how many there
// were so far.
func (m *moves) awaitNone() int64 {
	for range 100 {
		if n := m.over.Load(); n == m.begun.Load() {
			return n
		}
		<-time.After(time.Millisecond)
	}
	return -1
}

// unchangedSince reports whether no move has begun since awaitNone returned n.
func (m *moves) unchangedSince(n int64) bool { return m.begun.Load() == n }

func (q *queue) count(ctx context.Context) (st driver.Stats, err error) {
	pulled, _ := q.consumers()
	var idle, followers []string
	for _, c := range pulled {
		if c == headConsumer {
			idle, followers = []string{schedConsumer(defaultPartition), waitingConsumer}, []string{followersConsumer}
		} else {
			idle = append(idle, schedConsumer(c[len(readyConsumer("")):]))
		}
	}
	// In the order in which tasks pass through them.
	states, err := q.requester.infos(ctx, q.names.stream, slices.Concat(idle, followers, pulled)...)
	if err != nil {
		return st, err
	}
	var oldest []*request
	for i, c := range states {
		pending := int64(c.Pending)
		from, k := "", i-len(idle)-len(followers)
		switch {
		case i < len(idle):
			st.Scheduled += pending + c.AckPending // see promoteDelayed
			continue
		case k < 0:
			from = q.all(placeFollowers)
		default:
			from = q.pulledFrom(pulled[k])
			st.Leased += c.AckPending
		}
		if st.Ready += pending; pending > 0 {
			oldest = append(oldest, q.requester.next(q.names.stream, from, c.Delivered.Stream+1))
		}
	}
	if st.OldestAge, err = q.age(ctx, oldest); err != nil {
		return st, err
	}
	if dead := q.deadQueue(); dead != nil {
		partition := originPartition(q.name)
		states, err := q.requester.infos(ctx, dead.names.stream, readyConsumer(partition), schedConsumer(partition))
		if err != nil {
			return st, err
		}
		st.Dead = int64(states[0].Pending) + states[0].AckPending + int64(states[1].Pending)
	}
	return st, nil
}

// age is how long the oldest of some messages has been due.
func (q *queue) age(ctx context.Context, gets []*request) (oldest time.Duration, err error) {
	if err := q.requester.roundTrip(ctx, gets, nil); err != nil {
		return 0, err
	}
	now := time.Now()
	for _, r := range gets {
		m, err := r.message()
		if err != nil {
			return 0, err
		}
		if m == nil {
			continue // it was taken in between
		}
		due := m.at
		if task, err := driver.DecodeEnvelope(m.data); err == nil && !task.ScheduledFor.IsZero() {
			due = task.ScheduledFor
		}
		oldest = max(oldest, now.Sub(due))
	}
	return oldest, nil
}
