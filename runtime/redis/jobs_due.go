package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/internal/waiters"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// headPage is how many needs are read at a time.
const headPage = 256

// Claim implements jobstore.Store.
func (s *jobs) Claim(ctx context.Context, can func(jobstore.Needs) bool, limit int, lease time.Duration) (due []*jobstore.Entry, now time.Time, wait time.Duration, err error) {
	found, err := s.findDue(ctx, can, min(limit, maxScriptTasks))
	if err != nil || len(found.due) == 0 {
		s.passOn(ctx, found)
		return nil, found.now, found.wait, err
	}
	args := make([]any, 0, 3+len(found.due))
	args = append(args, min(limit, maxScriptTasks), durationMillis(lease), maxScriptBytes)
	for _, needs := range found.due {
		args = append(args, needs)
	}
	reply, err := s.run(ctx, jobsClaim, args...)
	if err != nil {
		return nil, now, 0, err
	}
	list, ok := reply.([]any)
	if !ok || len(list) < 2 {
		return nil, now, 0, errReply
	}
	if now, err = serverTime(list); err != nil {
		return nil, now, 0, err
	}
	due, err = parseEntries(list[2:])
	return due, now, 0, err // there may be more
}

// dueJobs is the result of a check for due jobs.
type dueJobs struct {
	now     time.Time
	due     []string      // the needs of due jobs that can be fired, the most overdue first
	wait    time.Duration // until the first that can be fired; negative: never
	foreign bool          // others can fire something earlier
}

// findDue reads the needs of jobs and when they are due, as far as they matter to a
// scheduler that can fire some of them, and takes up to limit.
func (s *jobs) findDue(ctx context.Context, can func(jobstore.Needs) bool, limit int) (found dueJobs, err error) {
	found.wait = -1
	for from := 0; ; from += headPage {
		reply, err := s.run(ctx, jobsHeads, from, headPage)
		if err != nil {
			return dueJobs{}, err
		}
		list, ok := reply.([]any)
		if !ok || len(list) < 2 || len(list)%2 != 0 {
			return dueJobs{}, errReply
		}
		if from == 0 {
			if found.now, err = serverTime(list); err != nil {
				return dueJobs{}, err
			}
		}
		for rest := list[2:]; len(rest) > 0; rest = rest[2:] {
			needs, ok := rest[0].(string)
			ms, err := strconv.ParseFloat(fmt.Sprint(rest[1]), 64)
			if !ok || err != nil {
				return dueJobs{}, errReply
			}
			if !can(jobstore.ParseNeeds(needs)) {
				found.foreign = true
				continue
			}
			at := time.UnixMilli(int64(ms))
			if at.After(found.now) || len(found.due) == limit {
				if len(found.due) == 0 {
					found.wait = at.Sub(found.now)
				}
				return found, nil
			}
			found.due, found.wait = append(found.due, needs), 0
		}
		if len(list) < 2+2*headPage {
			return found, nil
		}
	}
}

// passOn hands a signal on if its news cannot be fired here, unless it has been here
// before: each waiting scheduler gets the news once.
func (s *jobs) passOn(ctx context.Context, found dueJobs) {
	s.mu.Lock()
	received := s.received
	s.received = ""
	s.mu.Unlock()
	if received == "" || !found.foreign || strings.Contains(received, s.id) {
		return
	}
	_, _ = s.run(ctx, jobsPass, received+" "+s.id) // else the others check by themselves in time
}

// Wait implements jobstore.Store. One connection blocks for all waiters of the process,
// and any news wakes all of them.
func (s *jobs) Wait(ctx context.Context, _ func(jobstore.Needs) bool, d time.Duration) {
	news := make(chan struct{}, 1)
	s.mu.Lock()
	s.waiting[news] = true
	if s.pending { // something came before
		s.pending = false
		waiters.Tell(news)
	}
	if !s.watched {
		s.watched = s.p.goWatch(s.watch)
	}
	s.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-news:
	case <-timer.C:
	case <-ctx.Done():
	case <-s.p.ctx.Done():
	}
	s.mu.Lock()
	delete(s.waiting, news)
	s.mu.Unlock()
}

// watch blocks a connection until the store has a signal, while there are waiters.
func (s *jobs) watch() {
	pause := firstPause
	for s.keepWatching() {
		switch _, signal, err := s.p.block(func(string) { s.notify("") }, s.keys[jobWake]); {
		case err == nil:
			s.notify(signal)
			fallthrough
		case errors.Is(err, redis.Nil):
			pause = firstPause
		default:
			s.notify("") // a waiter that checks now will meet the error
			sleep(s.p.ctx, pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// notify wakes all waiters, or the next one, and keeps their signal.
func (s *jobs) notify(signal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if signal != "" {
		s.received = signal
	}
	s.pending = len(s.waiting) == 0
	for news := range s.waiting {
		waiters.Tell(news)
	}
}

// keepWatching reports whether there are still waiters. A watch that ends with a signal
// that no waiter got hands the signal to another process.
func (s *jobs) keepWatching() bool {
	s.mu.Lock()
	s.watched = len(s.waiting) > 0 && s.p.ctx.Err() == nil
	keepWatching, missed := s.watched, !s.watched && s.pending
	s.pending = s.pending && s.watched
	s.mu.Unlock()
	if missed { // not under the lock: the server may not answer
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.p.ctx), time.Second)
		defer cancel()
		_, _ = bounded(ctx, func(ctx context.Context) (any, error) { return s.run(ctx, jobsPass, "1") }) // else the others check by themselves in time
	}
	return keepWatching
}
