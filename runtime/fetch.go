package runtime

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Bounds of fetching.
const (
	// maxPrefetch bounds the tasks that a lane holds beyond the free workers.
	maxPrefetch = 1024
	// longTrip bounds what a round trip is thought to take; a Dequeue that took
	// longer has waited for a task.
	longTrip = 50 * time.Millisecond
	// nearTrip is what a round trip is thought to take at least: a fetch also
	// costs locks and switches between goroutines, which many tasks should share
	// where handlers take microseconds.
	nearTrip = 200 * time.Microsecond
	// idlePause keeps a queue that says "no tasks" without waiting from being
	// asked in a hot loop.
	idlePause = 10 * time.Millisecond
	// overflowDelay is how long a task waits that was fetched although its type
	// is at its limit and no more of them are kept; overflowRest is how long the
	// fetcher then rests.
	overflowDelay = time.Second
	overflowRest  = 50 * time.Millisecond
)

// A fetcher decides how much of its queue is fetched ahead. It is guarded by
// shift.mu.
//
// The number of tasks at hand beyond the free workers is what the workers start
// in two round trips: so it grows when handlers are fast or the broker is far,
// and next to nothing is held back from other processes when handlers are slow.
type fetcher struct {
	least    int // tasks held ahead whatever the figures say
	most     int
	workers  int
	prefetch int
	trip     time.Duration // of a Dequeue that did not wait; longTrip before one was seen
	more     bool          // the last Dequeue brought all that was asked for
	run      time.Duration // of a handler, smoothed; 0: none has returned yet

	waiting bool          // for a hint that there is room
	hint    chan struct{} // capacity 1
	asked   time.Time     // when the Dequeue that is under way began; else zero
	rest    time.Time     // nothing is fetched before
}

func (f *fetcher) init(queues, workers int) {
	f.hint = make(chan struct{}, 1)
	f.workers, f.most, f.trip = workers, max(maxPrefetch, workers), longTrip
	if queues > 1 {
		f.least = 1 // the choice between queues needs a task of each at hand
	}
	f.prefetch = f.least
}

// ran notes how long a handler took.
func (f *fetcher) ran(took time.Duration) {
	if took = max(took, time.Nanosecond); f.run == 0 {
		f.run = took
	}
	f.run += (took - f.run) / 16
}

// brought notes what a Dequeue of up to limit tasks brought, and after how long.
func (f *fetcher) brought(n, limit int, took time.Duration) {
	f.asked, f.more = time.Time{}, n == limit
	f.trip = min(f.trip, took)
	if !f.more {
		f.prefetch = max(f.prefetch/2, f.starts(nearTrip))
		return
	}
	// One that has waited for its tasks tells little: it counts only so far.
	f.trip = min(took, f.trip+f.trip/4+time.Microsecond, longTrip)
	if f.run == 0 {
		return // handlers may be slow: nothing is held back from others before that is known
	}
	f.prefetch = f.starts(max(f.trip, nearTrip))
}

// starts is how many tasks the workers start in two round trips, within bounds.
func (f *fetcher) starts(trip time.Duration) int {
	if f.run == 0 {
		return f.least
	}
	n := 2 * float64(trip) * float64(f.workers) / float64(f.run)
	return min(max(int(n), f.least), f.most)
}

// expects is how long to wait for a Dequeue that may bring a task yet; 0 when
// the queue is empty as far as can be known: it has not answered for two round
// trips.
func (f *fetcher) expects(now time.Time) time.Duration {
	if f.asked.IsZero() || now.Before(f.rest) {
		return 0
	}
	patience := 2*f.trip + time.Millisecond
	return max(f.asked.Add(patience).Sub(now), 0)
}

// timeTrip takes the time of a round trip before the first Dequeue: on an idle
// queue that waits, and tells nothing.
func (l *lane) timeTrip() {
	began := time.Now()
	if _, err := l.queue.Stats(l.s.fetching); err != nil {
		return // Dequeue will say what is wrong
	}
	took := time.Since(began)
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.fetcher.trip = min(l.fetcher.trip, took)
	l.s.work.Broadcast() // workers may wait for longer than that
}

// room is how many tasks to fetch now, and when there are none because of a
// rate, how long until there may be some. s.mu is held.
func (l *lane) room(now time.Time) (int, time.Duration) {
	f := &l.fetcher
	if l.s.stopping || now.Before(f.rest) {
		return 0, f.rest.Sub(now)
	}
	if d := l.s.quiet(now); d > 0 {
		return 0, d
	}
	n := l.s.parked + f.prefetch - l.buffered
	if !(l.s.parked > 0 && l.buffered == 0) && l.buffered > f.prefetch/2 {
		return 0, 0 // enough at hand: the next fetch is a larger one
	}
	if l.gate != nil {
		free := l.gate.free(now) - l.buffered
		if free <= 0 {
			return 0, l.gate.wait(now)
		}
		n = min(n, free)
	}
	if l.types == nil {
		return n, 0
	}
	free, soonest := -l.buffered-len(l.held), time.Duration(0)
	for _, g := range l.types {
		free += g.free(now)
		if d := g.wait(now); d > 0 && (soonest == 0 || d < soonest) {
			soonest = d
		}
	}
	if free <= 0 {
		return 0, soonest
	}
	return min(n, free), 0
}

// fetchIfLow tells a fetcher that waits for room when there is some.
func (l *lane) fetchIfLow() {
	f := &l.fetcher
	if !f.waiting || l.buffered > 0 && l.buffered > f.prefetch/2 {
		return
	}
	now := time.Now()
	n, wait := l.room(now)
	if n <= 0 {
		l.s.lookAgain(wait)
		return
	}
	f.waiting, f.asked = false, now
	select {
	case f.hint <- struct{}{}:
	default:
	}
}

// fetchAll is the fetcher's goroutine.
func (l *lane) fetchAll() {
	s, f := l.s, &l.fetcher
	var failing backoff
	if len(s.lanes) > 1 {
		l.timeTrip()
	}
	fetching := l.hearing(s.fetching)
	for s.fetching.Err() == nil {
		now := time.Now()
		s.mu.Lock()
		n, wait := l.room(now)
		f.waiting = n <= 0
		if n > 0 {
			f.asked = now
		} else {
			s.lookAgain(wait)
		}
		s.mu.Unlock()
		if n <= 0 {
			select {
			case <-f.hint:
			case <-s.fetching.Done():
			}
			continue
		}
		ds, err := l.queue.Dequeue(fetching, n, l.lease)
		took := time.Since(now)
		ds, back := l.separate(ds)
		s.mu.Lock()
		if err == nil || errors.Is(err, ErrNoTasks) {
			f.brought(len(ds), n, took)
		} else {
			f.asked, f.more = time.Time{}, false
		}
		l.insert(ds, back)
		if len(s.lanes) > 1 {
			s.work.Broadcast() // workers may have waited for this answer
		}
		s.unlock()
		switch {
		case s.fetching.Err() != nil:
		case err != nil && !errors.Is(err, ErrNoTasks):
			if errors.Is(err, ErrClosed) {
				s.p.logger().Error("queue is closed: nothing more is fetched from it", slog.String("queue", l.name), slog.Any("error", err))
				return
			}
			if failing.streak == 0 {
				s.p.logger().Error("cannot fetch tasks, trying on", slog.String("queue", l.name), slog.Any("error", err))
			}
			sleep(s.fetching, failing.next(maxFetchPause))
		default:
			if failing.streak > 0 {
				s.p.logger().Info("fetching tasks again", slog.String("queue", l.name), slog.Int("failures", failing.streak))
				failing.streak = 0
			}
			if len(ds) == 0 && took < idlePause {
				sleep(s.fetching, idlePause)
			}
		}
	}
}

// Bounds of the pauses after errors.
const (
	firstPause    = 20 * time.Millisecond
	maxFetchPause = 5 * time.Second
	maxAckPause   = time.Second
)

// A backoff counts failures in a row, and pauses longer after each.
type backoff struct{ streak int }

// next is the pause after one more failure: exponential, spread over its upper
// half so that pools do not come back all at once.
func (b *backoff) next(limit time.Duration) time.Duration {
	d := min(firstPause<<min(b.streak, 20), limit)
	b.streak++
	return d/2 + rand.N(max(d/2, 1))
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
