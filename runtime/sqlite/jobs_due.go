package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/taskgen/taskgen/internal/waiters"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// A jobWaiter is a call of Wait.
type jobWaiter struct {
	can   func(jobstore.Needs) bool
	alarm int64 // the first one read of jobs that it can fire; -1: not read yet
}

// A head is the first alarm of the jobs with the same needs.
type head struct {
	needs string
	alarm int64
}

// heads reads the heads of all needs: one row by the index for each.
func (t *tx) heads() (all []head) {
	for next := ""; ; {
		r := t.queryText(sqlJobsHead, next)
		if !r.next() {
			return all
		}
		h := head{r.text(0), r.int(1)}
		r.done()
		all, next = append(all, h), h.needs+"\x00"
	}
}

// fireable returns the heads of jobs that can be fired, the earliest first.
func fireable(all []head, can func(jobstore.Needs) bool) []head {
	all = slices.DeleteFunc(slices.Clone(all), func(h head) bool { return !can(jobstore.ParseNeeds(h.needs)) })
	slices.SortFunc(all, func(a, b head) int { return cmp.Compare(a.alarm, b.alarm) })
	return all
}

// firstOf is the first alarm of jobs that can be fired; 0 if there is none.
func firstOf(all []head, can func(jobstore.Needs) bool) (first int64) {
	for _, h := range all {
		if (first == 0 || h.alarm < first) && can(jobstore.ParseNeeds(h.needs)) {
			first = h.alarm
		}
	}
	return first
}

// Claim implements jobstore.Store.
func (s *jobs) Claim(ctx context.Context, can func(jobstore.Needs) bool, limit int, lease time.Duration) (due []*jobstore.Entry, now time.Time, wait time.Duration, err error) {
	// Most of the time nothing is due: that takes no write lock.
	now = s.p.clock.Now()
	all, err := s.heads(ctx, s.p.reader)
	if err != nil {
		return nil, now, 0, err
	}
	if !slices.ContainsFunc(all, func(h head) bool { return h.alarm <= now.UnixNano() }) {
		return nil, now, until(firstOf(all, can), now), nil
	}
	first := int64(0)
	err = s.p.writer.do(ctx, limit, func(t *tx) {
		now = time.Unix(0, t.now)
		t.exec(sqlJobsForget, t.now)
		due = t.due(fireable(t.heads(), can), limit)
		for _, e := range due {
			e.Version++
			until := after(t.now, lease)
			e.Leased = unstamp(until)
			t.execText(sqlJobsLease, string(e.ID), e.Version, until)
		}
		first = firstOf(t.heads(), can)
	})
	if err != nil {
		return nil, now, 0, fmt.Errorf("claim jobs: %w", err)
	}
	return due, now, until(first, now), nil
}

// due reads the due jobs, the most overdue first. They are among the jobs of the first
// heads, at most limit of them.
func (t *tx) due(heads []head, limit int) (es []*jobstore.Entry) {
	type turn struct {
		id    string
		alarm int64
	}
	var turns []turn
	for _, h := range heads[:min(limit, len(heads))] {
		if h.alarm > t.now {
			break
		}
		for r := t.queryText(sqlJobsDue, h.needs, t.now, int64(limit)); r.next(); {
			turns = append(turns, turn{r.text(0), r.int(1)})
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.alarm, b.alarm) })
	for _, turn := range turns[:min(limit, len(turns))] {
		if r := t.queryText(sqlJobsGet, turn.id); r.next() {
			es = append(es, r.entry())
			r.done()
		}
	}
	return es
}

// until is the time to an alarm; negative if there is none.
func until(alarm int64, now time.Time) time.Duration {
	if alarm == 0 {
		return -1
	}
	return max(time.Duration(alarm-now.UnixNano()), 0)
}

// first reads the first alarm of the jobs that can be fired; 0 if there is none.
func (s *jobs) first(ctx context.Context, r *reader, can func(jobstore.Needs) bool) (int64, error) {
	all, err := s.heads(ctx, r)
	return firstOf(all, can), err
}

func (s *jobs) heads(ctx context.Context, r *reader) (all []head, err error) {
	if err = r.do(ctx, 0, func(t *tx) { all = t.heads() }); err != nil {
		return nil, fmt.Errorf("look for due jobs: %w", err)
	}
	return all, nil
}

// Wait implements jobstore.Store. A Put of another process wakes it like a Dequeue. If
// the file cannot be read it keeps waiting.
func (s *jobs) Wait(ctx context.Context, can func(jobstore.Needs) bool, d time.Duration) {
	news := make(chan struct{}, 1)
	defer s.leave(news)
	clock := s.p.clock
	end := clock.Now().Add(d)
	timer := clock.AfterFunc(d, func() { waiters.Tell(news) })
	defer timer.Stop()
	known := int64(-1) // the first alarm when this began
	for {
		s.register(news, jobWaiter{can, -1}) // changes from here on are signalled
		alarm, err := s.first(ctx, s.p.reader, can)
		now := clock.Now()
		switch {
		case ctx.Err() != nil || !now.Before(end):
			return
		case err != nil:
			alarm = known
		case known < 0:
			known = alarm
		}
		if alarm > 0 && (alarm <= now.UnixNano() || alarm < known || known == 0) {
			return
		}
		s.register(news, jobWaiter{can, alarm})
		s.set(timer, now, end, alarm)
		select {
		case <-news:
		case <-ctx.Done():
			return
		case <-s.p.watcher.quit:
			return
		}
	}
}

// set sets the timer of a waiter to an alarm or to the end.
func (s *jobs) set(timer driver.Timer, now, end time.Time, alarm int64) {
	d := min(end.Sub(now), longestTimer)
	if alarm > 0 {
		d = min(d, time.Duration(alarm-now.UnixNano()))
	}
	timer.Reset(d)
	// The clock may jump in between, as in waitQueues.setTimer.
	if !s.p.clock.Now().Before(now.Add(d)) {
		timer.Reset(0)
	}
}

// register registers a waiter.
func (s *jobs) register(news chan struct{}, w jobWaiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[news] = w
	waiters.Tell(s.wakeWatcher)
}

func (s *jobs) leave(news chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, news)
}

func (s *jobs) hasWaiters() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) > 0
}

// poll signals each waiter, after another connection has written, if the first alarm of
// the jobs that it can fire has changed. Only the watcher calls it.
func (s *jobs) poll(r *reader) error {
	if !s.hasWaiters() {
		return nil
	}
	all, err := s.heads(context.Background(), r)
	if err == nil {
		s.notify(func(w jobWaiter) bool { return w.alarm != firstOf(all, w.can) })
	}
	return err
}

// notify makes the matching waiters read the file again.
func (s *jobs) notify(to func(jobWaiter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for news, w := range s.waiting {
		if to(w) {
			waiters.Tell(news)
		}
	}
}
