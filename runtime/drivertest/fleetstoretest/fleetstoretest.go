// Package fleetstoretest holds stores of workers to what fleetstore.Store promises. Each
// store's tests call Run.
package fleetstoretest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
)

// A Place is the environment of one test.
type Place struct {
	// Open opens the store of the place: as often as there are processes to play. Where
	// a store lives in one process it returns one and the same.
	Open func() fleetstore.Store
	// Pass lets time go by on the store's clock.
	Pass func(d time.Duration)
	// Late is how much longer than it is to live the store may keep something, up to 2 s.
	Late time.Duration
}

// soon bounds every wait for something that happens at once.
const soon = time.Minute

// tests are the tests of the suite, by their names.
var tests = map[string]func(*env){
	"a worker is listed as it described itself":          described,
	"a heartbeat replaces the one before":                refreshed,
	"the time of a heartbeat is that of the store":       timed,
	"a worker that is not heard of is gone":              expired,
	"a worker that is heard of stays":                    prolonged,
	"a worker that leaves is gone at once":               left,
	"orders come in their order until they are done":     ordered,
	"an order comes to its worker alone":                 addressed,
	"an order that has expired does not come":            late,
	"an order outlives a shorter one":                    outlived,
	"an order to nobody is refused":                      refused,
	"who comes again finds no order to who was there":    returned,
	"many workers at once":                               crowd,
	"a type is described once":                           typed,
	"the last description of a type is the last":         succeeded,
	"a description lives for its time":                   forgotten,
	"descriptions may be large and many":                 large,
	"IDs, names and tasks may be any":                    odd,
	"what is passed and what is returned is its owner's": owned,
}

// Run runs every test of the suite as a subtest, each in a place of its own that make
// makes, and removes by tb.Cleanup.
func Run(t *testing.T, make func(tb testing.TB) Place) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, make(t), test)
		})
	}
}

func run(tb testing.TB, p Place, test func(*env)) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	tb.Cleanup(cancel)
	test(&env{TB: tb, Store: p.Open(), Place: p, ctx: ctx})
}

// An env is a store under test.
type env struct {
	testing.TB
	fleetstore.Store
	Place
	ctx context.Context
}

// long is longer than a test takes.
const long = time.Hour

func (s *env) check(ok bool, format string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(format, args...)
	}
}

func worker(id string) *fleetstore.Worker {
	return &fleetstore.Worker{ID: id, Name: "name of " + id, Slots: 10}
}

// beats sends a heartbeat and returns the orders.
func (s *env) beats(w *fleetstore.Worker, done int64, ttl time.Duration) []fleetstore.Order {
	s.Helper()
	orders, err := s.Heartbeat(s.ctx, w, done, ttl)
	s.check(err == nil, "heartbeat of %q: %v", w.ID, err)
	for i, o := range orders {
		s.check(o.Worker == w.ID && o.Seq > 0 && (i == 0 || o.Seq > orders[i-1].Seq), "orders to %q: %+v", w.ID, orders)
	}
	return orders
}

func (s *env) sends(o *fleetstore.Order, ttl time.Duration) {
	s.Helper()
	err := s.Send(s.ctx, o, ttl)
	s.check(err == nil && o.Seq > 0, "send %+v: %v", o, err)
}

// lists fails unless the workers with these IDs are there, and returns them in the order
// of the IDs.
func (s *env) lists(ids ...string) []*fleetstore.Worker {
	s.Helper()
	all, err := s.List(s.ctx)
	s.check(err == nil, "list: %v", err)
	slices.SortFunc(all, func(a, b *fleetstore.Worker) int { return strings.Compare(a.ID, b.ID) })
	var got []string
	for _, w := range all {
		s.check(w.Err == nil, "worker %q: %v", w.ID, w.Err)
		got = append(got, w.ID)
	}
	want := slices.Sorted(slices.Values(ids))
	s.check(slices.Equal(got, want), "listed are %q, want %q", got, want)
	return all
}

// is fails unless a worker is as it described itself.
func (s *env) is(got, want *fleetstore.Worker) {
	s.Helper()
	g, w := *got, *want
	g.HeartbeatAt, w.HeartbeatAt = time.Time{}, time.Time{}
	s.check(reflect.DeepEqual(g, w), "the worker is\n%+v, and described itself as\n%+v", g, w)
}

// kinds are the orders as text.
func kinds(orders []fleetstore.Order) string {
	var all []string
	for _, o := range orders {
		all = append(all, strings.TrimSpace(string(o.Kind)+" "+o.TaskID))
	}
	return strings.Join(all, ", ")
}

func full(id string) *fleetstore.Worker {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)
	return &fleetstore.Worker{
		ID: id, Name: "mailer-1", Host: "web7", PID: 4711,
		Build:     fleetstore.Build{Path: "example.com/mailer", Version: "v1.2.3", Revision: "abc", Modified: true, Go: "go1.26"},
		StartedAt: at, Queues: []fleetstore.Queue{{Name: "mail", Provider: "redis"}, {Name: "sms", Provider: "sqs"}},
		Types: []string{"welcome", "goodbye"}, Slots: 20, Busy: 2, Quiet: true,
		Running: []fleetstore.Run{
			{TaskID: "t1", Type: "welcome", Queue: "mail", Attempt: 3, Since: at.Add(time.Second)},
			{TaskID: "t2", Type: "goodbye", Queue: "mail", Attempt: 1, Since: at.Add(time.Minute)},
		},
	}
}

func described(s *env) {
	s.lists()
	s.beats(full("a"), 0, long)
	s.is(s.lists("a")[0], full("a"))
	other := s.Open()
	all, err := other.List(s.ctx)
	s.check(err == nil && len(all) == 1, "list of another process: %v, %v", all, err)
	s.is(all[0], full("a"))
	s.beats(worker("b"), 0, long)
	both := s.lists("a", "b")
	s.is(both[0], full("a"))
	s.is(both[1], worker("b"))
}

func refreshed(s *env) {
	s.beats(full("a"), 0, long)
	idle := full("a")
	idle.Busy, idle.Running, idle.Quiet = 0, nil, false
	s.beats(idle, 0, long)
	s.is(s.lists("a")[0], idle)
}

func timed(s *env) {
	s.beats(worker("a"), 0, long)
	first := s.lists("a")[0].HeartbeatAt
	s.check(!first.IsZero(), "a heartbeat without a time")
	// A store may know the time by what is left to live, which it measures when it is read.
	const pause, inexact = 500 * time.Millisecond, 250 * time.Millisecond
	s.Pass(pause)
	again := s.lists("a")[0].HeartbeatAt
	s.check(again.Sub(first).Abs() < inexact, "the time of a heartbeat is %v, and %v when it is read later", first, again)
	s.beats(worker("a"), 0, long)
	took := s.lists("a")[0].HeartbeatAt.Sub(first)
	s.check(took > pause-inexact && took < soon, "the heartbeat after %v came %v later", pause, took)
}

const ttl = 2 * time.Second

func expired(s *env) {
	s.beats(worker("stays"), 0, long)
	s.beats(worker("goes"), 0, ttl)
	s.lists("goes", "stays")
	s.Pass(ttl + s.Late)
	s.lists("stays")
	err := s.Send(s.ctx, &fleetstore.Order{Worker: "goes", Kind: fleetstore.OrderQuiet}, long)
	s.notFound(err)
	s.beats(worker("goes"), 0, long)
	s.lists("goes", "stays")
}

func prolonged(s *env) {
	s.beats(worker("a"), 0, ttl)
	for range 2 {
		s.Pass(ttl / 2)
		s.beats(worker("a"), 0, ttl)
	}
	s.lists("a")
	s.beats(worker("a"), 0, long)
	s.Pass(ttl + s.Late)
	s.lists("a")
	s.beats(worker("a"), 0, ttl) // and the last heartbeat counts
	s.Pass(ttl + s.Late)
	s.lists()
}

func left(s *env) {
	s.beats(worker("a"), 0, long)
	s.beats(worker("b"), 0, long)
	for range 2 {
		s.check(s.Leave(s.ctx, "a") == nil, "leave")
		s.lists("b")
	}
	s.check(s.Leave(s.ctx, "nobody") == nil, "a worker that never was leaves")
	s.beats(worker("a"), 0, long)
	s.lists("a", "b")
}

func (s *env) notFound(err error) {
	s.Helper()
	s.check(err != nil && strings.Contains(err.Error(), fleetstore.ErrWorkerNotFound.Error()), "send to a worker that is not there: %v", err)
}

func crowd(s *env) {
	const n = 20
	stores := []fleetstore.Store{s.Store, s.Open()}
	errs := make(chan error, n)
	ids := make([]string, n)
	for i := range n {
		ids[i] = fmt.Sprint("w", i)
		go func() {
			errs <- func() error {
				store, w := stores[i%2], worker(ids[i])
				if err := store.PutTypes(s.ctx, []fleetstore.Type{{Name: "shared"}, {Name: ids[i]}}, long); err != nil {
					return err
				}
				if _, err := store.Heartbeat(s.ctx, w, 0, long); err != nil {
					return err
				}
				for range 3 {
					if err := stores[1-i%2].Send(s.ctx, &fleetstore.Order{Worker: w.ID, Kind: fleetstore.OrderCancel, TaskID: "of " + w.ID}, long); err != nil {
						return err
					}
					w.Busy++
					orders, err := store.Heartbeat(s.ctx, w, 0, long)
					if err == nil && (len(orders) != 1 || orders[0].TaskID != "of "+w.ID) {
						err = fmt.Errorf("orders to %s: %+v", w.ID, orders)
					}
					if err != nil {
						return err
					}
					if orders, err = store.Heartbeat(s.ctx, w, orders[0].Seq, long); err != nil || len(orders) > 0 {
						return fmt.Errorf("orders to %s that were done: %+v, %w", w.ID, orders, err)
					}
				}
				return nil
			}()
		}()
	}
	for range n {
		err := <-errs
		s.check(err == nil, "%v", err)
	}
	for _, w := range s.lists(ids...) {
		s.check(w.Busy == 3, "worker %s: %+v", w.ID, w)
	}
	s.check(len(s.types()) == n+1, "the types are %+v", s.types())
}

func owned(s *env) {
	w := full("a")
	s.beats(w, 0, long)
	o := &fleetstore.Order{Worker: "a", Kind: fleetstore.OrderQuiet}
	s.sends(o, long)
	types := []fleetstore.Type{{Name: "t", Secrets: []string{"/a"}}}
	s.check(s.PutTypes(s.ctx, types, long) == nil, "put types")
	w.Types[0], w.Running[0].TaskID, o.Kind, types[0].Secrets[0] = "X", "X", "X", "X"
	for range 2 {
		got := s.lists("a")[0]
		s.is(got, full("a"))
		got.Types[0] = "X"
		orders := s.beats(full("a"), 0, long)
		s.check(kinds(orders) == "quiet", "orders: %+v", orders)
		orders[0].Kind = "X"
		put := s.types()
		s.check(put[0].Secrets[0] == "/a", "types: %+v", put)
		put[0].Secrets[0] = "X"
	}
}
