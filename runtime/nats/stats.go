package nats

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// Stats implements [runtime.Queue]. It asks for the state of each consumer, 1
// request each, and for the oldest message of each that has some.
//
// A task whose worker was killed counts as leased until somebody asks for tasks
// after its lease has ended: the server looks no sooner.
func (q *Queue) Stats(ctx context.Context) (runtime.Stats, error) {
	if err := q.begin(); err != nil {
		return runtime.Stats{}, err
	}
	defer q.p.calls.Done()
	for try := 1; ; try++ {
		moves := q.moves.settled()
		st, err := q.count(ctx)
		if err != nil {
			return runtime.Stats{}, fmt.Errorf("stats of queue %q: %w", q.cfg.Name, err)
		}
		if q.moves.none(moves) || try == 3 {
			return st, nil
		}
	}
}

// moves counts what of this process is between two places: while a copy is
// written and the old message is not yet taken away a task would be counted twice.
type moves struct {
	begun, over atomic.Int64
}

// begin notes one, and returns what notes its end.
func (m *moves) begin() (end func()) {
	m.begun.Add(1)
	return func() { m.over.Add(1) }
}

// settled waits for a moment, but not for long, until nothing is on its way, and
// returns how much there was up to now.
func (m *moves) settled() int64 {
	for range 100 {
		if n := m.over.Load(); n == m.begun.Load() {
			return n
		}
		<-time.After(time.Millisecond)
	}
	return -1
}

// none reports whether nothing was on its way since settled returned n.
func (m *moves) none(n int64) bool { return m.begun.Load() == n }

func (q *Queue) count(ctx context.Context) (st runtime.Stats, err error) {
	pulled, _ := q.consumers()
	var idle, waiting []string
	places := make([]string, len(pulled))
	for i, c := range pulled {
		if c == headConsumer {
			idle, waiting = []string{schedConsumer(lanePlain), waitingConsumer}, []string{lineConsumer}
			places[i] = placeHead
			continue
		}
		lane := c[len(readyConsumer("")):]
		idle = append(idle, schedConsumer(lane))
		places[i] = placeReady + lane
	}
	names := append(append(append([]string(nil), pulled...), idle...), waiting...)
	states, err := q.wire.infos(ctx, q.names.stream, names...)
	if err != nil {
		return st, err
	}
	var oldest []*request
	for i, c := range states {
		switch {
		case i < len(pulled):
			st.Ready += int64(c.Pending)
			st.Leased += c.AckPending
			if c.Pending > 0 {
				oldest = append(oldest, q.wire.next(q.names.stream, q.all(places[i]), c.Delivered.Stream+1))
			}
		case i < len(pulled)+len(idle):
			st.Scheduled += int64(c.Pending)
		default:
			st.Ready += int64(c.Pending)
			if c.Pending > 0 {
				oldest = append(oldest, q.wire.next(q.names.stream, q.all(placeLine), 1))
			}
		}
	}
	if st.OldestAge, err = q.age(ctx, oldest); err != nil {
		return st, err
	}
	if dead := q.graves(); dead != nil {
		lane := originLane(q.name)
		states, err := q.wire.infos(ctx, dead.names.stream, readyConsumer(lane), schedConsumer(lane))
		if err != nil {
			return st, err
		}
		st.Dead = int64(states[0].Pending) + states[0].AckPending + int64(states[1].Pending)
	}
	return st, nil
}

// age is how long the oldest of some messages has been due.
func (q *Queue) age(ctx context.Context, gets []*request) (oldest time.Duration, err error) {
	if err := q.wire.ask(ctx, gets, nil); err != nil {
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
		if task, err := runtime.DecodeEnvelope(m.data); err == nil && !task.ScheduledFor.IsZero() {
			due = task.ScheduledFor
		}
		oldest = max(oldest, now.Sub(due))
	}
	return oldest, nil
}
