// Package resultstoretest tests stores of results against the contract of
// driver.ResultStore. Each store's tests call Run.
package resultstoretest

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
	"github.com/taskgen/taskgen/runtime/driver"
)

// A Place is the environment of one test.
type Place struct {
	// Open opens the store of the place: as often as there are processes to play.
	// Where a store lives in one process it returns one and the same.
	Open func() driver.ResultStore
	// Pass lets time go by on the store's clock.
	Pass func(d time.Duration)
}

// soon bounds every wait for something that happens at once.
const soon = time.Minute

// Run runs every test of the suite as a subtest, each in a place of its own that
// make makes, and removes by tb.Cleanup.
func Run(t *testing.T, make func(tb testing.TB) Place) {
	for name, test := range map[string]func(*env){
		"a stored result is returned each time":                     returned,
		"a failure is an error, with its reason":                    failed,
		"the last outcome counts":                                   replaced,
		"waiting callers are woken, in every process":               woken,
		"a wait ends with its context":                              ended,
		"a result expires":                                          expired,
		"IDs and results may be any":                                odd,
		"concurrent puts and waits are safe":                        crowd,
		"a stored outcome is returned without waiting":              peeked,
		"a forgotten outcome is waited for":                         forgotten,
		"an outcome that replaced another is not forgotten with it": kept,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := make(t)
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			t.Cleanup(cancel)
			test(&env{T: t, ResultStore: p.Open(), Place: p, ctx: ctx})
		})
	}
}

// An env is a store under test.
type env struct {
	*testing.T
	driver.ResultStore
	Place
	ctx context.Context
}

func (s *env) check(ok bool, format string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(format, args...)
	}
}

func (s *env) put(id, result, failure string, ttl time.Duration) {
	s.Helper()
	err := s.PutResult(s.ctx, id, []byte(result), failure, ttl)
	s.check(err == nil, "put the result of %q: %v", id, err)
}

// holds fails unless the result of a task is the given one.
func (s *env) holds(id, want string) {
	s.Helper()
	got, err := s.Await(s.ctx, id)
	s.check(err == nil && string(got) == want, "the result of %q is %q, %v; want %q", id, got, err, want)
}

func returned(s *env) {
	value := []byte(`{"n":1}`)
	s.check(s.PutResult(s.ctx, "a", value, "", time.Hour) == nil, "put")
	value[0] = 'X'
	for range 2 {
		got, err := s.Await(s.ctx, "a")
		s.check(err == nil && string(got) == `{"n":1}`, "await: %q, %v", got, err)
		got[0] = 'X' // it is the caller's
	}
}

func failed(s *env) {
	s.put("a", "", "out of ideas", time.Hour)
	_, err := s.Await(s.ctx, "a")
	s.check(errors.Is(err, runtime.ErrTaskFailed) && strings.Contains(err.Error(), "out of ideas"), "await: %v", err)
}

func replaced(s *env) {
	s.put("a", "", "boom", time.Hour)
	s.put("a", "2", "", time.Hour)
	s.holds("a", "2")
}

func woken(s *env) {
	stores := []driver.ResultStore{s.ResultStore, s.ResultStore, s.Open()}
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

func ended(s *env) {
	ctx, cancel := context.WithTimeout(s.ctx, time.Millisecond)
	defer cancel()
	_, err := s.Await(ctx, "a")
	s.check(errors.Is(err, context.DeadlineExceeded), "await: %v", err)
	s.put("a", "1", "", time.Hour)
	s.holds("a", "1")
}

func expired(s *env) {
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

func odd(s *env) {
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

// keeper is the store, if it can tell what is there, and forget it.
func (s *env) keeper() driver.ResultKeeper {
	k, ok := s.ResultStore.(driver.ResultKeeper)
	if !ok {
		s.Skip("the store is no ResultKeeper")
	}
	return k
}

func (s *env) peek(ids ...string) []driver.StoredResult {
	s.Helper()
	rs, err := s.keeper().Peek(s.ctx, ids)
	s.check(err == nil && len(rs) == len(ids), "peek at %q: %v, %v", ids, rs, err)
	for i := range rs {
		s.check(rs[i].ID == ids[i], "result %d is of %q, want %q", i, rs[i].ID, ids[i])
	}
	return rs
}

func peeked(s *env) {
	s.put("a", `{"n":1}`, "", time.Hour)
	s.put("b", "", "boom", time.Hour)
	s.put("empty", "", "", time.Hour)
	s.put("over", "1", "", time.Second)
	s.Pass(time.Second)
	rs := s.peek("a", "none", "b", "over", "empty", "a")
	s.check(string(rs[0].Result) == `{"n":1}` && rs[0].Failure == "" && rs[0].Version != "", "a result: %+v", rs[0])
	s.check(rs[1].Version == "" && rs[1].Result == nil, "none: %+v", rs[1])
	s.check(rs[2].Failure == "boom" && rs[2].Result == nil && rs[2].Version != "", "a failure: %+v", rs[2])
	s.check(rs[3].Version == "", "one whose time is over: %+v", rs[3])
	s.check(len(rs[4].Result) == 0 && rs[4].Failure == "" && rs[4].Version != "", "an empty one: %+v", rs[4])
	s.check(rs[5].Version == rs[0].Version, "one that is asked for twice: %+v, %+v", rs[0], rs[5])
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprint("m", i)
	}
	s.put("m999", "1", "", time.Hour)
	s.check(s.peek(many...)[999].Version != "", "the last of many")
	s.check(len(s.peek()) == 0, "none are asked for")
}

func forgotten(s *env) {
	s.put("a", "1", "", time.Hour)
	s.put("b", "", "boom", time.Hour)
	s.check(s.keeper().Forget(s.ctx, s.peek("a", "b", "none")[:2]) == nil, "forget")
	for _, id := range []string{"a", "b"} {
		ctx, cancel := context.WithTimeout(s.ctx, time.Millisecond)
		got, err := s.Await(ctx, id)
		cancel()
		s.check(errors.Is(err, context.DeadlineExceeded), "what was forgotten of %q is waited for: %q, %v", id, got, err)
	}
	var waiting sync.WaitGroup
	for _, store := range []driver.ResultStore{s.ResultStore, s.Open()} {
		waiting.Go(func() {
			if got, err := store.Await(s.ctx, "b"); err != nil || string(got) != "2" {
				s.Errorf("await: %q, %v", got, err)
			}
		})
	}
	s.put("b", "2", "", time.Hour)
	waiting.Wait()
}

func kept(s *env) {
	s.put("a", "1", "", time.Hour)
	old := s.peek("a")
	s.put("a", "1", "", time.Hour) // the same again
	s.check(s.keeper().Forget(s.ctx, old) == nil, "forget")
	s.holds("a", "1")
	s.check(s.peek("a")[0].Version != old[0].Version, "the version of another outcome: %+v", old[0])
	s.check(s.keeper().Forget(s.ctx, []driver.StoredResult{{ID: "a"}, {ID: "none", Version: old[0].Version}}) == nil, "forget what never was")
	s.holds("a", "1")
}

func crowd(s *env) {
	stores := []driver.ResultStore{s.ResultStore, s.Open()}
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
