package rabbitmq

import (
	"context"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Stats implements [driver.Queue]. It takes a round trip for each of the broker's
// queues and one to all processes that have a provider with this prefix. A task that is
// moving between two of the broker's queues may be counted twice or not at all; a queue
// that looks empty is counted twice. The oldest age is not known, and 0. Of the tasks
// that are not due, Stats counts those at the gate: the queues of the tasks on the
// ladder are not known.
func (q *queue) Stats(ctx context.Context) (driver.Stats, error) {
	if err := q.open(); err != nil {
		return driver.Stats{}, err
	}
	ctx, cancel := q.bound(ctx)
	defer cancel()
	for {
		s, err := q.p.link.session(ctx)
		if err != nil {
			return driver.Stats{}, err
		}
		n, err := q.count(ctx, s)
		if err == nil && n.Ready+n.Leased == 0 {
			// A task on its way to a worker, or back from a dead one, is visible
			// nowhere for a moment: do not report an empty queue by mistake.
			select {
			case <-time.After(emptyWait):
			case <-ctx.Done():
				return n, ended(ctx)
			}
			n, err = q.count(ctx, s)
		}
		if err == nil || s.alive() {
			return n, err
		}
	}
}

func (q *queue) count(ctx context.Context, s *session) (n driver.Stats, err error) {
	sum := func(into *int64, names ...string) {
		for _, name := range names {
			if err != nil {
				return
			}
			var ready int
			ready, err = s.ready(ctx, name)
			*into += int64(ready)
		}
	}
	sum(&n.Ready, q.st.lines...)
	sum(&n.Scheduled, q.p.names.gate(q.cfg.Name))
	if err != nil {
		return n, err
	}
	out, err := s.tallyAll(ctx, q.cfg.Name, "")
	if err != nil {
		return n, err
	}
	n.Ready, n.Leased, n.Scheduled = n.Ready+out.drawn, out.leased, n.Scheduled+out.waiting
	if q.st.isDLQ {
		return n, nil
	}
	sum(&n.Dead, q.p.names.line(q.cfg.DLQ, 0))
	if err != nil {
		return n, err
	}
	dead, err := s.tallyAll(ctx, q.cfg.DLQ, "")
	n.Dead += dead.leased + dead.drawn
	return n, err
}
