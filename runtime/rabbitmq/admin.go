package rabbitmq

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Purge implements [driver.Purger]. It searches the ladder for this queue's tasks,
// which delays others that become due meanwhile, and follows the path of the tasks:
// down the ladder, to the gate, to the lines. Tasks that are at the gate of a process
// at this moment, because they are due within milliseconds, stay.
func (q *queue) Purge(ctx context.Context) (int, error) {
	if err := q.open(); err != nil {
		return 0, err
	}
	ctx, cancel := q.bound(ctx)
	defer cancel()
	s, err := q.p.link.session(ctx)
	if err != nil {
		return 0, err
	}
	shared := []string{q.p.names.unclaimed()}
	own := append([]string{q.p.names.gate(q.cfg.Name)}, q.st.lines...)
	for k := steps - 1; k >= 0; k-- {
		shared = append(shared, q.p.names.wait(k))
	}
	total, err := q.p.sift(ctx, s, q.cfg.Name, shared, ack)
	if err != nil {
		return total, err
	}
	n, err := q.purgeOwnLadder(ctx, s)
	if total += n; err != nil {
		return total, err
	}
	for _, name := range own {
		n, err := s.purge(ctx, name)
		if total += n; err != nil {
			return total, explain(err)
		}
	}
	return total, nil
}

// purgeOwnLadder empties the queue's own steps, which exist if an earlier version has
// opened it.
func (q *queue) purgeOwnLadder(ctx context.Context, s *session) (total int, err error) {
	for k := steps - 1; k >= 0; k-- {
		n, err := s.purge(ctx, q.p.names.ownWait(q.cfg.Name, k))
		if e := exception(err); e != nil && e.Code == amqp.NotFound {
			continue
		}
		if total += n; err != nil {
			return total, explain(err)
		}
	}
	return total, nil
}

// purge empties one of the broker's queues.
func (s *session) purge(ctx context.Context, name string) (int, error) {
	var n int
	err := s.ask(ctx, func(ch *amqp.Channel) (err error) {
		n, err = ch.QueuePurge(name, false)
		return err
	})
	if err != nil {
		return 0, err // the call may still be under way
	}
	return n, nil
}
