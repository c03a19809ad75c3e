// Package historystoretest holds stores of histories to what historystore.Store promises.
// Each store's tests call Run.
package historystoretest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
)

// A Place is the environment of one test.
type Place struct {
	// Open opens the store of the place: as often as there are processes to play. Where
	// a store lives in one process it returns one and the same.
	Open func() historystore.Store
	// Pass lets time go by on the store's clock.
	Pass func(d time.Duration)
}

// soon bounds every wait for something that happens at once.
const soon = time.Minute

// tests are the tests of the suite, by their names.
var tests = map[string]func(*env){
	"a record is kept as it was added":                   kept,
	"an empty history is no error":                       empty,
	"a task has all its records, the oldest first":       timeline,
	"of a long history of a task the newest come":        longTimeline,
	"a record that is kept twice comes once to a task":   twice,
	"what was added last comes first, page by page":      paged,
	"pages hold still while records are added":           pagedMeanwhile,
	"a filter chooses":                                   filtered,
	"a filter chooses by time":                           filteredByTime,
	"a cursor of nobody is refused":                      cursors,
	"stats count outcomes by type":                       counted,
	"stats measure runs and waits":                       measured,
	"a record lives for its age":                         aged,
	"what is added later lives longer":                   outlived,
	"the oldest make room for the newest":                bounded,
	"one batch may be large":                             large,
	"IDs, names and errors may be any":                   odd,
	"many processes at once":                             crowd,
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
	historystore.Store
	Place
	ctx context.Context
}

// all keeps everything that a test adds.
var all = historystore.Limits{Age: time.Hour, Bytes: 64 << 20}

func (s *env) check(ok bool, format string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(format, args...)
	}
}

func (s *env) adds(records ...historystore.Record) {
	s.Helper()
	err := s.Add(s.ctx, records, all)
	s.check(err == nil, "add %d records: %v", len(records), err)
}

func (s *env) task(id string) []historystore.Record {
	s.Helper()
	records, err := s.Task(s.ctx, id)
	s.check(err == nil, "the history of task %q: %v", id, err)
	return records
}

// pages reads all pages of a list, and fails if one of them is too long.
func (s *env) pages(f historystore.Filter, limit int) (records []historystore.Record) {
	s.Helper()
	for cursor := ""; ; {
		page, next, err := s.List(s.ctx, f, cursor, limit)
		s.check(err == nil, "list from %q: %v", cursor, err)
		s.check(len(page) <= limit, "a page of %d has %d records", limit, len(page))
		records = append(records, page...)
		if next == "" {
			return records
		}
		s.check(next != cursor, "the page behind %q is %q", cursor, next)
		cursor = next
	}
}

func (s *env) stats(f historystore.Filter) []historystore.TypeStats {
	s.Helper()
	stats, err := s.Stats(s.ctx, f)
	s.check(err == nil, "stats: %v", err)
	return stats
}

// start is when the first record of a test ends. It is not that of any store's clock.
var start = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// record is the i-th of a test, of another task.
func record(i int) historystore.Record {
	end := start.Add(time.Duration(i) * time.Second)
	return historystore.Record{
		TaskID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012x", i), Type: "welcome", Queue: "mail", Worker: "mailer-1", Outcome: driver.Completed,
		EnqueuedAt: end.Add(-3 * time.Second), DueAt: end.Add(-2 * time.Second), StartedAt: end.Add(-time.Second), EndedAt: end, Attempt: 1,
	}
}

func records(n int) []historystore.Record {
	rs := make([]historystore.Record, n)
	for i := range rs {
		rs[i] = record(i)
	}
	return rs
}

// ids are the task IDs of records.
func ids(rs []historystore.Record) []string {
	all := make([]string, len(rs))
	for i := range rs {
		all[i] = rs[i].TaskID
	}
	return all
}

// newestFirst are the IDs as List returns them.
func newestFirst(rs []historystore.Record) []string {
	all := ids(rs)
	slices.Reverse(all)
	return all
}

func (s *env) same(got, want []historystore.Record) {
	s.Helper()
	s.check(len(got) == len(want), "there are %d records, want %d", len(got), len(want))
	for i := range got {
		s.check(reflect.DeepEqual(got[i], want[i]), "record %d is\n%+v, and was\n%+v", i, got[i], want[i])
	}
}

// every has each field set.
func every() historystore.Record {
	r := record(0)
	r.Attempt, r.Crashes, r.Outcome, r.Error, r.TraceID = 3, 2, driver.Retried, "no answer", "4bf92f3577b34da6a3ce929d0e0e4736"
	return r
}

func kept(s *env) {
	unrun := record(1)
	unrun.StartedAt, unrun.DueAt, unrun.Attempt, unrun.Outcome = time.Time{}, time.Time{}, 0, driver.Cancelled
	early := record(2)
	early.EnqueuedAt = early.EndedAt.Add(time.Minute) // by another clock
	for _, r := range []historystore.Record{every(), unrun, early} {
		s.adds(r)
		s.same(s.task(r.TaskID), []historystore.Record{r})
	}
	other, err := s.Open().Task(s.ctx, every().TaskID)
	s.check(err == nil, "another process: %v", err)
	s.same(other, []historystore.Record{every()})
	s.same(s.pages(historystore.Filter{}, 10), []historystore.Record{early, unrun, every()})
	// Times are kept in microseconds, and are those of the same moment.
	fine := record(3)
	fine.EndedAt = fine.EndedAt.In(time.FixedZone("", 3600)).Add(7)
	s.adds(fine)
	s.same(s.task(fine.TaskID), []historystore.Record{record(3)})
}

func empty(s *env) {
	look := func() {
		s.check(len(s.task("nobody")) == 0, "a task without records has some")
		s.check(len(s.stats(historystore.Filter{})) == 0, "there are stats of nothing")
		s.check(len(s.pages(historystore.Filter{}, 10)) == 0, "the list is not empty")
	}
	look()
	s.adds()
	look()
	s.adds(record(0))
	s.check(len(s.task("nobody")) == 0, "a task without records has some")
	s.check(len(s.pages(historystore.Filter{Type: "nothing"}, 10)) == 0, "there are records of nothing")
}

func crowd(s *env) {
	const n, batches, each = 8, 5, 40
	stores := []historystore.Store{s.Store, s.Open()}
	errs := make(chan error, n)
	for i := range n {
		go func() {
			errs <- func() error {
				for b := range batches {
					rs := records(each)
					for k := range rs {
						rs[k].Worker, rs[k].TaskID = fmt.Sprint("w", i), fmt.Sprintf("%d-%d-%d", i, b, k)
					}
					if err := stores[i%2].Add(s.ctx, rs, all); err != nil {
						return err
					}
					if got, err := stores[1-i%2].Task(s.ctx, rs[each-1].TaskID); err != nil || len(got) != 1 {
						return fmt.Errorf("task %s has %+v, %w", rs[each-1].TaskID, got, err)
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
	got := ids(s.pages(historystore.Filter{}, 33))
	s.check(len(got) == n*batches*each, "there are %d records, want %d", len(got), n*batches*each)
	slices.Sort(got)
	s.check(len(slices.Compact(got)) == n*batches*each, "records are there twice")
}

func owned(s *env) {
	rs := []historystore.Record{every()}
	s.adds(rs...)
	rs[0].TaskID = "X"
	for range 2 {
		got := s.task(every().TaskID)
		s.same(got, []historystore.Record{every()})
		got[0].Error = "X"
		listed := s.pages(historystore.Filter{}, 10)
		s.same(listed, []historystore.Record{every()})
		listed[0].Error = "X"
		stats := s.stats(historystore.Filter{})
		s.check(stats[0].Outcomes[driver.Retried] == 1, "stats: %+v", stats)
		stats[0].Outcomes[driver.Retried] = 7
	}
}
