package fleetstoretest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mutants are stores with one fault each, by the test of the suite that must find it.
var mutants = map[string]map[string]*faulty{
	"a worker is listed as it described itself": {
		"it forgets what runs":    each(func(w *fleetstore.Worker) { w.Running = nil }),
		"it keeps whole seconds":  each(func(w *fleetstore.Worker) { w.StartedAt = w.StartedAt.Truncate(time.Second) }),
		"it lists only one":       lists(func(_ *faulty, all []*fleetstore.Worker) []*fleetstore.Worker { return all[:min(len(all), 1)] }),
		"it keeps nothing at all": lists(func(*faulty, []*fleetstore.Worker) []*fleetstore.Worker { return nil }),
	},
	"a heartbeat replaces the one before": {
		"the first counts": {heartbeat: func(s *faulty, right heartbeatFunc) heartbeatFunc {
			return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
				if s.before(w.ID) > 0 {
					return nil, nil
				}
				return right(ctx, w, done, ttl)
			}
		}},
	},
	"the time of a heartbeat is that of the store": {
		"it is that of the reader": lists(func(s *faulty, all []*fleetstore.Worker) []*fleetstore.Worker {
			s.clock.Advance(time.Millisecond)
			for _, w := range all {
				w.HeartbeatAt = s.clock.Now()
			}
			return all
		}),
		"there is none": each(func(w *fleetstore.Worker) { w.HeartbeatAt = time.Time{} }),
	},
	"a worker that is not heard of is gone": {
		"it never goes": times(func(*faulty, *fleetstore.Worker, time.Duration) time.Duration { return long }),
		"all go at once": lists(func(s *faulty, all []*fleetstore.Worker) []*fleetstore.Worker {
			if len(all) == 1 {
				return nil
			}
			return all
		}),
	},
	"a worker that is heard of stays": {
		"the first time to live counts": times(func(s *faulty, _ *fleetstore.Worker, d time.Duration) time.Duration {
			if s.until.IsZero() {
				s.until = s.clock.Now().Add(d)
			}
			return s.until.Sub(s.clock.Now())
		}),
		"the longest time to live counts": times(func(s *faulty, w *fleetstore.Worker, d time.Duration) time.Duration {
			if d == long {
				s.before("long")
			}
			if s.seen["long"] > 0 {
				return long
			}
			return d
		}),
	},
	"a worker that leaves is gone at once": {
		"it stays": {leave: func(*faulty, context.Context, string) error { return nil }},
		"to leave twice is an error": {leave: func(s *faulty, ctx context.Context, id string) error {
			if s.before(id) > 0 {
				return fleetstore.ErrWorkerNotFound
			}
			return s.Store.Leave(ctx, id)
		}},
	},
	"orders come in their order until they are done": {
		"the last comes first": answers(func(_ *faulty, _ *fleetstore.Worker, orders []fleetstore.Order) []fleetstore.Order {
			slices.Reverse(orders)
			for i := range orders {
				orders[i].Seq = int64(i + 1)
			}
			return orders
		}),
		"they come once": {heartbeat: func(_ *faulty, right heartbeatFunc) heartbeatFunc {
			return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
				orders, err := right(ctx, w, done, ttl)
				_, _ = right(ctx, w, 1<<50, ttl)
				return orders, err
			}
		}},
		"they never end":             dones(func(int64) int64 { return 0 }),
		"one is done, all are":       dones(func(done int64) int64 { return done * 1000 }),
		"the one that is done stays": dones(func(done int64) int64 { return done - 1 }),
		"what is done comes back": {heartbeat: func(s *faulty, right heartbeatFunc) heartbeatFunc {
			return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
				orders, err := right(ctx, w, 0, ttl)
				return slices.DeleteFunc(orders, func(o fleetstore.Order) bool { return o.Seq <= done }), err
			}
		}},
	},
	"an order comes to its worker alone": {
		"it comes to all": {send: func(s *faulty, right sendFunc) sendFunc {
			return func(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
				all, _ := s.Store.List(ctx)
				for _, w := range all {
					copied := *o
					copied.Worker = w.ID
					if err := right(ctx, &copied, ttl); err != nil {
						return err
					}
					o.Seq = copied.Seq
				}
				return nil
			}
		}},
		"what one has done is done for all": {heartbeat: func(s *faulty, right heartbeatFunc) heartbeatFunc {
			return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
				all, _ := s.Store.List(ctx)
				for _, other := range all {
					_, _ = right(ctx, other, done, ttl)
				}
				return right(ctx, w, done, ttl)
			}
		}},
	},
	"an order that has expired does not come": {
		"it comes": sends(func(_ *faulty, _ *fleetstore.Order, _ time.Duration) time.Duration { return long }),
	},
	"an order outlives a shorter one": {
		"the last time to live is that of all": answers(func(s *faulty, w *fleetstore.Worker, orders []fleetstore.Order) []fleetstore.Order {
			if len(orders) == 1 { // of the two that were sent
				return nil
			}
			return orders
		}),
	},
	"an order to nobody is refused": {
		"it is taken": {send: func(_ *faulty, right sendFunc) sendFunc {
			return func(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
				if right(ctx, o, ttl) != nil {
					o.Seq = 1
				}
				return nil
			}
		}},
	},
	"who comes again finds no order to who was there": {
		"they wait": {leave: func(s *faulty, ctx context.Context, id string) error {
			_, err := s.Store.Heartbeat(ctx, worker(id), 0, 1)
			return err
		}},
	},
	"many workers at once": {
		"a heartbeat is lost": {heartbeat: func(_ *faulty, right heartbeatFunc) heartbeatFunc {
			return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
				if w.ID == "w7" {
					changed := *w
					changed.Busy = min(w.Busy, 2)
					w = &changed
				}
				return right(ctx, w, done, ttl)
			}
		}},
		"an order is lost": {send: func(_ *faulty, right sendFunc) sendFunc {
			return func(ctx context.Context, o *fleetstore.Order, ttl time.Duration) error {
				if o.Worker == "w7" {
					return nil
				}
				return right(ctx, o, ttl)
			}
		}},
	},
	"a type is described once": {
		"each put adds one": {types: func(_ *faulty, all []fleetstore.Type) []fleetstore.Type { return append(all, all...) }},
		"it forgets the secrets": {types: func(_ *faulty, all []fleetstore.Type) []fleetstore.Type {
			for i := range all {
				all[i].Secrets = nil
			}
			return all
		}},
	},
	"the last description of a type is the last": {
		"the first put decides": puts(func(s *faulty, right putFunc, ctx context.Context, types []fleetstore.Type, ttl time.Duration) error {
			if s.before(types[0].Schema) > 0 {
				return nil
			}
			return right(ctx, types, ttl)
		}),
		"there is one of each name": {types: func(_ *faulty, all []fleetstore.Type) []fleetstore.Type {
			byName := make(map[string]fleetstore.Type)
			for _, t := range all {
				byName[t.Name] = t
			}
			return slices.Collect(maps.Values(byName))
		}},
	},
	"a description lives for its time": {
		"it lives for ever": puts(func(_ *faulty, right putFunc, ctx context.Context, types []fleetstore.Type, _ time.Duration) error {
			return right(ctx, types, long)
		}),
		"the first time to live counts": puts(func(s *faulty, right putFunc, ctx context.Context, types []fleetstore.Type, d time.Duration) error {
			for _, t := range types {
				if s.before(t.Name) == 0 {
					if err := right(ctx, []fleetstore.Type{t}, d); err != nil {
						return err
					}
				}
			}
			return nil
		}),
	},
	"descriptions may be large and many": {
		"long ones are cut": {types: func(_ *faulty, all []fleetstore.Type) []fleetstore.Type {
			for i := range all {
				all[i].Schema = all[i].Schema[:min(len(all[i].Schema), 100_000)]
			}
			return all
		}},
		"it keeps 256": {types: func(_ *faulty, all []fleetstore.Type) []fleetstore.Type { return all[:min(len(all), 256)] }},
	},
	"IDs, names and tasks may be any": {
		"IDs are cut at a NUL": {heartbeat: func(_ *faulty, right heartbeatFunc) heartbeatFunc {
			return func(ctx context.Context, w *fleetstore.Worker, done int64, ttl time.Duration) ([]fleetstore.Order, error) {
				changed := *w
				changed.ID, _, _ = strings.Cut(w.ID, "\x00")
				return right(ctx, &changed, done, ttl)
			}
		}},
		"an empty ID is no worker": lists(func(_ *faulty, all []*fleetstore.Worker) []*fleetstore.Worker {
			return slices.DeleteFunc(all, func(w *fleetstore.Worker) bool { return w.ID == "" })
		}),
	},
	"what is passed and what is returned is its owner's": {
		"it returns its own": {list: sharing(new([]*fleetstore.Worker))},
	},
}

func TestTheSuiteFindsEachFault(t *testing.T) {
	for name, test := range tests {
		assert.NotEmpty(t, mutants[name], "no fault that %q finds", name)
		for fault, s := range mutants[name] {
			t.Run(name+"/"+fault, func(t *testing.T) {
				r := recorder.Run(t, func(tb testing.TB) {
					s.clock = tasktest.NewClock(time.Now())
					s.seen = make(map[string]int)
					s.Store = memory.NewFleet(memory.WithClock(s.clock))
					run(tb, Place{Open: func() fleetstore.Store { return s }, Pass: s.clock.Advance}, test)
				})
				assert.True(t, r.Failed(), "the suite does not find it")
				t.Log(r.Text())
			})
		}
	}
	for name := range mutants {
		assert.NotNil(t, tests[name], "%q is no test of the suite", name)
	}
}

func TestTheSuitePassesAStoreWithoutFault(t *testing.T) {
	Run(t, func(testing.TB) Place {
		clock := tasktest.NewClock(time.Now())
		s := &faulty{Store: memory.NewFleet(memory.WithClock(clock))}
		return Place{Open: func() fleetstore.Store { return s }, Pass: clock.Advance}
	})
}
