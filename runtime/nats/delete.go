package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Delete implements [driver.Deleter]. It takes about three requests, whatever the number of
// tasks. A process that still has the queue open makes its stream again with the next call
// that writes to it, or with a Dequeue, and finds it empty.
func (q *queue) Delete(ctx context.Context) error {
	if q.isDLQ() {
		return driver.NoDelete(q.cfg.Name)
	}
	return q.deletion.Run(ctx, q.open, func() { q.p.closeQueues(q.name) }, func(ctx context.Context) error {
		if err := q.p.beginCall(); err != nil {
			return q.errClosed()
		}
		defer q.p.calls.Done()
		if err := q.removeStreams(ctx); err != nil {
			return fmt.Errorf("delete queue %q: %w", q.cfg.Name, err)
		}
		return nil
	})
}

// closeQueues closes the handles of a queue, so that none of them makes its stream again, and
// forgets their state.
func (p *Provider) closeQueues(name string) {
	p.mu.Lock()
	var open []*queue
	for q := range p.queues {
		if q.name == name {
			open = append(open, q)
		}
	}
	delete(p.states, name)
	p.mu.Unlock()
	for _, q := range open {
		_ = q.Close()
	}
}

// removeStreams deletes the stream of the queue, and that of its dead letter queue or, if other
// queues name it, the partition of this queue there.
func (q *queue) removeStreams(ctx context.Context) error {
	if err := q.requester.deleteStream(ctx, q.names.stream); err != nil {
		return err
	}
	dead := q.deadQueue()
	names, err := dead.consumerNames(ctx)
	if err != nil {
		if errors.Is(err, driver.ErrUnknownQueue) {
			return nil // it was deleted, too
		}
		return err
	}
	partition := originPartition(q.name)
	for _, name := range names {
		if strings.HasPrefix(name, readyConsumer("from-")) && name != readyConsumer(partition) {
			return dead.removePartition(ctx, partition)
		}
	}
	q.p.closeQueues(dead.name)
	return q.requester.deleteStream(ctx, dead.names.stream)
}

// removePartition deletes the consumers and the messages of a partition.
func (s *queueState) removePartition(ctx context.Context, partition string) error {
	for _, consumer := range []string{schedConsumer(partition), readyConsumer(partition)} {
		err := s.requester.callAPI(ctx, "CONSUMER.DELETE."+s.names.stream+"."+consumer, struct{}{}, nil)
		if err != nil && codeOf(err) != codeNoConsumer {
			return fmt.Errorf("delete consumer %s of stream %s: %w", consumer, s.names.stream, err)
		}
	}
	for _, place := range []string{placeScheduled, placeReady} {
		if _, err := s.requester.purge(ctx, s.names.stream, s.all(place+partition)); err != nil {
			return fmt.Errorf("purge stream %s: %w", s.names.stream, err)
		}
	}
	return nil
}

// deleteStream deletes a stream, with its consumers and messages.
func (w *requester) deleteStream(ctx context.Context, stream string) error {
	err := w.callAPI(ctx, "STREAM.DELETE."+stream, struct{}{}, nil)
	if err != nil && codeOf(err) != codeNoStream {
		return fmt.Errorf("delete stream %s: %w", stream, err)
	}
	return nil
}
