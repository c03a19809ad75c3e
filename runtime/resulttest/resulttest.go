// Package resulttest holds stores of results to what runtime.ResultStore promises.
// Each store's tests call Run.
package resulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// A Place is the room of one test.
type Place struct {
	// Open opens the store of the place: as often as there are processes to play.
	// Where a store lives in one process it returns one and the same.
	Open func() runtime.ResultStore
	// Pass lets time go by on the store's clock.
	Pass func(d time.Duration)
}

// soon bounds every wait for something that happens at once.
const soon = time.Minute

// Run runs every test of the suite as a subtest, each in a place of its own that
// make makes, and removes by tb.Cleanup.
func Run(t *testing.T, make func(tb testing.TB) Place) {
	for name, test := range map[string]func(*shop){
		"a result that is there is returned as often as it is asked for": returned,
		"a failure is an error, with its reason":                         failed,
		"the last outcome counts":                                        replaced,
		"whoever waits is woken, in every process":                       woken,
		"a wait ends with its context":                                   ended,
		"a result ends with its time":                                    expired,
		"IDs and results may be any":                                     odd,
		"many may put and wait at once":                                  crowd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := make(t)
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			t.Cleanup(cancel)
			test(&shop{T: t, ResultStore: p.Open(), Place: p, ctx: ctx})
		})
	}
}

// A shop is a store under test.
type shop struct {
	*testing.T
	runtime.ResultStore
	Place
	ctx context.Context
}

func (s *shop) check(ok bool, format string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(format, args...)
	}
}

func (s *shop) put(id, result, failure string, ttl time.Duration) {
	s.Helper()
	err := s.PutResult(s.ctx, id, []byte(result), failure, ttl)
	s.check(err == nil, "put the result of %q: %v", id, err)
}

// holds fails unless the result of a task is the given one.
func (s *shop) holds(id, want string) {
	s.Helper()
	got, err := s.Await(s.ctx, id)
	s.check(err == nil && string(got) == want, "the result of %q is %q, %v; want %q", id, got, err, want)
}

func returned(s *shop) {
	value := []byte(`{"n":1}`)
	s.check(s.PutResult(s.ctx, "a", value, "", time.Hour) == nil, "put")
	value[0] = 'X'
	for range 2 {
		got, err := s.Await(s.ctx, "a")
		s.check(err == nil && string(got) == `{"n":1}`, "await: %q, %v", got, err)
		got[0] = 'X' // it is the caller's
	}
}

func failed(s *shop) {
	s.put("a", "", "out of ideas", time.Hour)
	_, err := s.Await(s.ctx, "a")
	s.check(errors.Is(err, runtime.ErrTaskFailed) && strings.Contains(err.Error(), "out of ideas"), "await: %v", err)
}

func replaced(s *shop) {
	s.put("a", "", "boom", time.Hour)
	s.put("a", "2", "", time.Hour)
	s.holds("a", "2")
}

func woken(s *shop) {
	stores := []runtime.ResultStore{s.ResultStore, s.ResultStore, s.Open()}
	for round := range 20 {
		id := fmt.Sprint("t", round)
		var all sync.WaitGroup
		for _, store := range stores {
			all.Go(func() {
				if got, err := store.Await(s.ctx, id); err != nil || string(got) != id {
					s.Errorf("await of %s: %q, %v", id, got, err)
				}
			})
		}
		s.put(id, id, "", time.Hour)
		all.Wait()
	}
}

func ended(s *shop) {
	ctx, cancel := context.WithTimeout(s.ctx, time.Millisecond)
	defer cancel()
	_, err := s.Await(ctx, "a")
	s.check(errors.Is(err, context.DeadlineExceeded), "await: %v", err)
	s.put("a", "1", "", time.Hour)
	s.holds("a", "1")
}

func expired(s *shop) {
	const ttl = time.Second
	s.put("short", "1", "", ttl)
	s.put("long", "1", "", time.Hour)
	s.put("default", "1", "", 0)
	s.put("prolonged", "1", "", ttl)
	s.put("prolonged", "2", "", time.Hour)
	s.Pass(ttl)
	ctx, cancel := context.WithTimeout(s.ctx, time.Millisecond)
	defer cancel()
	got, err := s.Await(ctx, "short")
	s.check(errors.Is(err, context.DeadlineExceeded), "a result whose time is over is waited for: %q, %v", got, err)
	s.holds("long", "1")
	s.holds("default", "1")
	s.holds("prolonged", "2")
}

func odd(s *shop) {
	for _, id := range []string{"{a}b", "a b", "*", strings.Repeat("x", 1000), "ключ"} {
		s.put(id, `"`+id+`"`, "", time.Hour)
		s.holds(id, `"`+id+`"`)
	}
	s.put("empty", "", "", time.Hour)
	s.holds("empty", "")
	large := string(bytes.Repeat([]byte{0, 1, 0xff}, 100_000))
	s.put("large", large, "", time.Hour)
	s.holds("large", large)
}

func crowd(s *shop) {
	stores := []runtime.ResultStore{s.ResultStore, s.Open()}
	var all sync.WaitGroup
	for i := range 40 {
		id := fmt.Sprint("t", i)
		for _, store := range stores {
			all.Go(func() {
				if got, err := store.Await(s.ctx, id); err != nil || string(got) != id {
					s.Errorf("await of %s: %q, %v", id, got, err)
				}
			})
		}
		all.Go(func() {
			if err := stores[i%2].PutResult(s.ctx, id, []byte(id), "", time.Hour); err != nil {
				s.Errorf("put of %s: %v", id, err)
			}
		})
	}
	all.Wait()
}
