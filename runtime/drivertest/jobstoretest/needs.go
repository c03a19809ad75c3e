package jobstoretest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// on puts an entry whose task goes to a queue.
func (s *env) on(queue, id string, wake time.Time) *jobstore.Entry {
	s.Helper()
	e := s.entry(id, wake)
	e.Task.Queue = queue
	s.ok(s.Put(ctx, e))
	return e
}

func needs(s *env) {
	now := s.Now()
	for i := range 30 { // more overdue than all others, and nobody fires them
		s.on("theirs", fmt.Sprintf("theirs-%02d", i), now.Add(-time.Hour))
	}
	moon := s.entry("moon", now.Add(-time.Hour))
	moon.Task.Queue, moon.When = "ours", schedule.Cron("@daily", "Moon/Sea")
	s.ok(s.Put(ctx, moon))
	ours := func(n jobstore.Needs) bool { return n.Queue == "ours" && n.Zone != "Moon/Sea" }
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
	s.is(err, jobstore.ErrJobNotFound) // the lookup forgets it
}

func manyNeeds(s *env) {
	const n = 600
	now := s.Now().Truncate(time.Millisecond)
	var es []*jobstore.Entry
	for i := range n {
		for _, queue := range []string{"ours", "theirs"} {
			e := s.entry(fmt.Sprintf("%s-%03d", queue, i*7%n), now.Add(-time.Duration(i*7%n+1)*time.Second))
			e.Task.Queue = fmt.Sprintf("%s-%03d", queue, i%300)
			es = append(es, e)
		}
	}
	s.ok(s.Settle(ctx, es))
	ours := func(n jobstore.Needs) bool { return n.Queue < "theirs" }
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

func wakesWhoCan(s *env) {
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 3 { // they are notified first, or not at all
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
