package pool

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of fetching.
const (
	// maxPrefetch bounds the tasks that a consumer holds beyond the free workers.
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
	// overflowDelay is how long a task waits at least that was fetched although its
	// type is at its limit and no more of them are kept, and maxOverflowDelay at most:
	// another process may have room for it. overflowRest is how long the fetcher then
	// rests; twice as long after each batch in a row that is over the limit, and no
	// longer than maxOverflowRest, for what comes behind them may be of another type.
	overflowDelay    = time.Second
	maxOverflowDelay = 30 * time.Second
	overflowRest     = 50 * time.Millisecond
	maxOverflowRest  = 2 * time.Second
	// minStall is how long no worker has become free, at least, when nothing is
	// fetched ahead any more; hoardAfter is when, at the earliest, what was fetched
	// ahead goes back.
	minStall   = 20 * time.Millisecond
	hoardAfter = time.Second
	// aheadWait bounds a Dequeue that no worker waits for: when it brings something
	// they may be busy for long. It leaves room for a receive of a whole second.
	aheadWait = 1100 * time.Millisecond
	// payAhead is how much work is fetched ahead where a fetch costs money: what the
	// workers begin within that time, and no more than one request carries.
	payAhead = time.Second
	// fetchBytes is what one Dequeue asks for at most, and aheadBytes what a consumer holds
	// ahead of its workers, by the sizes seen last. firstFetch bounds the tasks of a
	// Dequeue before any was seen.
	fetchBytes = 8 << 20
	aheadBytes = 64 << 20
	firstFetch = 64
)

// A fetcher decides how much of its queue is fetched ahead. It is guarded by
// the mutex of its run.
//
// The number of tasks at hand beyond the free workers is what the workers start
// in two round trips: so it grows when handlers are fast or the broker is far,
// and next to nothing is held back from other processes when handlers are slow. A
// handler that still runs counts by how long it has run: while no worker becomes free
// nothing is fetched ahead, whatever those that ended before took.
//
// Where a round trip costs money it is shared by more: work for a second is fetched
// ahead, up to what one request carries, and only when that is used up. It is fetched
// while the workers are busy with what came before, so that none waits for it.
type fetcher struct {
	least    int // tasks held ahead whatever the figures say
	most     int
	workers  int
	prefetch int
	trip     time.Duration // of a Dequeue that did not wait; longTrip before one was seen
	more     bool          // the last Dequeue brought all that was asked for
	handler  time.Duration // what one takes, smoothed; 0: none has returned yet
	size     int           // bytes of a task, smoothed; 0: none has come yet
	bound    int           // tasks of a fetch after one that failed; 0: none
	batch    int           // tasks that one paid request carries; 0: they are free
	over     int           // fetches in a row that brought nothing but what is over a limit
	trusts   bool          // the last fetch brought no suspect: see pool_suspect.go

	waiting bool          // for a hint that there is room
	signal  chan struct{} // capacity 1
	asked   time.Time     // when the Dequeue that is under way began; else zero
	rest    time.Time     // nothing is fetched before
}

func (f *fetcher) init(queues, workers, batch int) {
	f.batch = batch
	f.signal = make(chan struct{}, 1)
	f.workers, f.most, f.trip = workers, max(maxPrefetch, workers), longTrip
	if queues > 1 {
		f.least = 1 // the choice between queues needs a task of each at hand
	}
	f.prefetch = f.least
}

// ran notes how long a handler took.
func (f *fetcher) ran(took time.Duration) {
	if took = max(took, time.Nanosecond); f.handler == 0 {
		f.handler = took
	}
	f.handler += (took - f.handler) / 16
}

// brought notes what a Dequeue of up to limit tasks brought, and after how long.
// rate is how many tasks the workers start in a second.
func (f *fetcher) brought(ds []*driver.Delivery, limit int, took time.Duration, rate float64) {
	f.asked, f.more = time.Time{}, len(ds) == limit
	f.trip = min(f.trip, took)
	f.weigh(ds)
	if f.more {
		if f.bound *= 2; f.bound > f.most+f.workers {
			f.bound = 0
		}
	} else {
		f.prefetch = max(f.prefetch/2, f.starts(nearTrip, rate))
		return
	}
	// One that has waited for its tasks tells little: it counts only so far.
	f.trip = min(took, f.trip+f.trip/4+time.Microsecond, longTrip)
	if f.handler == 0 {
		return // handlers may be slow: nothing is held back from others before that is known
	}
	f.prefetch = f.starts(max(f.trip, nearTrip), rate)
}

// failed notes that a Dequeue of up to limit tasks failed: the next one is smaller, for
// it may have been too much for the connection.
func (f *fetcher) failed(limit int) {
	f.asked, f.more, f.bound = time.Time{}, false, max(limit/2, 1)
}

// weigh learns the size of tasks: at once where they are larger than thought, and
// slowly where they are smaller.
func (f *fetcher) weigh(ds []*driver.Delivery) {
	if len(ds) == 0 {
		return
	}
	bytes := 0
	for _, d := range ds {
		bytes += len(d.Task.Payload)
	}
	mean := max(bytes/len(ds), 1)
	f.size = max(mean, f.size-(f.size-mean)/8)
}

// fit is how many of n tasks one Dequeue may ask for, with so many at hand.
func (f *fetcher) fit(n, buffered int) int {
	most := firstFetch
	if f.size > 0 {
		most = max(min(fetchBytes/f.size, aheadBytes/f.size-buffered), 1)
	}
	if f.bound > 0 {
		most = min(most, f.bound)
	}
	if !f.trusts {
		most = 1
	}
	return min(n, most)
}

// starts is how many tasks the workers start in two round trips, within bounds.
func (f *fetcher) starts(trip time.Duration, rate float64) int {
	if f.handler == 0 {
		return f.least
	}
	n := int(2 * trip.Seconds() * rate)
	if n < f.batch {
		n = min(int(payAhead.Seconds()*rate), f.batch)
	}
	return min(max(n, f.least), f.most)
}

// low reports whether so few tasks are at hand that it is time for a fetch.
func (f *fetcher) low(buffered int) bool {
	if f.batch > 0 {
		return buffered == 0 || f.prefetch-buffered >= f.batch
	}
	return buffered == 0 || buffered <= f.prefetch/2
}

// stall is how long no worker has become free when those that run must be taken for
// slow, whatever the ones before were.
func (f *fetcher) stall() time.Duration {
	return max(4*f.handler/time.Duration(f.workers), 4*f.trip, minStall)
}

// patience is how long no worker has become free when what is at hand goes back.
func (f *fetcher) patience() time.Duration { return max(8*f.stall(), hoardAfter) }

// rate is how many tasks the workers would start in a second, if the consumer's handlers
// took as long as they did, and those that have run for longer took as long again.
func (c *consumer) rate(now time.Time) float64 {
	rate, handler := 0.0, max(c.fetcher.handler, 1).Seconds()
	for _, began := range c.run.busy {
		took := handler
		if !began.IsZero() {
			took = max(handler, now.Sub(began).Seconds())
		}
		rate += 1 / took
	}
	return rate
}

// ahead is how many tasks to hold beyond the free workers now. The mutex is locked.
func (c *consumer) ahead(now time.Time) int {
	f := &c.fetcher
	if f.prefetch == 0 || c.run.mon.parked == 0 && now.Sub(c.run.freed) > f.stall() {
		return 0
	}
	return min(f.prefetch, f.starts(max(f.trip, nearTrip), c.rate(now)))
}

// expects is how long to wait for a Dequeue that may bring a task yet; 0 when
// the queue is empty as far as can be known: it has not answered for two round
// trips.
func (f *fetcher) expects(now time.Time) time.Duration {
	patience := 2*f.trip + time.Millisecond
	switch {
	case now.Before(f.rest):
		return 0
	case f.asked.IsZero() && f.more && !f.waiting:
		return patience // it is between an answer that was full and the next question
	case f.asked.IsZero():
		return 0
	}
	return max(f.asked.Add(patience).Sub(now), 0)
}

// timeTrip takes the time of a round trip before the first Dequeue: on an idle
// queue that waits, and tells nothing.
func (c *consumer) timeTrip() {
	began := time.Now()
	if _, err := c.queue.Stats(c.run.fetching); err != nil {
		return // Dequeue will say what is wrong
	}
	took := time.Since(began)
	c.run.mon.Lock()
	defer c.run.mon.Unlock()
	c.fetcher.trip = min(c.fetcher.trip, took)
	c.run.mon.wakeAllLocked() // workers may wait for longer than that
}

// room is how many tasks to fetch now, and when there are none because of a
// rate, how long until there may be some. The mutex is locked.
func (c *consumer) room(now time.Time) (int, time.Duration) {
	f := &c.fetcher
	if c.run.stopping || now.Before(f.rest) {
		return 0, f.rest.Sub(now)
	}
	if d := c.run.quiet(now); d > 0 {
		return 0, d
	}
	n := c.run.mon.parked + c.ahead(now) - c.buffered
	if !f.low(c.buffered) {
		return 0, 0 // enough at hand: the next fetch is a larger one
	}
	if n <= 0 || n < f.batch && c.buffered > 0 {
		return 0, 0
	}
	if f.batch > 0 && n > f.batch {
		n -= n % f.batch // whole requests
	}
	n = f.fit(n, c.buffered)
	if c.limiter != nil {
		free := c.limiter.free(now) - c.buffered
		if free <= 0 {
			return 0, c.limiter.wait(now)
		}
		n = min(n, free)
	}
	if c.types == nil {
		return n, 0
	}
	free, soonest := -c.buffered-len(c.held), time.Duration(0)
	for _, g := range c.types {
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

// notifyFetcher tells a fetcher that waits for room when there is some.
func (c *consumer) notifyFetcher() {
	f := &c.fetcher
	if !f.waiting || !f.low(c.buffered) {
		return
	}
	now := time.Now()
	n, wait := c.room(now)
	if n <= 0 {
		c.run.mon.lookAgainLocked(wait)
		return
	}
	f.waiting, f.asked = false, now
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

// fetchAll is the fetcher's goroutine.
func (c *consumer) fetchAll() {
	r, f := c.run, &c.fetcher
	var failing backoff
	if len(r.consumers) > 1 {
		c.timeTrip()
	}
	fetching := c.hearing(r.fetching)
	for r.fetching.Err() == nil {
		now := time.Now()
		r.mon.Lock()
		n, wait := c.room(now)
		f.waiting = n <= 0
		if f.waiting || f.more {
			c.activate()
		}
		idle := r.mon.parked > 0
		if n > 0 {
			f.asked = now
		} else {
			r.mon.lookAgainLocked(wait)
		}
		r.mon.Unlock()
		if n <= 0 {
			select {
			case <-f.signal:
			case <-r.fetching.Done():
			}
			continue
		}
		ctx, cancel := fetching, context.CancelFunc(func() {})
		if !idle {
			ctx, cancel = context.WithTimeout(fetching, aheadWait)
		}
		ds, err := c.queue.Dequeue(ctx, n, c.lease)
		cancel()
		took := time.Since(now)
		came := ds
		ds, back := c.separate(ds)
		r.mon.Lock()
		if err == nil || errors.Is(err, driver.ErrNoTasks) {
			f.brought(came, n, took, c.rate(now.Add(took)))
		} else {
			f.failed(n)
		}
		c.insert(ds, back)
		if len(r.consumers) > 1 {
			r.mon.wakeAllLocked() // workers may have waited for this answer
		}
		r.mon.unlockAndLog()
		switch {
		case r.fetching.Err() != nil:
		case err != nil && !errors.Is(err, driver.ErrNoTasks):
			if errors.Is(err, driver.ErrClosed) {
				r.p.logger().Error("queue is closed: nothing more is fetched from it", slog.String("queue", c.name), slog.Any("error", err))
				return
			}
			if failing.streak == 0 {
				r.p.logger().Error("cannot fetch tasks, trying on", slog.String("queue", c.name), slog.Any("error", err))
			}
			sleep(r.fetching, failing.next(maxFetchPause))
		default:
			if failing.streak > 0 {
				r.p.logger().Info("fetching tasks again", slog.String("queue", c.name), slog.Int("failures", failing.streak))
				failing.streak = 0
			}
			// Of tasks that all go back there may be many, and others behind them.
			if len(ds) == 0 && len(came) < n && took < idlePause {
				sleep(r.fetching, idlePause)
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
