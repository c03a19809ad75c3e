package jobstoretest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

func claims(s *env) {
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

func leaseEnds(s *env) {
	s.put("a", s.Now().Add(-time.Second))
	s.check(len(s.claim(1)) == 1, "it is due")
	s.check(len(s.claim(1)) == 0, "it is leased")
	s.Pass(lease + time.Millisecond)
	s.check(len(s.claim(1)) == 1, "its lease has ended")
}

func fencing(s *env) {
	s.put("a", s.Now().Add(-time.Second))
	first := s.claim(1)[0]
	s.Pass(lease + time.Millisecond)
	second := s.claim(1)[0]
	first.Fired = 50
	s.is(runtime.ErrorAt(s.Settle(ctx, []*jobstore.Entry{first}), 0), jobstore.ErrConflict)
	second.Fired = 60
	second.Wake, second.Leased = time.Time{}, time.Time{}
	s.ok(s.Settle(ctx, []*jobstore.Entry{second}))
	got, err := s.Get(ctx, "a")
	s.ok(err)
	s.same(got, second)
	s.Pass(lease + time.Millisecond)
	s.check(len(s.claim(1)) == 0, "it was settled for good")
}

func sleeping(s *env) {
	e := s.put("a", time.Time{})
	s.check(len(s.claim(1)) == 0, "it is never due")
	e.Wake = s.Now().Add(-time.Second)
	s.ok(s.Put(ctx, e))
	s.check(len(s.claim(1)) == 1, "it is due now")
}

func waits(s *env) {
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

func wakes(s *env) {
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

func shares(s *env) {
	const n, each = 200, 4
	for i := range n {
		s.put(fmt.Sprintf("job-%03d", i), s.Now().Add(-time.Second))
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = make(map[jobstore.JobID]int)
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

func touches(s *env) {
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
		s.is(s.Put(ctx, held), jobstore.ErrConflict)
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

func clocks(s *env) {
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
