// Package taskstoretest tests stores of dead tasks against the contract of dlq.TaskStore.
// Each store's tests call Run.
package taskstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Run runs every test of the suite as a subtest, each on an empty store that open makes,
// and removes by tb.Cleanup.
func Run(t *testing.T, open func(tb testing.TB) dlq.TaskStore) {
	for name, test := range map[string]func(*env){
		"tasks that are put can be got":                        getting,
		"pages hold each task once, in the order of put":       listing,
		"a task that is put again takes its own place":         replacing,
		"deleted tasks are gone, and their IDs are returned":   deleting,
		"a swap replaces the task that was read, in its place": swapping,
		"a swap does not touch a later death":                  swappingLater,
		"of concurrent swaps of one death, one succeeds":       contending,
		"a stored task cannot be changed from outside":         copying,
		"concurrent use is safe":                               sharing,

		"a letter that is stored again while it is redriven stays":                    redrivenAnew,
		"a letter that is being redriven is neither redriven nor discarded by others": redrivenAlone,
		"two concurrent redrives run each letter once":                                redrivenTwice,
		"a letter is either redriven, edited or discarded":                            oneOutcome,
		"a letter that its queue refuses stays, unclaimed":                            refused,
		"a redrive that was killed keeps letters for a minute":                        abandoned,
		"a filter does not select a later death of a selected task":                   chosenBefore,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&env{T: t, TaskStore: open(t), ctx: t.Context()})
		})
	}
}

// An env is a store under test.
type env struct {
	*testing.T
	dlq.TaskStore
	ctx context.Context
}

func (s *env) ok(err error, what string) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

func (s *env) check(ok bool, format string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(format, args...)
	}
}

var died = time.Date(2026, 3, 1, 10, 0, 0, 5, time.UTC)

func dead(id string) *runtime.Task {
	t := &runtime.Task{
		ID: id, Type: "mail", Queue: "q-dlq", Payload: []byte(`{"to": "` + id + `"}`), CreatedAt: died.Add(-time.Hour), MaxRetries: 3, RetryCount: 3, Shape: "0123456789ab",
		Metadata: map[string]string{"tenant": "acme"},
	}
	cause := errors.New("no answer")
	driver.RecordAttempt(t, 4, "w", died, time.Second, cause)
	driver.RecordDeath(t, "q", died, cause)
	return t
}

func (s *env) put(ids ...string) {
	s.Helper()
	tasks := make([]*runtime.Task, len(ids))
	for i, id := range ids {
		tasks[i] = dead(id)
	}
	s.ok(s.Put(s.ctx, tasks), "put")
}

// ids lists all IDs, in pages of the given size.
func (s *env) ids(page int) (ids []string) {
	s.Helper()
	for cursor := ""; ; {
		tasks, next, err := s.List(s.ctx, cursor, page)
		s.ok(err, "list")
		s.check(len(tasks) <= page, "a page of %d has %d tasks", page, len(tasks))
		s.check(next == "" || len(tasks) == page, "a page of %d that is not the last has %d tasks", page, len(tasks))
		for _, t := range tasks {
			ids = append(ids, t.ID)
		}
		if cursor = next; cursor == "" {
			return ids
		}
	}
}

func getting(s *env) {
	s.put("a", "b")
	got, err := s.Get(s.ctx, "b")
	s.ok(err, "get")
	want, have := driver.AppendEnvelope(nil, dead("b")), driver.AppendEnvelope(nil, got)
	s.check(string(want) == string(have), "got %s, want %s", have, want)
	_, err = s.Get(s.ctx, "c")
	s.check(errors.Is(err, runtime.ErrTaskNotFound), "get of what is not there: %v", err)
	s.ok(s.Put(s.ctx, nil), "put of nothing")
}

func listing(s *env) {
	s.check(len(s.ids(3)) == 0, "an empty store lists something")
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint("t", (i*7)%20))
	}
	s.put(want[:11]...)
	s.put(want[11:]...)
	for _, page := range []int{1, 3, 10, 19, 20, 21} {
		got := s.ids(page)
		s.check(slices.Equal(got, want), "in pages of %d: %q, want %q", page, got, want)
	}
	_, _, err := s.List(s.ctx, "nonsense", 10)
	s.check(err != nil, "a cursor that is none is taken")
}

func replacing(s *env) {
	s.put("a", "b", "c")
	again := dead("a")
	again.Metadata[driver.MetaRedriveCount] = "1"
	s.ok(s.Put(s.ctx, []*runtime.Task{again}), "put")
	got := s.ids(10)
	s.check(slices.Equal(got, []string{"b", "c", "a"}), "listed %q", got)
	t, err := s.Get(s.ctx, "a")
	s.ok(err, "get")
	s.check(t.Metadata[driver.MetaRedriveCount] == "1", "the older task is kept")
	for range 200 {
		s.put("b", "c")
	}
	got = s.ids(2)
	s.check(slices.Equal(got, []string{"a", "b", "c"}), "listed %q", got)
}

func deleting(s *env) {
	s.put("a", "b", "c", "d")
	gone, err := s.Delete(s.ctx, []string{"c", "nobody", "a"})
	s.ok(err, "delete")
	slices.Sort(gone)
	s.check(slices.Equal(gone, []string{"a", "c"}), "deleted %q", gone)
	got := s.ids(1)
	s.check(slices.Equal(got, []string{"b", "d"}), "left are %q", got)
	_, err = s.Get(s.ctx, "a")
	s.check(errors.Is(err, runtime.ErrTaskNotFound), "get of what was deleted: %v", err)
	gone, err = s.Delete(s.ctx, nil)
	s.check(err == nil && len(gone) == 0, "delete of nothing: %q, %v", gone, err)
}

func deathsOf(ids ...string) []driver.Death {
	deaths := make([]driver.Death, len(ids))
	for i, id := range ids {
		deaths[i] = driver.DeathOf(dead(id))
	}
	return deaths
}

// again is a task that was redriven and died again.
func again(id string) *runtime.Task {
	t := dead(id)
	t.Metadata[driver.MetaRedriveCount] = "1"
	return t
}

func (s *env) swap(was []driver.Death, with []*runtime.Task, want ...driver.Death) {
	s.Helper()
	got, err := s.Swap(s.ctx, was, with)
	s.ok(err, "swap")
	s.check(slices.Equal(got, want), "swapped %v, want %v", got, want)
}

func swapping(s *env) {
	s.put("a", "b", "c", "d")
	was := deathsOf("b", "nobody", "c")
	s.swap(was, []*runtime.Task{again("b"), again("nobody"), nil}, was[0], was[2])
	got := s.ids(2)
	s.check(slices.Equal(got, []string{"a", "b", "d"}), "listed %q", got)
	t, err := s.Get(s.ctx, "b")
	s.ok(err, "get")
	s.check(string(driver.AppendEnvelope(nil, t)) == string(driver.AppendEnvelope(nil, again("b"))), "it is %v", t.Metadata)
	_, err = s.Get(s.ctx, "c")
	s.check(errors.Is(err, runtime.ErrTaskNotFound), "get of what was swapped away: %v", err)
	s.swap(nil, nil)
	many := make([]string, 250)
	for i := range many {
		many[i] = fmt.Sprint("m", i)
	}
	s.put(many...)
	was = deathsOf(many...)
	s.swap(was, make([]*runtime.Task, len(was)), was...)
	got = s.ids(100)
	s.check(slices.Equal(got, []string{"a", "b", "d"}), "left are %q", got)
}

func swappingLater(s *env) {
	s.put("a", "b")
	s.ok(s.Put(s.ctx, []*runtime.Task{again("a")}), "put")
	s.swap(deathsOf("a", "b"), make([]*runtime.Task, 2), deathsOf("b")...)
	s.swap(deathsOf("a"), []*runtime.Task{dead("a")})
	t, err := s.Get(s.ctx, "a")
	s.ok(err, "get")
	s.check(t.Metadata[driver.MetaRedriveCount] == "1", "a later death was swapped: %v", t.Metadata)
}

func contending(s *env) {
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = fmt.Sprint("t", i)
	}
	s.put(ids...)
	var mu sync.Mutex
	var wg sync.WaitGroup
	times := make(map[string]int)
	for g := range 6 {
		wg.Go(func() {
			for i, d := range deathsOf(ids...) {
				var with *runtime.Task
				if (g+i)%2 == 0 {
					with = dead(d.ID)
					with.Metadata[driver.MetaClaimed] = fmt.Sprint("by ", g)
				}
				done, err := s.Swap(s.ctx, []driver.Death{d}, []*runtime.Task{with})
				if err != nil {
					s.Errorf("swap: %v", err)
				}
				mu.Lock()
				times[d.ID] += len(done)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		s.check(times[id] == 1, "%s was swapped %d times", id, times[id])
	}
}

func copying(s *env) {
	t := dead("a")
	s.ok(s.Put(s.ctx, []*runtime.Task{t}), "put")
	t.Metadata["tenant"], t.Payload[0] = "x", 'x'
	for range 2 {
		got, err := s.Get(s.ctx, "a")
		s.ok(err, "get")
		s.check(string(driver.AppendEnvelope(nil, got)) == string(driver.AppendEnvelope(nil, dead("a"))), "it was changed from outside: %s", got.Payload)
		got.Metadata["tenant"], got.Payload[0] = "x", 'x'
	}
}

func sharing(s *env) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25 {
				id := fmt.Sprintf("t%d-%d", g, i)
				if err := s.Put(s.ctx, []*runtime.Task{dead(id)}); err != nil {
					s.Errorf("put: %v", err)
				}
				if i%2 == 0 {
					continue
				}
				if gone, err := s.Delete(s.ctx, []string{id}); err != nil || len(gone) != 1 {
					s.Errorf("delete of %s: %q, %v", id, gone, err)
				}
			}
		})
	}
	wg.Wait()
	got := s.ids(7)
	s.check(len(got) == 4*13, "%d tasks are left, want 52", len(got))
}
