package measure

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/taskgen/taskgen/runtime/observe"
)

// Series are what a library keeps for each queue (Q) and for each type on it (T). Events
// find theirs by two lookups, of the queue and of the type, that allocate nothing and lock
// nothing. Series are safe for concurrent use.
type Series[Q, T any] struct {
	newQueue func(q *observe.Queue) Q
	newType  func(q *observe.Queue, label string) T
	types    Types

	open sync.Map // *OfQueue[Q, T], by the *observe.Queue that is open

	mu    sync.Mutex
	named map[queueName]*OfQueue[Q, T]
}

type queueName struct{ queue, provider string }

// NewSeries returns Series that make what they keep by two functions. They are called once
// for each queue, by its name and that of its provider, and for each type on it, by its
// label.
func NewSeries[Q, T any](newQueue func(q *observe.Queue) Q, newType func(q *observe.Queue, label string) T) *Series[Q, T] {
	return &Series[Q, T]{newQueue: newQueue, newType: newType, named: make(map[queueName]*OfQueue[Q, T])}
}

// OfQueue is what is kept for one queue.
type OfQueue[Q, T any] struct {
	Queue Q

	all  *Series[Q, T]
	seen *observe.Queue

	mu    sync.Mutex                    // held to add a type
	types atomic.Pointer[map[string]*T] // by label; replaced, never changed
}

// Open makes the series of a queue and its types, so that each is there before its first
// event: an alert cannot see a first failure that comes with its series.
func (s *Series[Q, T]) Open(q *observe.Queue) {
	s.types.Learn(q.Types...)
	of := s.byName(q)
	s.open.Store(q, of)
	for _, name := range q.Types {
		of.Type(name)
	}
}

// Close forgets that a queue is open. Its series stay, since a counter must not fall.
// They are found by the queue's name from then on, since events may come late.
func (s *Series[Q, T]) Close(q *observe.Queue) { s.open.Delete(q) }

// OpenPool makes the series of the types that a pool has handlers for: on the queue of
// their policies, or on the pool's only one.
func (s *Series[Q, T]) OpenPool(p *observe.Pool) {
	for _, t := range p.Types {
		s.types.LearnType(t)
		for _, q := range p.Queues {
			if t.Queue == q.Name || len(p.Queues) == 1 {
				s.Of(q).Type(t.Name)
			}
		}
	}
}

// OpenTypes makes the series of types that workers elsewhere run: on the open queues of their
// policies.
func (s *Series[Q, T]) OpenTypes(types []observe.Type) {
	for _, t := range types {
		s.types.LearnType(t)
		s.open.Range(func(q, of any) bool {
			if q.(*observe.Queue).Name == t.Queue {
				of.(*OfQueue[Q, T]).Type(t.Name)
			}
			return true
		})
	}
}

// Of returns the series of a queue.
func (s *Series[Q, T]) Of(q *observe.Queue) *OfQueue[Q, T] {
	if of, ok := s.open.Load(q); ok {
		return of.(*OfQueue[Q, T])
	}
	return s.byName(q)
}

func (s *Series[Q, T]) byName(q *observe.Queue) *OfQueue[Q, T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := queueName{q.Name, q.Provider}
	of := s.named[name]
	if of == nil {
		of = &OfQueue[Q, T]{Queue: s.newQueue(q), all: s, seen: q}
		of.types.Store(new(map[string]*T))
		s.named[name] = of
	}
	return of
}

// Type returns the series of a type, by its name in a task.
func (of *OfQueue[Q, T]) Type(name string) *T {
	types := *of.types.Load()
	if t := types[name]; t != nil {
		return t
	}
	label := of.all.types.Label(name)
	if t := types[label]; t != nil {
		return t
	}
	return of.add(label)
}

func (of *OfQueue[Q, T]) add(label string) *T {
	of.mu.Lock()
	defer of.mu.Unlock()
	old := *of.types.Load()
	if t := old[label]; t != nil {
		return t
	}
	types := make(map[string]*T, len(old)+1)
	maps.Copy(types, old)
	t := of.all.newType(of.seen, label)
	types[label] = &t
	of.types.Store(&types)
	return &t
}
