package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Delete implements [driver.Deleter]. It searches the ladder for this queue's tasks, as Purge
// does, which delays others that become due meanwhile. In other processes the queue is an
// error wrapping driver.ErrUnknownQueue from then on; only a task that they delay may still
// be taken, and is on a queue of this name that is opened later.
//
// A dead letter queue is deleted if it has the default name and no other queue that a version
// with Delete has opened names it. From any other only the queue's own dead tasks are removed.
func (q *queue) Delete(ctx context.Context) error {
	if q.st.isDLQ {
		return driver.NoDelete(q.cfg.Name)
	}
	return q.deletion.Run(ctx, q.open, func() { q.p.closeQueues(q.cfg.Name) }, func(ctx context.Context) error {
		if err := q.p.link.repeat(ctx, func(s *session) error { return q.remove(ctx, s) }); err != nil {
			return fmt.Errorf("delete queue %q on RabbitMQ: %w", q.cfg.Name, explain(err))
		}
		return nil
	})
}

// closeQueues closes the handles of a queue, and ends what works for them.
func (p *Provider) closeQueues(name string) {
	p.mu.Lock()
	st := p.states[name]
	delete(p.states, name)
	for q := range p.queues {
		if q.cfg.Name == name {
			q.shut()
			delete(p.queues, q)
		}
	}
	p.mu.Unlock()
	if st == nil {
		return
	}
	st.stop()
	for _, t := range st.receivers() {
		_ = t.ch.Close()
	}
}

func (q *queue) remove(ctx context.Context, s *session) error {
	if err := q.p.removeTasks(ctx, s, q.cfg.Name, q.st.lines); err != nil {
		return err
	}
	own, err := q.ownsDLQ(ctx, s)
	if err != nil {
		return err
	}
	if own {
		q.p.closeQueues(q.cfg.DLQ)
		dlq := []string{q.p.names.line(q.cfg.DLQ, 0)}
		err = errors.Join(q.p.removeTasks(ctx, s, q.cfg.DLQ, dlq), s.deleteExchanges(ctx, q.p.names.backstop(q.cfg.DLQ), q.p.names.plan(q.cfg.DLQ)))
	} else {
		if _, err = q.digClosed(ctx, nil, nil, all); errors.Is(explain(err), driver.ErrUnknownQueue) {
			err = nil // somebody has deleted it
		}
	}
	if err != nil {
		return err
	}
	// The plan goes last: while it is there, no other type of queue takes the name.
	return s.deleteExchanges(ctx, q.p.names.backstop(q.cfg.Name), q.p.names.plan(q.cfg.Name))
}

// removeTasks deletes the broker's queues of a queue. The gate goes first: no task passes from
// the ladder to a line then, and what the ladder brings is unclaimed.
func (p *Provider) removeTasks(ctx context.Context, s *session, queue string, lines []string) error {
	if err := s.deleteQueues(ctx, p.names.gate(queue)); err != nil {
		return err
	}
	var shared, own []string
	for k := steps - 1; k >= 0; k-- {
		shared, own = append(shared, p.names.wait(k)), append(own, p.names.ownWait(queue, k))
	}
	if _, err := p.sift(ctx, s, queue, append(shared, p.names.unclaimed()), ack); err != nil {
		return err
	}
	return s.deleteQueues(ctx, slices.Concat(own, lines)...)
}

// ownsDLQ reports whether no other queue has the queue's dead letter queue, whose exchange it
// deletes then. The gate of the queue, which was bound to it, is deleted already.
func (q *queue) ownsDLQ(ctx context.Context, s *session) (bool, error) {
	if q.cfg.DLQ != q.cfg.Name+"-dlq" {
		return false, nil
	}
	err := s.ask(ctx, func(ch *amqp.Channel) error {
		return ch.ExchangeDelete(q.p.names.deadExchange(q.cfg.DLQ), true, false)
	})
	if e := exception(err); e != nil && e.Code == amqp.PreconditionFailed {
		return false, nil // it is bound to the gate of another queue
	}
	return err == nil, err
}

// deleteQueues deletes some of the broker's queues, with all that is on them. Those that do
// not exist are no error.
func (s *session) deleteQueues(ctx context.Context, names ...string) error {
	for _, name := range names {
		err := s.ask(ctx, func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(name, false, false, false)
			return err
		})
		if e := exception(err); err != nil && (e == nil || e.Code != amqp.NotFound) {
			return err
		}
	}
	return nil
}

func (s *session) deleteExchanges(ctx context.Context, names ...string) error {
	for _, name := range names {
		err := s.ask(ctx, func(ch *amqp.Channel) error { return ch.ExchangeDelete(name, false, false) })
		if e := exception(err); err != nil && (e == nil || e.Code != amqp.NotFound) {
			return err
		}
	}
	return nil
}
