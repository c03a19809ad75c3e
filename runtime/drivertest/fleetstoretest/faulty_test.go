package fleetstoretest

import (
	"context"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

type (
	heartbeatFunc = func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error)
	sendFunc      = func(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error
	putFunc       = func(ctx context.Context, types []fleetstore.Type, ttl time.Duration) error
)

// A faulty store breaks its promises where one of its hooks is set. A hook is given what
// the store does rightly.
type faulty struct {
	fleetstore.Store
	clock *tasktest.Clock

	mu sync.Mutex
	// What hooks remember.
	seen  map[string]int
	until time.Time

	heartbeat func(s *faulty, right heartbeatFunc) heartbeatFunc
	leave     func(s *faulty, ctx context.Context, id string) error
	list      func(s *faulty, all []*fleetstore.Worker) []*fleetstore.Worker
	send      func(s *faulty, right sendFunc) sendFunc
	put       func(s *faulty, right putFunc) putFunc
	types     func(s *faulty, all []fleetstore.Type) []fleetstore.Type
}

func (s *faulty) Heartbeat(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
	if s.heartbeat != nil {
		return s.heartbeat(s, s.Store.Heartbeat)(ctx, w, done, ttl)
	}
	return s.Store.Heartbeat(ctx, w, done, ttl)
}

func (s *faulty) Leave(ctx context.Context, id string) error {
	if s.leave != nil {
		return s.leave(s, ctx, id)
	}
	return s.Store.Leave(ctx, id)
}

func (s *faulty) List(ctx context.Context) ([]*fleetstore.Worker, error) {
	all, err := s.Store.List(ctx)
	if s.list != nil {
		all = s.list(s, all)
	}
	return all, err
}

func (s *faulty) Send(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
	if s.send != nil {
		return s.send(s, s.Store.Send)(ctx, o, ttl)
	}
	return s.Store.Send(ctx, o, ttl)
}

func (s *faulty) PutTypes(ctx context.Context, types []fleetstore.Type, ttl time.Duration) error {
	if s.put != nil {
		return s.put(s, s.Store.PutTypes)(ctx, types, ttl)
	}
	return s.Store.PutTypes(ctx, types, ttl)
}

func (s *faulty) Types(ctx context.Context) ([]fleetstore.Type, error) {
	all, err := s.Store.Types(ctx)
	if s.types != nil {
		all = s.types(s, all)
	}
	return all, err
}

// before counts how often it was called with a key.
func (s *faulty) before(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[key]++
	return s.seen[key] - 1
}

// times makes each heartbeat's time to live another.
func times(longer func(s *faulty, w *fleetstore.Worker, ttl time.Duration) time.Duration) *faulty {
	return &faulty{heartbeat: func(s *faulty, right heartbeatFunc) heartbeatFunc {
		return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
			return right(ctx, w, done, longer(s, w, ttl))
		}
	}}
}

// answers makes the orders of each heartbeat others.
func answers(other func(s *faulty, w *fleetstore.Worker, orders []fleetstore.Order) []fleetstore.Order) *faulty {
	return &faulty{heartbeat: func(s *faulty, right heartbeatFunc) heartbeatFunc {
		return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
			orders, err := right(ctx, w, done, ttl)
			return other(s, w, orders), err
		}
	}}
}

func lists(other func(s *faulty, all []*fleetstore.Worker) []*fleetstore.Worker) *faulty {
	return &faulty{list: other}
}

func each(change func(w *fleetstore.Worker)) *faulty {
	return lists(func(_ *faulty, all []*fleetstore.Worker) []*fleetstore.Worker {
		for _, w := range all {
			change(w)
		}
		return all
	})
}

func dones(other func(done int64) int64) *faulty {
	return &faulty{heartbeat: func(_ *faulty, right heartbeatFunc) heartbeatFunc {
		return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
			return right(ctx, w, other(done), ttl)
		}
	}}
}

func puts(other func(s *faulty, right putFunc, ctx context.Context, types []fleetstore.Type, ttl time.Duration) error) *faulty {
	return &faulty{put: func(s *faulty, right putFunc) putFunc {
		return func(ctx context.Context, types []fleetstore.Type, ttl time.Duration) error {
			return other(s, right, ctx, types, ttl)
		}
	}}
}

func sends(other func(s *faulty, o *fleetstore.Order, ttl time.Duration) time.Duration) *faulty {
	return &faulty{send: func(s *faulty, right sendFunc) sendFunc {
		return func(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
			return right(ctx, o, other(s, o, ttl))
		}
	}}
}

// sharing returns the same workers each time.
func sharing(first *[]*fleetstore.Worker) func(*faulty, []*fleetstore.Worker) []*fleetstore.Worker {
	return func(_ *faulty, all []*fleetstore.Worker) []*fleetstore.Worker {
		if *first == nil {
			*first = all
		}
		return *first
	}
}
