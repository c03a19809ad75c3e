package historystoretest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
)

// run is a record of a run of one task.
func runOf(id string, attempt int) historystore.Record {
	r := record(attempt)
	r.TaskID, r.Attempt = id, attempt
	return r
}

func timeline(s *env) {
	var want []historystore.Record
	for i := range 5 { // among those of others, in batches of their own
		r := runOf("task", i+1)
		want = append(want, r)
		s.adds(append(records(300), r)...)
	}
	s.same(s.task("task"), want)
	s.check(len(s.task("tas")) == 0 && len(s.task("task2")) == 0, "another task has its records")
	// One that ended before, of a worker that wrote later.
	late := runOf("task", 0)
	s.adds(late)
	s.same(s.task("task"), append([]historystore.Record{late}, want...))
}

func longTimeline(s *env) {
	const more = 50
	var rs []historystore.Record
	for i := range historystore.MaxTimeline + more {
		rs = append(rs, runOf("task", i+1))
	}
	for part := range slices.Chunk(rs, 100) {
		s.adds(part...)
	}
	s.same(s.task("task"), rs[more:])
}

func twice(s *env) {
	again := runOf("task", 2)
	s.adds(runOf("task", 1), again)
	s.adds(again, runOf("task", 3))
	s.same(s.task("task"), []historystore.Record{runOf("task", 1), again, runOf("task", 3)})
}

func paged(s *env) {
	rs := records(2500)
	for part := range slices.Chunk(rs, 170) {
		s.adds(part...)
	}
	for _, limit := range []int{1000, 33, 2500, 5000} {
		got := ids(s.pages(historystore.Filter{}, limit))
		s.check(slices.Equal(got, newestFirst(rs)), "pages of %d are %d records in another order", limit, len(got))
	}
	page, _, err := s.List(s.ctx, historystore.Filter{}, "", 3)
	s.check(err == nil, "list: %v", err)
	s.same(page, []historystore.Record{rs[2499], rs[2498], rs[2497]})
}

func pagedMeanwhile(s *env) {
	rs := records(600)
	s.adds(rs[:500]...)
	page, next, err := s.List(s.ctx, historystore.Filter{}, "", 100)
	s.check(err == nil && next != "", "list: %q, %v", next, err)
	got := ids(page)
	for i := 500; next != ""; i += 10 {
		s.adds(rs[i : i+10]...)
		page, next, err = s.List(s.ctx, historystore.Filter{}, next, 100)
		s.check(err == nil, "list: %v", err)
		got = append(got, ids(page)...)
	}
	s.check(slices.Equal(got, newestFirst(rs[:500])), "what was there at first is no longer in its order, or what came later is in it: %d records", len(got))
}

// mixed are records of three types on two queues, with two outcomes.
func mixed() []historystore.Record {
	rs := records(1200)
	for i := range rs {
		rs[i].Type = []string{"welcome", "goodbye", "report"}[i%3]
		rs[i].Queue = []string{"mail", "slow"}[i%2]
		if i%5 == 0 {
			rs[i].Outcome, rs[i].Error = driver.Died, "no answer"
		}
	}
	return rs
}

// chooses fails unless a filter finds those of the records that is says.
func (s *env) chooses(rs []historystore.Record, f historystore.Filter, is func(r historystore.Record) bool) {
	s.Helper()
	var want []string
	for _, r := range slices.Backward(rs) {
		if is(r) {
			want = append(want, r.TaskID)
		}
	}
	got := ids(s.pages(f, 50))
	s.check(slices.Equal(got, want), "%+v finds %d records, want %d", f, len(got), len(want))
}

func filtered(s *env) {
	rs := mixed()
	for part := range slices.Chunk(rs, 100) {
		s.adds(part...)
	}
	s.chooses(rs, historystore.Filter{Type: "goodbye"}, func(r historystore.Record) bool { return r.Type == "goodbye" })
	s.chooses(rs, historystore.Filter{Queue: "slow"}, func(r historystore.Record) bool { return r.Queue == "slow" })
	s.chooses(rs, historystore.Filter{Outcome: driver.Died}, func(r historystore.Record) bool { return r.Outcome == driver.Died })
	s.chooses(rs, historystore.Filter{Type: "report", Queue: "mail", Outcome: driver.Completed}, func(r historystore.Record) bool {
		return r.Type == "report" && r.Queue == "mail" && r.Outcome == driver.Completed
	})
}

func filteredByTime(s *env) {
	rs := records(1200)
	for part := range slices.Chunk(rs, 100) {
		s.adds(part...)
	}
	from, to := rs[130].EndedAt, rs[777].EndedAt
	between := func(r historystore.Record) bool { return !r.EndedAt.Before(from) && r.EndedAt.Before(to) }
	s.chooses(rs, historystore.Filter{Since: from, Until: to}, between)
	s.chooses(rs, historystore.Filter{Since: from}, func(r historystore.Record) bool { return !r.EndedAt.Before(from) })
	s.chooses(rs, historystore.Filter{Until: to}, func(r historystore.Record) bool { return r.EndedAt.Before(to) })
	s.chooses(rs, historystore.Filter{Until: start}, func(historystore.Record) bool { return false })
	got := s.stats(historystore.Filter{Since: from, Until: to})
	s.check(len(got) == 1 && got[0].Runs == 777-130, "stats of a time: %+v", got)
}

func cursors(s *env) {
	s.adds(records(10)...)
	for _, cursor := range []string{"x", "1.x", "-1.2", "1.-2", " ", "\x00"} {
		_, _, err := s.List(s.ctx, historystore.Filter{}, cursor, 10)
		s.check(errors.Is(err, historystore.ErrCursor), "a list from %q: %v", cursor, err)
	}
}

func counted(s *env) {
	rs := mixed()
	unrun := record(0)
	unrun.StartedAt, unrun.Outcome, unrun.Type = time.Time{}, driver.Cancelled, "report"
	s.adds(rs...)
	s.adds(unrun)
	want := []string{
		"goodbye 400 map[completed:320 dead:80]",
		"report 400 map[cancelled:1 completed:320 dead:80]",
		"welcome 400 map[completed:320 dead:80]",
	}
	say := func(stats []historystore.TypeStats) (lines []string) {
		for _, t := range stats {
			lines = append(lines, fmt.Sprint(t.Type, " ", t.Runs, " ", t.Outcomes))
		}
		return lines
	}
	got := say(s.stats(historystore.Filter{}))
	s.check(slices.Equal(got, want), "the stats are\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	got = say(s.stats(historystore.Filter{Type: "goodbye", Queue: "slow", Outcome: driver.Died}))
	s.check(slices.Equal(got, []string{"goodbye 40 map[dead:40]"}), "the stats of a filter are %q", got)
}

// near reports whether a duration is another one, within 2 %.
func near(got, want time.Duration) bool { return (got - want).Abs() <= want/50 }

func measured(s *env) {
	const n = 2000
	rs := records(n)
	for i := range rs {
		rs[i].StartedAt = rs[i].EndedAt.Add(-time.Duration(i+1) * 7 * time.Millisecond)
		rs[i].DueAt = rs[i].StartedAt.Add(-time.Duration(i+1) * 11 * time.Microsecond)
		if i >= n/2 { // a retry, whose wait nobody knows
			rs[i].DueAt = time.Time{}
		}
	}
	s.adds(rs...)
	got := s.stats(historystore.Filter{})
	s.check(len(got) == 1 && got[0].Runs == n, "stats: %+v", got)
	is := func(what string, p historystore.Percentiles, n int, unit time.Duration) {
		s.Helper()
		of := func(percent int) time.Duration { return time.Duration(n*percent/100) * unit }
		s.check(near(p.P50, of(50)) && near(p.P95, of(95)) && near(p.P99, of(99)) && p.Max == of(100), "percentiles of %s: %+v", what, p)
	}
	is("runs", got[0].Duration, n, 7*time.Millisecond)
	is("waits", got[0].Wait, n/2, 11*time.Microsecond)

	s.adds(func() historystore.Record {
		r := record(0)
		r.Type, r.StartedAt, r.DueAt = "none", time.Time{}, time.Time{}
		return r
	}())
	got = s.stats(historystore.Filter{Type: "none"})
	none := historystore.Percentiles{}
	s.check(len(got) == 1 && got[0].Runs == 0 && reflect.DeepEqual(got[0].Duration, none) && got[0].Wait == none, "stats without a run: %+v", got)
}
