package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Delete implements [driver.Deleter]. It takes about four round trips, whatever the number
// of tasks. A process that still has the queue open finds it empty, and makes some of its
// keys again when it enqueues.
func (q *queue) Delete(ctx context.Context) error {
	if q.isDLQ {
		return driver.NoDelete(q.cfg.Name)
	}
	return q.deletion.Run(ctx, q.open, func() { q.p.closeQueues(q.cfg.Name) }, func(ctx context.Context) error {
		if err := q.p.begin(); err != nil {
			return q.errClosed()
		}
		defer q.p.calls.Done()
		return q.remove(ctx)
	})
}

// open returns an error when the queue is closed.
func (q *queue) open() error {
	if err := q.begin(); err != nil {
		return err
	}
	q.p.calls.Done()
	return nil
}

// closeQueues closes the handles of a queue.
func (p *Provider) closeQueues(name string) {
	p.mu.Lock()
	var open []*queue
	for _, q := range p.queues {
		if q.cfg.Name == name {
			open = append(open, q)
		}
	}
	p.mu.Unlock()
	for _, q := range open {
		_ = q.Close()
	}
}

// remove removes the keys. The dead letter queue, which may be on another server of the
// Cluster, comes first: the queue's own keys say until the end which one it is.
func (q *queue) remove(ctx context.Context) error {
	dlq, err := q.p.keyspace(keyspaceName{queue: q.cfg.DLQ}, lists, 1)
	if err != nil {
		return err
	}
	own, err := dlq.delete(ctx, q.cfg.Name)
	if err != nil {
		return err
	}
	if own {
		q.p.closeQueues(q.cfg.DLQ)
	}
	if _, err := q.deadKeyspace.delete(ctx, ""); err != nil {
		return err
	}
	held, err := q.p.fields(ctx, q.keyspace.key(keyMeta), "levels")
	if err != nil {
		return fmt.Errorf("redis: read the levels of %s: %w", q.keyspace, err)
	}
	// Another process may have asked for more levels than this one knows.
	if n, err := strconv.Atoi(text(held[0])); err == nil {
		q.keyspace.setLevels(n)
	}
	_, err = q.keyspace.delete(ctx, "")
	return err
}

// delete removes the keys of the keyspace. of is a queue whose dead letter queue it is, if it
// is one, and no other queue may have it.
func (ks *keyspace) delete(ctx context.Context, of string) (bool, error) {
	c := ks.newCall(opDelete, 1).add(of)
	reply, err := ks.run(ctx, c)
	if err != nil {
		return false, err
	}
	n, ok := reply.(int64)
	if !ok {
		return false, ks.failed(c, errReply)
	}
	return n == 1, nil
}
