// Package jobstoretest tests stores of jobs against the contract of jobstore.Store. Each
// store's tests call Run.
package jobstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// A Place is the environment of one test.
type Place struct {
	// Open opens the store of the place, once for each simulated process. A store that
	// lives in one process is always the same.
	Open func() jobstore.Store
	// Now is the time on the store's clock, and Pass lets time pass on it.
	Now  func() time.Time
	Pass func(d time.Duration)
}

// lease ends soon.
const lease = time.Second

// Run runs every test of the suite as a subtest, each in its own place, which make makes,
// and removes by tb.Cleanup.
func Run(t *testing.T, make func(tb testing.TB) Place) {
	for name, test := range map[string]func(*env){
		"entries that are put can be got and listed":         putGetList,
		"a put of an old version changes nothing":            conflicts,
		"an entry may change its owner":                      owners,
		"due entries are claimed by one, most overdue first": claims,
		"a lease that ends frees its entries":                leaseEnds,
		"an earlier holder of an entry is refused":           fencing,
		"settling answers for each entry":                    settles,
		"an entry without a time is never claimed":           sleeping,
		"entries are removed when their time is over":        forgets,
		"notes follow the newest firing":                     notes,
		"Claim returns how long nothing will be due":         waits,
		"any date keeps its place in the order":              dates,
		"a put wakes a waiting scheduler":                    wakes,
		"concurrent claims share the entries":                shares,
		"a change of a leased entry leaves it leased":        touches,
		"the store returns the time that it uses":            clocks,
		"only what the caller can fire is claimed":           needs,
		"of many needs the most overdue come first":          manyNeeds,
		"a put wakes a scheduler that can fire it":           wakesWhoCan,
		"an entry that cannot be read does not block others": unreadable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := make(t)
			test(&env{T: t, Place: p, Store: p.Open()})
		})
	}
}

// all can fire everything.
func all(jobstore.Needs) bool { return true }

// only can fire the jobs of one queue.
func only(queue string) func(jobstore.Needs) bool {
	return func(n jobstore.Needs) bool { return n.Queue == queue }
}

// An env is a store under test.
type env struct {
	*testing.T
	jobstore.Store
	Place
}

var ctx = context.Background()

// Now is the time on the store's clock, as its place has it.
func (s *env) Now() time.Time { return s.Place.Now() }

func (s *env) check(ok bool, format string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(format, args...)
	}
}

func (s *env) ok(err error) {
	s.Helper()
	s.check(err == nil, "unexpected error: %v", err)
}

func (s *env) is(err, want error) {
	s.Helper()
	s.check(errors.Is(err, want), "the error is %v, want %v", err, want)
}

func (s *env) entry(id string, wake time.Time) *jobstore.Entry {
	now := s.Now().UTC()
	return &jobstore.Entry{
		ID: jobstore.JobID(id), Wake: wake,
		Body: jobstore.Body{
			Seed: "seed", Handed: &jobstore.Handover{To: "b", Next: now, State: jobstore.Enqueued},
			When: schedule.Cron("0 6 * * *", "Europe/Berlin"), Overlap: jobstore.AllowOverlap, Missed: jobstore.FireAll, MaxMissed: 7,
			Jitter: time.Minute, State: jobstore.Scheduled, Next: wake, Was: now, CreatedAt: now, UpdatedAt: now, Fired: 3, Skipped: 2,
			Last: jobstore.Run{TaskID: "last", Due: now, State: jobstore.Enqueued}, Error: "it’s full", Failures: 1,
			Task: &runtime.Task{ID: id, Type: "report", Queue: "q", Payload: []byte(`{"text":"ü\u0000"}`), CreatedAt: now, Shape: "0123456789ab", Metadata: map[string]string{"k": "v"}},
		},
	}
}

func (s *env) put(id string, wake time.Time) *jobstore.Entry {
	s.Helper()
	e := s.entry(id, wake)
	s.ok(s.Put(ctx, e))
	return e
}

func (s *env) claim(limit int) []*jobstore.Entry {
	s.Helper()
	return s.claimOn(s.Store, limit)
}

func (s *env) claimOn(st jobstore.Store, limit int) []*jobstore.Entry {
	s.Helper()
	es, _, _, err := st.Claim(ctx, all, limit, lease)
	if err != nil {
		s.Errorf("claim: %v", err)
	}
	return es
}

func names(es []*jobstore.Entry) []string {
	all := make([]string, len(es))
	for i, e := range es {
		all[i] = string(e.ID)
	}
	return all
}

func (s *env) same(got, want *jobstore.Entry) {
	s.Helper()
	a, err := got.MarshalJSON()
	s.ok(err)
	b, err := want.MarshalJSON()
	s.ok(err)
	s.check(string(a) == string(b), "body\n%s\nwant\n%s", a, b)
	s.check(got.ID == want.ID && got.Owner == want.Owner && got.Version == want.Version, "got %s %q %d, want %s %q %d", got.ID, got.Owner, got.Version, want.ID, want.Owner, want.Version)
	s.check(near(got.Wake, want.Wake) && near(got.Forget, want.Forget), "wake %s forget %s, want %s and %s", got.Wake, got.Forget, want.Wake, want.Forget)
}

// near allows for the rounding of a store's times.
func near(got, want time.Time) bool {
	return got.IsZero() == want.IsZero() && !got.Before(want) && got.Sub(want) <= time.Millisecond
}

func putGetList(s *env) {
	late := s.Now().Add(time.Hour)
	a := s.entry("a", late)
	a.Owner = "somebody"
	s.ok(s.Put(ctx, a))
	s.check(a.Version == 1, "the first version is %d", a.Version)
	b, c := s.put("b", late), s.put("c", time.Time{})
	other := s.Open()
	for _, want := range []*jobstore.Entry{a, b, c} {
		got, err := other.Get(ctx, want.ID)
		s.ok(err)
		s.same(got, want)
	}
	_, err := s.Get(ctx, "d")
	s.is(err, jobstore.ErrJobNotFound)
	for _, want := range []struct {
		owner, after string
		limit        int
		ids          []string
	}{
		{"", "", 10, []string{"a", "b", "c"}},
		{"", "", 2, []string{"a", "b"}},
		{"", "a", 2, []string{"b", "c"}},
		{"", "c", 2, []string{}},
		{"somebody", "", 2, []string{"a"}},
		{"nobody", "", 2, []string{}},
	} {
		page, err := other.List(ctx, want.owner, jobstore.JobID(want.after), want.limit)
		s.ok(err)
		s.check(slices.Equal(names(page), want.ids), "list of %q after %q, %d at most: %v, want %v", want.owner, want.after, want.limit, names(page), want.ids)
	}
	page, err := s.List(ctx, "", "", 1)
	s.ok(err)
	s.same(page[0], a)
}

func owners(s *env) {
	e := s.entry("a", s.Now().Add(time.Hour))
	e.Owner = "first"
	s.ok(s.Put(ctx, e))
	for _, owner := range []string{"second", "", "second"} {
		former := e.Owner
		e.Owner = owner
		s.ok(s.Put(ctx, e))
		page, err := s.Open().List(ctx, former, "", 10)
		s.ok(err)
		s.check(len(page) == 0 || former == "", "%q owns %v still", former, names(page))
		page, err = s.Open().List(ctx, owner, "", 10)
		s.ok(err)
		s.check(slices.Equal(names(page), []string{"a"}), "%q owns %v, not a", owner, names(page))
	}
	got, err := s.Get(ctx, "a")
	s.ok(err)
	s.same(got, e)
}

func conflicts(s *env) {
	e := s.put("a", time.Time{})
	s.is(s.Put(ctx, s.entry("a", time.Time{})), jobstore.ErrJobExists)
	old := e.Clone()
	e.Fired = 100
	s.ok(s.Put(ctx, e))
	old.Fired = 200
	s.is(s.Put(ctx, old), jobstore.ErrConflict)
	got, err := s.Get(ctx, "a")
	s.ok(err)
	s.same(got, e)
	gone := s.entry("b", time.Time{})
	gone.Version = 3
	s.is(s.Put(ctx, gone), jobstore.ErrJobNotFound)
}

func settles(s *env) {
	for _, id := range []string{"a", "b", "c"} {
		s.put(id, s.Now().Add(-time.Second))
	}
	es := s.claim(3)
	now := s.Now()
	changed, err := s.Get(ctx, es[1].ID)
	s.ok(err)
	changed.Leased = time.Time{}
	s.ok(s.Put(ctx, changed))
	for _, e := range es {
		e.Wake, e.Leased = now.Add(-time.Second), time.Time{} // due again at once
	}
	gone := s.entry("gone", time.Time{})
	gone.Version = 9
	err = s.Settle(ctx, append(es, gone))
	s.ok(runtime.ErrorAt(err, 0))
	s.is(runtime.ErrorAt(err, 1), jobstore.ErrConflict)
	s.ok(runtime.ErrorAt(err, 2))
	s.is(runtime.ErrorAt(err, 3), jobstore.ErrJobNotFound)
	s.check(len(s.claim(3)) == 3, "two were settled as due, and the changed one is too")
}

func forgets(s *env) {
	now := s.Now()
	e := s.entry("a", time.Time{})
	e.Forget = now.Add(lease)
	s.ok(s.Put(ctx, e))
	s.check(len(s.claim(1)) == 0, "it is never due")
	got, err := s.Get(ctx, "a")
	s.ok(err)
	s.same(got, e)
	s.Pass(lease + time.Millisecond)
	s.check(len(s.claim(1)) == 0, "it is never due")
	_, err = s.Get(ctx, "a")
	s.is(err, jobstore.ErrJobNotFound)
	s.put("a", time.Time{})
}

func notes(s *env) {
	now := s.Now().UTC().Truncate(time.Millisecond)
	e := s.put("a", now.Add(-time.Second))
	run := jobstore.Run{TaskID: "t2", Due: now, State: jobstore.Running, Attempts: 2, Error: "boom", Worker: "w", Started: now, Progress: driver.ProgressReport{Done: 1, Total: 2, Note: "n"}}
	noted := func() jobstore.Run {
		s.Helper()
		got, err := s.Open().Get(ctx, "a")
		s.ok(err)
		return got.Noted
	}
	s.ok(s.Note(ctx, "a", run))
	s.check(fmt.Sprint(noted()) == fmt.Sprint(run), "noted %+v, want %+v", noted(), run)
	before := run
	before.Due, before.TaskID = now.Add(-time.Minute), "t1"
	s.ok(s.Note(ctx, "a", before))
	s.check(noted().TaskID == "t2", "an earlier firing took the place of a later one")
	run.State = jobstore.Succeeded
	s.ok(s.Note(ctx, "a", run))
	s.check(noted().State == jobstore.Succeeded, "the same firing is told anew")
	s.ok(s.Put(ctx, e)) // with the version from before the notes
	s.check(noted().State == jobstore.Succeeded, "a put keeps what was noted")
	s.check(s.claim(1)[0].Noted.State == jobstore.Succeeded, "whoever claims it knows")
	s.ok(s.Note(ctx, "nobody", run))
}

// dates puts entries with all times that a job may have: those in the far future are not
// due, and those in the far past are.
func dates(s *env) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	late := []time.Time{ // the first alarm is a new one each time
		last, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2554, 7, 22, 0, 0, 0, 0, time.UTC), s.Now().Add(1<<63 - 1),
		time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC), time.Date(2262, 4, 11, 23, 47, 16, 0, time.UTC), // Unix nanoseconds end
	}
	for i, at := range late {
		e := s.put(fmt.Sprint("late-", i), at)
		got, err := s.Open().Get(ctx, e.ID)
		s.ok(err)
		a, err := got.MarshalJSON()
		s.ok(err)
		b, err := e.MarshalJSON()
		s.ok(err)
		s.check(string(a) == string(b), "body\n%s\nwant\n%s", a, b)
		s.check(got.Wake.Year() >= 2262, "it wakes at %s, want %s", got.Wake, at)
		es, _, wait, err := s.Claim(ctx, all, 10, lease)
		s.ok(err)
		s.check(len(es) == 0, "%s is due", at)
		s.check(wait > 100*365*24*time.Hour, "it is %s to %s", wait, at)
	}
	ended := s.entry("ended", time.Time{})
	ended.Forget = last
	s.ok(s.Put(ctx, ended))
	early := []time.Time{
		time.Time{}.Add(1), time.Date(1200, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1677, 9, 21, 0, 0, 0, 0, time.UTC),
		time.Unix(-1, 0), time.Unix(0, 0), time.Unix(0, 1),
	}
	for i, at := range early {
		s.put(fmt.Sprint("early-", i), at)
		es := s.claim(10)
		s.check(len(es) == 1 && es[0].Next.Equal(at), "claimed %v, and %s is due", names(es), at)
		es[0].Wake, es[0].Leased = time.Time{}, time.Time{}
		s.ok(s.Settle(ctx, es))
	}
	_, err := s.Get(ctx, "ended")
	s.ok(err)
	run := func(due time.Time) jobstore.Run { return jobstore.Run{TaskID: due.String(), Due: due} }
	for _, at := range []time.Time{s.Now(), last} {
		s.ok(s.Note(ctx, "late-0", run(at)))
		s.ok(s.Note(ctx, "late-0", run(early[0]))) // of a firing before
		got, err := s.Get(ctx, "late-0")
		s.ok(err)
		s.check(got.Noted.Due.Equal(at), "the note is of %s, want %s", got.Noted.Due, at)
	}
}

func unreadable(s *env) {
	now := s.Now()
	for i, text := range []string{"{", "", `{"when":{},"task":{"v":99}}`, `"text"`, "\x00\xff"} {
		e := &jobstore.Entry{ID: jobstore.JobID(fmt.Sprint("bad-", i)), Owner: "somebody", Wake: now.Add(-time.Hour), Unreadable: []byte(text)}
		s.ok(s.Put(ctx, e))
	}
	s.put("good", now.Add(-time.Second))
	page, err := s.List(ctx, "", "", 10)
	s.ok(err)
	s.check(len(page) == 6, "listed %v", names(page))
	es := s.claim(6)
	s.check(len(es) == 6 && es[5].ID == "good", "claimed %v", names(es))
	for _, e := range es[:5] {
		s.is(e.Err, jobstore.ErrUnreadable)
		s.check(e.Unreadable != nil && e.Task == nil && e.Owner == "somebody", "got %+v", e)
		s.check(near(e.Wake, now.Add(-time.Hour)) && e.Next.Equal(e.Wake), "it is due at %s", e.Next)
	}
	s.check(len(s.claim(6)) == 0, "they are leased")
	es[0].Wake, es[0].Forget = time.Time{}, now.Add(time.Hour)
	es[0].Leased, es[1].Leased = time.Time{}, time.Time{}
	s.ok(s.Settle(ctx, es[:2]))
	got, err := s.Open().Get(ctx, es[0].ID)
	s.ok(err)
	s.is(got.Err, jobstore.ErrUnreadable)
	s.check(string(got.Unreadable) == string(es[0].Unreadable), "the body is %q, and was %q", got.Unreadable, es[0].Unreadable)
	s.check(got.Wake.IsZero() && !got.Forget.IsZero(), "it wakes at %s and is forgotten at %s", got.Wake, got.Forget)
	s.check(slices.Equal(names(s.claim(6)), []string{string(es[1].ID)}), "one was settled as due")
}
