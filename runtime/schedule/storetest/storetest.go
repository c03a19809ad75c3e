// Package storetest holds stores of jobs to what schedule.Store promises. Each
// store's tests call Run.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A Place is the room of one test.
type Place struct {
	// Open opens the store of the place: as often as there are processes to play.
	// Where a store lives in one process it returns one and the same.
	Open func() schedule.Store
	// Now is the time on the store's clock, and Pass lets time go by on it.
	Now  func() time.Time
	Pass func(d time.Duration)
}

// lease is one that soon ends.
const lease = time.Second

// Run runs every test of the suite as a subtest, each in a place of its own that
// make makes, and removes by tb.Cleanup.
func Run(t *testing.T, make func(tb testing.TB) Place) {
	for name, test := range map[string]func(*shop){
		"what is put can be got and listed":                  putGetList,
		"a put of an old version changes nothing":            conflicts,
		"an entry may change its owner":                      owners,
		"due entries are claimed by one, most overdue first": claims,
		"a lease that ends frees its entries":                leaseEnds,
		"whoever held an entry before is refused":            fencing,
		"settling answers for each entry":                    settles,
		"an entry without a time is never claimed":           sleeping,
		"entries are forgotten in their time":                forgets,
		"notes follow the newest firing":                     notes,
		"claim says how long nothing will be due":            waits,
		"any date is kept in its place":                      dates,
		"a put wakes who waits":                              wakes,
		"many who claim at once share the entries":           shares,
		"whoever changes a leased entry leaves it leased":    touches,
		"the store tells the time that it goes by":           clocks,
		"only what the caller can fire is claimed":           needs,
		"of many needs the most overdue come first":          manyNeeds,
		"who can fire it is woken by a put":                  wakesWhoCan,
		"an entry that cannot be read is in nobody's way":    unreadable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := make(t)
			test(&shop{T: t, Place: p, Store: p.Open()})
		})
	}
}

// all can fire everything.
func all(schedule.Needs) bool { return true }

// only can fire the jobs of one queue.
func only(queue string) func(schedule.Needs) bool {
	return func(n schedule.Needs) bool { return n.Queue == queue }
}

// A shop is a store under test.
type shop struct {
	*testing.T
	schedule.Store
	Place
}

var ctx = context.Background()

// Now is the time on the store's clock, as its place has it.
func (s *shop) Now() time.Time { return s.Place.Now() }

func (s *shop) check(ok bool, format string, args ...any) {
	s.Helper()
	if !ok {
		s.Fatalf(format, args...)
	}
}

func (s *shop) ok(err error) {
	s.Helper()
	s.check(err == nil, "unexpected error: %v", err)
}

func (s *shop) is(err, want error) {
	s.Helper()
	s.check(errors.Is(err, want), "the error is %v, want %v", err, want)
}

func (s *shop) entry(id string, wake time.Time) *schedule.Entry {
	now := s.Now().UTC()
	return &schedule.Entry{
		ID: schedule.JobID(id), Wake: wake,
		Body: schedule.Body{
			Seed: "seed", Handed: &schedule.Handover{To: "b", Next: now, State: schedule.Enqueued},
			When: schedule.Cron("0 6 * * *", "Europe/Berlin"), Overlap: schedule.AllowOverlap, Missed: schedule.FireAll, MaxMissed: 7,
			Jitter: time.Minute, State: schedule.Scheduled, Next: wake, Was: now, CreatedAt: now, UpdatedAt: now, Fired: 3, Skipped: 2,
			Last: schedule.Run{TaskID: "last", Due: now, State: schedule.Enqueued}, Error: "it’s full", Failures: 1,
			Task: &runtime.Task{ID: id, Type: "report", Queue: "q", Payload: []byte(`{"text":"ü\u0000"}`), CreatedAt: now, Metadata: map[string]string{"k": "v"}},
		},
	}
}

func (s *shop) put(id string, wake time.Time) *schedule.Entry {
	s.Helper()
	e := s.entry(id, wake)
	s.ok(s.Put(ctx, e))
	return e
}

func (s *shop) claim(limit int) []*schedule.Entry {
	s.Helper()
	return s.claimOn(s.Store, limit)
}

func (s *shop) claimOn(st schedule.Store, limit int) []*schedule.Entry {
	s.Helper()
	es, _, _, err := st.Claim(ctx, all, limit, lease)
	if err != nil {
		s.Errorf("claim: %v", err)
	}
	return es
}

func names(es []*schedule.Entry) []string {
	all := make([]string, len(es))
	for i, e := range es {
		all[i] = string(e.ID)
	}
	return all
}

func (s *shop) same(got, want *schedule.Entry) {
	s.Helper()
	a, err := got.MarshalJSON()
	s.ok(err)
	b, err := want.MarshalJSON()
	s.ok(err)
	s.check(string(a) == string(b), "body\n%s\nwant\n%s", a, b)
	s.check(got.ID == want.ID && got.Owner == want.Owner && got.Version == want.Version, "got %s %q %d, want %s %q %d", got.ID, got.Owner, got.Version, want.ID, want.Owner, want.Version)
	s.check(near(got.Wake, want.Wake) && near(got.Forget, want.Forget), "wake %s forget %s, want %s and %s", got.Wake, got.Forget, want.Wake, want.Forget)
}

// near allows for what a store's time is rounded up to.
func near(got, want time.Time) bool {
	return got.IsZero() == want.IsZero() && !got.Before(want) && got.Sub(want) <= time.Millisecond
}

func putGetList(s *shop) {
	late := s.Now().Add(time.Hour)
	a := s.entry("a", late)
	a.Owner = "somebody"
	s.ok(s.Put(ctx, a))
	s.check(a.Version == 1, "the first version is %d", a.Version)
	b, c := s.put("b", late), s.put("c", time.Time{})
	other := s.Open()
	for _, want := range []*schedule.Entry{a, b, c} {
		got, err := other.Get(ctx, want.ID)
		s.ok(err)
		s.same(got, want)
	}
	_, err := s.Get(ctx, "d")
	s.is(err, schedule.ErrJobNotFound)
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
		page, err := other.List(ctx, want.owner, schedule.JobID(want.after), want.limit)
		s.ok(err)
		s.check(slices.Equal(names(page), want.ids), "list of %q after %q, %d at most: %v, want %v", want.owner, want.after, want.limit, names(page), want.ids)
	}
	page, err := s.List(ctx, "", "", 1)
	s.ok(err)
	s.same(page[0], a)
}

func owners(s *shop) {
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

func conflicts(s *shop) {
	e := s.put("a", time.Time{})
	s.is(s.Put(ctx, s.entry("a", time.Time{})), schedule.ErrJobExists)
	old := e.Clone()
	e.Fired = 100
	s.ok(s.Put(ctx, e))
	old.Fired = 200
	s.is(s.Put(ctx, old), schedule.ErrConflict)
	got, err := s.Get(ctx, "a")
	s.ok(err)
	s.same(got, e)
	gone := s.entry("b", time.Time{})
	gone.Version = 3
	s.is(s.Put(ctx, gone), schedule.ErrJobNotFound)
}

func claims(s *shop) {
	now := s.Now()
	s.put("later", now.Add(time.Hour))
	s.put("second", now.Add(-time.Minute))
	s.put("first", now.Add(-time.Hour))
	s.put("third", now.Add(-time.Second))
	es, at, _, err := s.Claim(ctx, all, 2, time.Minute)
	s.ok(err)
	s.check(slices.Equal(names(es), []string{"first", "second"}), "claimed %v", names(es))
	s.check(!at.Before(now.Add(-time.Millisecond)) && at.Before(now.Add(time.Minute)), "it is %s by the store, and was %s", at, now)
	s.check(es[0].Version == 2, "claimed, the version is %d", es[0].Version)
	s.check(slices.Equal(names(s.claimOn(s.Open(), 10)), []string{"third"}), "the third was left")
	s.check(len(s.claim(10)) == 0, "nothing was left")
}

func leaseEnds(s *shop) {
	s.put("a", s.Now().Add(-time.Second))
	s.check(len(s.claim(1)) == 1, "it is due")
	s.check(len(s.claim(1)) == 0, "it is leased")
	s.Pass(lease + time.Millisecond)
	s.check(len(s.claim(1)) == 1, "its lease has ended")
}

func fencing(s *shop) {
	s.put("a", s.Now().Add(-time.Second))
	first := s.claim(1)[0]
	s.Pass(lease + time.Millisecond)
	second := s.claim(1)[0]
	first.Fired = 50
	s.is(runtime.ErrorAt(s.Settle(ctx, []*schedule.Entry{first}), 0), schedule.ErrConflict)
	second.Fired = 60
	second.Wake, second.Leased = time.Time{}, time.Time{}
	s.ok(s.Settle(ctx, []*schedule.Entry{second}))
	got, err := s.Get(ctx, "a")
	s.ok(err)
	s.same(got, second)
	s.Pass(lease + time.Millisecond)
	s.check(len(s.claim(1)) == 0, "it was settled for good")
}

func settles(s *shop) {
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
	s.is(runtime.ErrorAt(err, 1), schedule.ErrConflict)
	s.ok(runtime.ErrorAt(err, 2))
	s.is(runtime.ErrorAt(err, 3), schedule.ErrJobNotFound)
	s.check(len(s.claim(3)) == 3, "two were settled as due, and the changed one is too")
}

func sleeping(s *shop) {
	e := s.put("a", time.Time{})
	s.check(len(s.claim(1)) == 0, "it is never due")
	e.Wake = s.Now().Add(-time.Second)
	s.ok(s.Put(ctx, e))
	s.check(len(s.claim(1)) == 1, "it is due now")
}

func forgets(s *shop) {
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
	s.is(err, schedule.ErrJobNotFound)
	s.put("a", time.Time{})
}

func notes(s *shop) {
	now := s.Now().UTC().Truncate(time.Millisecond)
	e := s.put("a", now.Add(-time.Second))
	run := schedule.Run{TaskID: "t2", Due: now, State: schedule.Running, Attempts: 2, Error: "boom", Worker: "w", Started: now, Progress: runtime.ProgressReport{Done: 1, Total: 2, Note: "n"}}
	noted := func() schedule.Run {
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
	run.State = schedule.Succeeded
	s.ok(s.Note(ctx, "a", run))
	s.check(noted().State == schedule.Succeeded, "the same firing is told anew")
	s.ok(s.Put(ctx, e)) // with the version from before the notes
	s.check(noted().State == schedule.Succeeded, "a put keeps what was noted")
	s.check(s.claim(1)[0].Noted.State == schedule.Succeeded, "whoever claims it knows")
	s.ok(s.Note(ctx, "nobody", run))
}

func waits(s *shop) {
	wait := func() time.Duration {
		s.Helper()
		_, _, d, err := s.Claim(ctx, all, 10, lease)
		s.ok(err)
		return d
	}
	s.check(wait() < 0, "an empty store never has anything due")
	s.put("a", s.Now().Add(time.Hour))
	d := wait()
	s.check(d > 59*time.Minute && d <= time.Hour+time.Millisecond, "the first is due in an hour, not %s", d)
	s.put("b", s.Now().Add(-time.Second))
	wait()
	d = wait()
	s.check(d > 0 && d <= lease+time.Millisecond, "a lease of %s ends first, not %s", lease, d)
}

// dates has entries of all times that a job may have: those of the far future are not
// due, and those of the far past are.
func dates(s *shop) {
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
	run := func(due time.Time) schedule.Run { return schedule.Run{TaskID: due.String(), Due: due} }
	for _, at := range []time.Time{s.Now(), last} {
		s.ok(s.Note(ctx, "late-0", run(at)))
		s.ok(s.Note(ctx, "late-0", run(early[0]))) // of a firing before
		got, err := s.Get(ctx, "late-0")
		s.ok(err)
		s.check(got.Noted.Due.Equal(at), "the note is of %s, want %s", got.Noted.Due, at)
	}
}

func wakes(s *shop) {
	_, _, _, err := s.Claim(ctx, all, 1, lease)
	s.ok(err)
	over := make(chan struct{})
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	go func() {
		defer close(over)
		for len(s.claimOn(s.Store, 1)) == 0 && waiting.Err() == nil {
			s.Wait(waiting, all, 50*time.Second)
		}
	}()
	e := s.entry("a", s.Now().Add(-time.Second))
	s.ok(s.Open().Put(ctx, e))
	<-over
	s.check(waiting.Err() == nil, "nobody was woken")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	s.Wait(ended, all, time.Hour) // returns
}

func shares(s *shop) {
	const n, each = 200, 4
	for i := range n {
		s.put(fmt.Sprintf("job-%03d", i), s.Now().Add(-time.Second))
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = make(map[schedule.JobID]int)
	)
	for range each {
		st := s.Open()
		wg.Go(func() {
			for {
				es, _, _, err := st.Claim(ctx, all, 7, time.Hour)
				if err != nil {
					s.Errorf("claim: %v", err)
					return
				}
				if len(es) == 0 {
					return
				}
				mu.Lock()
				for _, e := range es {
					seen[e.ID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.check(len(seen) == n, "%d of %d were claimed", len(seen), n)
	for id, times := range seen {
		s.check(times == 1, "%s was claimed %d times", id, times)
	}
}

func touches(s *shop) {
	for _, wake := range []time.Duration{0, -time.Second, time.Hour} { // never, as before, later
		id := fmt.Sprint("a", wake)
		s.put(id, s.Now().Add(-time.Second))
		held := s.claim(1)[0]
		s.check(held.Leased.After(s.Now()), "leased until %s, and it is %s", held.Leased, s.Now())
		e, err := s.Open().Get(ctx, held.ID)
		s.ok(err)
		s.check(e.Leased.Equal(held.Leased), "leased until %s, want %s", e.Leased, held.Leased)
		page, err := s.List(ctx, "", held.ID[:len(held.ID)-1], 1)
		s.ok(err)
		s.check(page[0].Leased.Equal(held.Leased), "leased until %s, want %s", page[0].Leased, held.Leased)
		e.Wake = time.Time{}
		if wake != 0 {
			e.Wake = s.Now().Add(wake)
		}
		s.ok(s.Put(ctx, e))
		s.check(len(s.claim(1)) == 0, "it is leased")
		s.is(s.Put(ctx, held), schedule.ErrConflict)
		s.Pass(lease + time.Millisecond)
		es := s.claim(1)
		s.check((len(es) == 1) == (wake <= 0), "claimed %v when the lease had ended", names(es))
		if wake <= 0 {
			s.check(es[0].Wake.IsZero() == (wake == 0), "it wakes at %s", es[0].Wake)
			es[0].Wake, es[0].Leased = time.Time{}, time.Time{}
			s.ok(s.Put(ctx, es[0]))
			s.Pass(lease + time.Millisecond)
			s.check(len(s.claim(1)) == 0, "it is never due")
		}
	}
}

func clocks(s *shop) {
	for range 3 {
		before := s.Now().Add(-time.Millisecond)
		now, err := s.Open().Now(ctx)
		s.ok(err)
		_, claimed, _, err := s.Claim(ctx, all, 1, lease)
		s.ok(err)
		after := s.Now().Add(time.Millisecond)
		s.check(!now.Before(before) && !claimed.Before(now.Add(-time.Millisecond)) && !after.Before(claimed),
			"it was %s, then %s by Now and %s by Claim, then %s", before, now, claimed, after)
		s.Pass(lease)
	}
}

// on puts an entry whose task goes to a queue.
func (s *shop) on(queue, id string, wake time.Time) *schedule.Entry {
	s.Helper()
	e := s.entry(id, wake)
	e.Task.Queue = queue
	s.ok(s.Put(ctx, e))
	return e
}

func needs(s *shop) {
	now := s.Now()
	for i := range 30 { // more overdue than all others, and nobody fires them
		s.on("theirs", fmt.Sprintf("theirs-%02d", i), now.Add(-time.Hour))
	}
	moon := s.entry("moon", now.Add(-time.Hour))
	moon.Task.Queue, moon.When = "ours", schedule.Cron("@daily", "Moon/Sea")
	s.ok(s.Put(ctx, moon))
	ours := func(n schedule.Needs) bool { return n.Queue == "ours" && n.Zone != "Moon/Sea" }
	look := func(limit int) ([]string, time.Duration) {
		s.Helper()
		es, _, wait, err := s.Open().Claim(ctx, ours, limit, time.Minute)
		s.ok(err)
		return names(es), wait
	}
	got, wait := look(10)
	s.check(len(got) == 0 && wait < 0, "claimed %v, and something is due in %s", got, wait)
	s.on("ours", "later", now.Add(time.Hour))
	got, wait = look(10)
	s.check(len(got) == 0 && wait > 59*time.Minute && wait <= time.Hour+time.Millisecond, "claimed %v, and something is due in %s", got, wait)
	utc := s.entry("utc", now.Add(-2*time.Second))
	utc.Task.Queue, utc.When = "ours", schedule.Every(time.Hour)
	s.ok(s.Put(ctx, utc))
	s.on("ours", "a", now.Add(-3*time.Second))
	s.on("ours", "b", now.Add(-time.Second))
	got, _ = look(2)
	s.check(slices.Equal(got, []string{"a", "utc"}), "claimed %v", got)
	got, _ = look(2)
	s.check(slices.Equal(got, []string{"b"}), "claimed %v", got)
	moved, err := s.Get(ctx, "theirs-17")
	s.ok(err)
	moved.Task.Queue = "ours"
	s.ok(s.Put(ctx, moved))
	got, _ = look(2)
	s.check(slices.Equal(got, []string{"theirs-17"}), "claimed %v", got)
	es := s.claim(100)
	s.check(len(es) == 30, "%d were left to others, want 30", len(es))
	es[0].Forget, es[0].Wake, es[0].Leased = now.Add(-time.Second), time.Time{}, time.Time{}
	s.ok(s.Settle(ctx, es[:1]))
	look(2)
	_, err = s.Get(ctx, es[0].ID)
	s.is(err, schedule.ErrJobNotFound) // whoever looks forgets it
}

func manyNeeds(s *shop) {
	const n = 600
	now := s.Now().Truncate(time.Millisecond)
	var es []*schedule.Entry
	for i := range n {
		for _, queue := range []string{"ours", "theirs"} {
			e := s.entry(fmt.Sprintf("%s-%03d", queue, i*7%n), now.Add(-time.Duration(i*7%n+1)*time.Second))
			e.Task.Queue = fmt.Sprintf("%s-%03d", queue, i%300)
			es = append(es, e)
		}
	}
	s.ok(s.Settle(ctx, es))
	ours := func(n schedule.Needs) bool { return n.Queue < "theirs" }
	for next := n - 1; next >= 0; {
		es, _, _, err := s.Claim(ctx, ours, 100, time.Hour)
		s.ok(err)
		s.check(len(es) > 0, "nothing is due, and %d are left", next+1)
		for _, e := range es {
			s.check(string(e.ID) == fmt.Sprintf("ours-%03d", next), "claimed %s, want ours-%03d", e.ID, next)
			next--
		}
	}
	es, _, wait, err := s.Claim(ctx, ours, 100, time.Hour)
	s.ok(err)
	s.check(len(es) == 0 && wait > 59*time.Minute, "claimed %v, and something is due in %s", names(es), wait)
}

func wakesWhoCan(s *shop) {
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 3 { // they hear of it first, or not at all
		st := s.Open()
		wg.Go(func() {
			for waiting.Err() == nil {
				_, _, _, err := st.Claim(ctx, only(fmt.Sprint("others-", i)), 1, lease)
				s.ok(err)
				st.Wait(waiting, only(fmt.Sprint("others-", i)), 50*time.Second)
			}
		})
	}
	over, st := make(chan struct{}), s.Open()
	go func() {
		defer close(over)
		for waiting.Err() == nil {
			es, _, _, err := st.Claim(ctx, only("ours"), 1, lease)
			if err != nil || len(es) > 0 {
				s.ok(err)
				return
			}
			st.Wait(waiting, only("ours"), 50*time.Second)
		}
	}()
	s.on("nobody's", "x", s.Now().Add(-time.Second))
	s.on("ours", "a", s.Now().Add(-time.Second))
	<-over
	s.check(waiting.Err() == nil, "whoever can fire it was not woken")
	cancel()
}

func unreadable(s *shop) {
	now := s.Now()
	for i, text := range []string{"{", "", `{"when":{},"task":{"v":99}}`, `"text"`, "\x00\xff"} {
		e := &schedule.Entry{ID: schedule.JobID(fmt.Sprint("bad-", i)), Owner: "somebody", Wake: now.Add(-time.Hour), Unreadable: []byte(text)}
		s.ok(s.Put(ctx, e))
	}
	s.put("good", now.Add(-time.Second))
	page, err := s.List(ctx, "", "", 10)
	s.ok(err)
	s.check(len(page) == 6, "listed %v", names(page))
	es := s.claim(6)
	s.check(len(es) == 6 && es[5].ID == "good", "claimed %v", names(es))
	for _, e := range es[:5] {
		s.is(e.Err, schedule.ErrUnreadable)
		s.check(e.Unreadable != nil && e.Task == nil && e.Owner == "somebody", "got %+v", e)
		s.check(near(e.Wake, now.Add(-time.Hour)) && e.Next.Equal(e.Wake), "it is due at %s", e.Next)
	}
	s.check(len(s.claim(6)) == 0, "they are leased")
	es[0].Wake, es[0].Forget = time.Time{}, now.Add(time.Hour)
	es[0].Leased, es[1].Leased = time.Time{}, time.Time{}
	s.ok(s.Settle(ctx, es[:2]))
	got, err := s.Open().Get(ctx, es[0].ID)
	s.ok(err)
	s.is(got.Err, schedule.ErrUnreadable)
	s.check(string(got.Unreadable) == string(es[0].Unreadable), "the body is %q, and was %q", got.Unreadable, es[0].Unreadable)
	s.check(got.Wake.IsZero() && !got.Forget.IsZero(), "it wakes at %s and is forgotten at %s", got.Wake, got.Forget)
	s.check(slices.Equal(names(s.claim(6)), []string{string(es[1].ID)}), "one was settled as due")
}
