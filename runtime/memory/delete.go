package memory

import (
	"context"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Delete implements [driver.Deleter].
func (q *queue) Delete(ctx context.Context) error {
	if q.dead == nil {
		return driver.NoDelete(q.name)
	}
	return q.deletion.Run(ctx, q.checkOpen, func() {}, func(context.Context) error {
		q.provider.remove(q.queueState)
		return nil
	})
}

func (q *queue) checkOpen() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return q.errClosed()
	}
	return nil
}

// remove drops a queue, and its dead letter queue or, if others have it too, what has died
// on the queue.
func (p *Provider) remove(s *queueState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stores[s.name] != s {
		return
	}
	p.drop(s)
	for _, other := range p.stores {
		if other.dead == s.dead {
			s.dead.dropDead(s.name)
			return
		}
	}
	p.drop(s.dead)
}

// drop closes all handles of a queue and forgets its tasks. p.mu is held.
func (p *Provider) drop(s *queueState) {
	for q := range p.open {
		if q.queueState == s {
			delete(p.open, q)
			q.closeHandle()
		}
	}
	delete(p.stores, s.name)
	s.stop()
}

// dropDead drops all that has died on a queue.
func (s *queueState) dropDead(origin string) {
	s.mu.Lock()
	s.advance()
	defer s.leave()
	for g := s.groups[origin]; g != nil; g = s.groups[origin] {
		s.drop(g.head)
	}
}
