package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

// Fleet keeps workers and the orders to them in memory, for a program that shows its own.
// It is a [fleetstore.Store], and safe for concurrent use.
type Fleet struct {
	clock driver.Clock

	mu      sync.Mutex
	workers map[string]*fleetWorker
	types   map[string]*fleetType // by their sums
	last    int64                 // the newest place of an order or a type
}

var _ fleetstore.Store = (*Fleet)(nil)

// What is kept is encoded, so that it shares no memory with its callers.
type (
	fleetWorker struct {
		data      []byte
		at, until time.Time
		orders    []fleetOrder
	}
	fleetOrder struct {
		fleetstore.Order
		until time.Time
	}
	fleetType struct {
		data  []byte
		place int64
		until time.Time
	}
)

// NewFleet returns an empty store.
func NewFleet(opts ...Option) *Fleet {
	return &Fleet{clock: configure(opts).clock, workers: make(map[string]*fleetWorker), types: make(map[string]*fleetType)}
}

// Heartbeat implements fleetstore.Store.
func (s *Fleet) Heartbeat(_ context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
	data, err := w.Encode()
	if err != nil {
		return nil, fmt.Errorf("worker %s: %w", w.ID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.expire()
	worker := s.workers[w.ID]
	if worker == nil {
		worker = new(fleetWorker)
		s.workers[w.ID] = worker
	}
	worker.data, worker.at, worker.until = data, now, now.Add(ttl)
	worker.orders = slices.DeleteFunc(worker.orders, func(o fleetOrder) bool { return o.Seq <= done || !o.until.After(now) })
	var orders []fleetstore.Order
	for _, o := range worker.orders {
		orders = append(orders, o.Order)
	}
	return orders, nil
}

// Leave implements fleetstore.Store.
func (s *Fleet) Leave(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.workers, id)
	return nil
}

// List implements fleetstore.Store.
func (s *Fleet) List(context.Context) ([]*fleetstore.Worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	all := make([]*fleetstore.Worker, 0, len(s.workers))
	for id, w := range s.workers {
		all = append(all, fleetstore.DecodeWorker(id, w.at, w.data))
	}
	return all, nil
}

// Send implements fleetstore.Store.
func (s *Fleet) Send(_ context.Context, o *fleetstore.Order, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.expire()
	w := s.workers[o.Worker]
	if w == nil {
		return fmt.Errorf("%w: %s", fleetstore.ErrWorkerNotFound, o.Worker)
	}
	s.last++
	o.Seq = s.last
	w.orders = append(w.orders, fleetOrder{*o, now.Add(ttl)})
	return nil
}

// PutTypes implements fleetstore.Store.
func (s *Fleet) PutTypes(_ context.Context, types []fleetstore.Type, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := s.expire().Add(ttl)
	for i := range types {
		data, err := types[i].Encode()
		if err != nil {
			return fmt.Errorf("type %s: %w", types[i].Name, err)
		}
		sum := fleetstore.Sum(data)
		t := s.types[sum]
		if t == nil {
			t = &fleetType{data: data}
			s.types[sum] = t
		}
		s.last++
		t.place, t.until = s.last, until
	}
	return nil
}

// Types implements fleetstore.Store.
func (s *Fleet) Types(context.Context) ([]fleetstore.Type, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	stored := make([]*fleetType, 0, len(s.types))
	for _, t := range s.types {
		stored = append(stored, t)
	}
	slices.SortFunc(stored, func(a, b *fleetType) int { return int(a.place - b.place) })
	types := make([]fleetstore.Type, len(stored))
	for i, t := range stored {
		if err := types[i].Decode(t.data); err != nil {
			return nil, err
		}
	}
	return types, nil
}

// expire removes the workers and types whose time is over, and returns the present. Orders
// go with their worker, or are removed when it asks for them.
func (s *Fleet) expire() time.Time {
	now := s.clock.Now()
	for id, w := range s.workers {
		if !w.until.After(now) {
			delete(s.workers, id)
		}
	}
	for sum, t := range s.types {
		if !t.until.After(now) {
			delete(s.types, sum)
		}
	}
	return now
}
