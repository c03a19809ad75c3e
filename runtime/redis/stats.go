package redis

import (
	"context"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Stats implements [driver.Queue]. It takes one round trip; on a dead letter queue two,
// and one more for each queue whose dead tasks are there.
func (q *queue) Stats(ctx context.Context) (driver.Stats, error) {
	if err := q.begin(); err != nil {
		return driver.Stats{}, err
	}
	defer q.p.calls.Done()
	total, sources, err := q.keyspace.stats(ctx)
	if err != nil || sources == 0 {
		return total, err
	}
	keyspaces, err := q.keyspaces(ctx)
	if err != nil {
		return driver.Stats{}, err
	}
	for _, ks := range keyspaces[1:] {
		s, _, err := ks.stats(ctx)
		if err != nil {
			return driver.Stats{}, err
		}
		total.Ready += s.Ready
		total.Scheduled += s.Scheduled
		total.Leased += s.Leased
		total.OldestAge = max(total.OldestAge, s.OldestAge)
	}
	return total, nil
}

// stats counts the tasks of one keyspace, and says how many queues have this one
// for their dead letters.
func (ks *keyspace) stats(ctx context.Context) (s driver.Stats, sources int64, err error) {
	reply, err := ks.run(ctx, ks.newCall(opStats, 0))
	if err != nil {
		return s, 0, err
	}
	r, ok := reply.([]any)
	if !ok || len(r) != 9 {
		return s, 0, errReply
	}
	n := func(i int) int64 {
		v, _ := r[i].(int64)
		return v
	}
	s = driver.Stats{Ready: n(0), Scheduled: n(1), Leased: n(2), Dead: n(3)}
	// Ages are by the server's clock.
	now := time.UnixMilli(n(4))
	if since := n(5); since > 0 {
		s.OldestAge = now.Sub(time.UnixMilli(since))
	}
	heads, _ := r[6].([]any)
	for head := range slices.Chunk(heads, 2) { // an ID and a stored form
		if t, err := decodeTask(text(head[1]), text(head[0]), ks.queue); err == nil {
			s.OldestAge = max(s.OldestAge, now.Sub(t.DueAt()))
		}
	}
	if n(8) > 0 {
		ks.inboxReadAt.Store(0) // who believes the number finds them
	}
	return s, n(7), nil
}

// number is a reply as a count: 0 when it is none.
func number(reply any) int {
	switch r := reply.(type) {
	case int64:
		return int(r)
	case string:
		n := 0
		for _, c := range r {
			if c < '0' || c > '9' {
				return 0
			}
			n = 10*n + int(c-'0')
		}
		return n
	}
	return 0
}
