package historystoretest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mutants are stores with one fault each, by the test of the suite that must find it.
var mutants = map[string]map[string]*faulty{
	"a record is kept as it was added": {
		"it forgets the error":            each(func(r *rec) { r.Error = "" }),
		"it forgets the trace":            each(func(r *rec) { r.TraceID = "" }),
		"it keeps milliseconds":           each(func(r *rec) { r.EndedAt = truncated(r.EndedAt) }),
		"nothing starts before it is due": each(func(r *rec) { r.EnqueuedAt = r.DueAt }),
		"a run that never began has begun": each(func(r *rec) {
			if r.StartedAt.IsZero() {
				r.StartedAt = r.EndedAt
			}
		}),
	},
	"an empty history is no error": {
		"a task without records has one": timelines(func(records []rec) []rec { return append(records, record(0)) }),
		"a filter of nothing finds all":  lists(func(f *filter) { f.Type = "" }, nil),
	},
	"a task has all its records, the oldest first": {
		"the newest come first": timelines(func(records []rec) []rec {
			slices.Reverse(records)
			return records
		}),
		"there is one": timelines(func(records []rec) []rec { return records[:min(len(records), 1)] }),
		"they come as they were added": {task: func(s *faulty, id string, _ []rec) (all []rec) {
			for _, batch := range s.added {
				for _, r := range batch {
					if r.TaskID == id {
						all = append(all, r)
					}
				}
			}
			return all
		}},
		"IDs that begin alike are alike": {task: func(s *faulty, id string, _ []rec) (all []rec) {
			for _, batch := range s.added {
				for _, r := range batch {
					if strings.HasPrefix(r.TaskID, id) {
						all = append(all, r)
					}
				}
			}
			slices.SortStableFunc(all, func(a, b rec) int { return a.EndedAt.Compare(b.EndedAt) })
			return all
		}},
	},
	"of a long history of a task the newest come": {
		"the oldest come": {task: func(s *faulty, _ string, _ []rec) []rec { return slices.Concat(s.added...)[:historystore.MaxTimeline] }},
		"all come":        {task: func(s *faulty, _ string, _ []rec) []rec { return slices.Concat(s.added...) }},
	},
	"a record that is kept twice comes once to a task": {
		"it comes twice": {task: func(s *faulty, _ string, _ []rec) []rec { return slices.Concat(s.added...) }},
		"one of them is lost": timelines(func(records []rec) []rec {
			return slices.DeleteFunc(records, func(r rec) bool { return r.Attempt == 2 })
		}),
	},
	"what was added last comes first, page by page": {
		"the oldest of a batch comes first": batches(func(_ *faulty, records []rec) []rec {
			turned := slices.Clone(records)
			slices.Reverse(turned)
			return turned
		}),
		"there is one page": {list: func(s *faulty, f filter, cursor string, limit int) ([]rec, string, error) {
			page, _, err := s.page(f, cursor, limit)
			return page, "", err
		}},
		"a page begins with the last of the one before": {list: func(s *faulty, f filter, cursor string, limit int) ([]rec, string, error) {
			page, next, err := s.page(f, cursor, limit)
			if n := len(page); n > 1 {
				s.kept, page = page[n-1:], append(s.kept, page[:n-1]...)
			}
			return page, next, err
		}},
		"a page is longer than asked for": {list: func(s *faulty, f filter, cursor string, limit int) ([]rec, string, error) {
			return s.page(f, cursor, limit+1)
		}},
	},
	"pages hold still while records are added": {
		"a cursor counts from the newest": {list: func(s *faulty, f filter, cursor string, limit int) ([]rec, string, error) {
			all, _, err := s.page(f, "", 100_000)
			from := min(len(cursor), len(all)) // a cursor is so many letters
			to := min(from+limit, len(all))
			if to == len(all) {
				return all[from:to], "", err
			}
			return all[from:to], strings.Repeat("x", to), err
		}},
	},
	"a filter chooses": {
		"it passes over the type":    lists(func(f *filter) { f.Type = "" }, nil),
		"it passes over the queue":   lists(func(f *filter) { f.Queue = "" }, nil),
		"it passes over the outcome": lists(func(f *filter) { f.Outcome = "" }, nil),
	},
	"a filter chooses by time": {
		"it passes over since": lists(func(f *filter) { f.Since = time.Time{} }, nil),
		"it passes over until": lists(func(f *filter) { f.Until = time.Time{} }, nil),
		"until is included": lists(func(f *filter) {
			if !f.Until.IsZero() {
				f.Until = f.Until.Add(time.Microsecond)
			}
		}, nil),
		"since is left out": lists(func(f *filter) {
			if !f.Since.IsZero() {
				f.Since = f.Since.Add(time.Microsecond)
			}
		}, nil),
		"stats pass over it": counts(func(f *filter) { f.Since = time.Time{} }, nil),
	},
	"a cursor of nobody is refused": {
		"it is that of the first page": {list: func(s *faulty, f filter, _ string, limit int) ([]rec, string, error) { return s.page(f, "", limit) }},
	},
	"stats count outcomes by type": {
		"they leave the dead out":       counts(nil, func(t *historystore.TypeStats) { delete(t.Outcomes, driver.Died) }),
		"what never ran has run":        counts(nil, func(t *historystore.TypeStats) { t.Runs += t.Outcomes[driver.Cancelled] }),
		"they pass over the filter":     counts(func(f *filter) { *f = filter{} }, nil),
		"they pass over the queue":      counts(func(f *filter) { f.Queue = "" }, nil),
		"they come in no special order": {stats: func(s *faulty, f filter) []historystore.TypeStats { all := s.sum(f); slices.Reverse(all); return all }},
	},
	"stats measure runs and waits": {
		"they are rough":                     counts(nil, func(t *historystore.TypeStats) { t.Duration.P95 += t.Duration.P95 / 20 }),
		"the longest is left out":            counts(nil, func(t *historystore.TypeStats) { t.Duration.Max = t.Duration.P99 }),
		"waits are those of all runs":        each(func(r *rec) { r.DueAt = r.StartedAt.Add(-time.Millisecond) }),
		"waits and runs are the same":        counts(nil, func(t *historystore.TypeStats) { t.Wait = t.Duration }),
		"the median is the mean of extremes": counts(nil, func(t *historystore.TypeStats) { t.Wait.P50 = (t.Wait.Max + time.Second) / 2 }),
	},
	"a record lives for its age": {
		"it lives for ever":  limits(func(_ *faulty, keep *historystore.Limits) { keep.Age = time.Hour }),
		"it lives too short": limits(func(_ *faulty, keep *historystore.Limits) { keep.Age = 0 }),
		"its task remembers": {task: func(s *faulty, _ string, _ []rec) []rec { return slices.Concat(s.added...) }},
	},
	"what is added later lives longer": {
		"all live as long as the last": limits(func(_ *faulty, keep *historystore.Limits) { keep.Age = 2 * short }),
		"all go with the first": {list: func(s *faulty, f filter, cursor string, limit int) ([]rec, string, error) {
			page, next, err := s.page(f, cursor, limit)
			if len(page) < len(s.added) {
				page = nil
			}
			return page, next, err
		}},
	},
	"the oldest make room for the newest": {
		"nothing goes": limits(func(_ *faulty, keep *historystore.Limits) { keep.Bytes = 1 << 40 }),
		"the newest goes": batches(func(s *faulty, records []rec) []rec {
			if s.before("batches") > 10 {
				return nil
			}
			return records
		}),
		"too much goes": limits(func(_ *faulty, keep *historystore.Limits) { keep.Bytes /= 10 }),
		"without room nothing is kept": {add: func(_ *faulty, records []rec, keep historystore.Limits) ([]rec, historystore.Limits) {
			if keep.Bytes == 1 {
				records = nil
			}
			return records, keep
		}},
	},
	"one batch may be large": {
		"1,024 are enough": batches(func(_ *faulty, records []rec) []rec { return records[:min(len(records), 1024)] }),
		"errors are cut":   each(func(r *rec) { r.Error = r.Error[:min(len(r.Error), 500)] }),
	},
	"IDs, names and errors may be any": {
		"IDs are cut at a NUL":    each(func(r *rec) { r.TaskID, _, _ = strings.Cut(r.TaskID, "\x00") }),
		"they are made UTF-8":     each(func(r *rec) { r.Error = strings.ToValidUTF8(r.Error, "?") }),
		"UUIDs are written small": each(func(r *rec) { r.TaskID = strings.ToLower(r.TaskID) }),
	},
	"many processes at once": {
		"a batch is lost": batches(func(s *faulty, records []rec) []rec {
			if len(s.added) == 7 {
				return records[len(records)-1:]
			}
			return records
		}),
		"a batch is kept twice": batches(func(s *faulty, records []rec) []rec {
			if len(s.added) == 7 {
				return append(slices.Clone(records), records...)
			}
			return records
		}),
	},
	"what is passed and what is returned is its owner's": {
		"it returns its own": {task: func(s *faulty, _ string, records []rec) []rec {
			if s.kept == nil {
				s.kept = records
			}
			return s.kept
		}},
		"it keeps what it is passed": {task: func(s *faulty, _ string, _ []rec) []rec { return s.added[0] }},
	},
}

func TestTheSuiteFindsEachFault(t *testing.T) {
	for name, test := range tests {
		assert.NotEmpty(t, mutants[name], "no fault that %q finds", name)
		for fault, s := range mutants[name] {
			t.Run(name+"/"+fault, func(t *testing.T) {
				r := recorder.Run(t, func(tb testing.TB) {
					clock := tasktest.NewClock(time.Now())
					s.seen = make(map[string]int)
					s.Store = memory.NewHistory(memory.WithClock(clock))
					run(tb, Place{Open: func() historystore.Store { return s }, Pass: clock.Advance}, test)
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
		s := &faulty{Store: memory.NewHistory(memory.WithClock(clock))}
		return Place{Open: func() historystore.Store { return s }, Pass: clock.Advance}
	})
}
