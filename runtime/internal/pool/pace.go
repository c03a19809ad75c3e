package pool

import (
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of what is fetched ahead.
const (
	// maxPrefetch bounds the tasks that a consumer holds beyond the free workers.
	maxPrefetch = 1024
	// longTrip bounds the estimate of a round trip; a Dequeue that took longer has
	// waited for a task.
	longTrip = 50 * time.Millisecond
	// nearTrip is the least estimate of a round trip: a fetch also costs locks and
	// switches between goroutines, which many tasks should share if handlers take
	// microseconds.
	nearTrip = 200 * time.Microsecond
	// overflowDelay is the least and maxOverflowDelay the longest wait of a task that
	// was fetched although its type is at its limit and no more of them are kept:
	// another process may have room for it. The fetcher then rests for overflowRest,
	// twice as long after each batch in a row that is over the limit, and for
	// maxOverflowRest at most: the tasks behind may be of another type.
	overflowDelay    = time.Second
	maxOverflowDelay = 30 * time.Second
	overflowRest     = 50 * time.Millisecond
	maxOverflowRest  = 2 * time.Second
	// Nothing is fetched ahead any more after no worker has become free for minStall,
	// at least. What was fetched ahead goes back after hoardAfter, at the earliest.
	minStall   = 20 * time.Millisecond
	hoardAfter = time.Second
	// payAhead is how much work is fetched ahead if a fetch costs money: the tasks that
	// the workers begin within that time, and no more than one request carries.
	payAhead = time.Second
	// fetchBytes is the most that one Dequeue asks for, and aheadBytes the most that a
	// consumer holds ahead of its workers, by the sizes seen last. firstFetch bounds
	// the tasks of a Dequeue before any size was seen.
	fetchBytes = 8 << 20
	aheadBytes = 64 << 20
	firstFetch = 64
)

// A pace decides how much of a queue is fetched ahead, from the times of fetches and
// handlers.
//
// The number of tasks at hand beyond the free workers is the number that the workers
// start in two round trips. It grows when handlers are fast or the broker is far; when
// handlers are slow, next to nothing is kept from other processes. A handler that still
// runs counts with the time that it has run: while no worker becomes free, nothing is
// fetched ahead, whatever earlier handlers took.
//
// If a round trip costs money, more tasks share it: work for a second is fetched ahead,
// up to what one request carries, and only when that is used up. It is fetched while
// the workers are busy with earlier tasks, so that none waits for it.
type pace struct {
	busy     *busyWorkers // the workers of all queues
	least    int          // tasks held ahead whatever the figures say
	most     int
	workers  int
	prefetch int
	trip     time.Duration // of a Dequeue that did not wait; longTrip before one was seen
	more     bool          // the last Dequeue brought all that was asked for
	handler  time.Duration // time of one, smoothed; 0: none has returned yet
	size     int           // bytes of a task, smoothed; 0: none has come yet
	bound    int           // tasks of a fetch after one that failed; 0: none
	batch    int           // tasks that one paid request carries; 0: requests are free
	over     int           // fetches in a row of tasks that were all over a limit
	trusts   bool          // the last fetch brought no suspect
	waiting  bool          // there was no room for a fetch
	asked    time.Time     // when the Dequeue that is under way began; else zero
	rest     time.Time     // nothing is fetched before
}

// newPace is the pace of one of so many queues. batch is how many tasks a paid request
// carries.
func newPace(queues int, busy *busyWorkers, batch int) pace {
	workers := busy.count()
	p := pace{busy: busy, batch: batch, workers: workers, most: max(maxPrefetch, workers), trip: longTrip}
	if queues > 1 {
		p.least = 1 // the choice between queues needs a task of each at hand
	}
	p.prefetch = p.least
	return p
}

// ranLocked notes how long a handler took.
func (p *pace) ranLocked(took time.Duration) {
	if took = max(took, time.Nanosecond); p.handler == 0 {
		p.handler = took
	}
	p.handler += (took - p.handler) / 16
}

// startsFetchLocked notes that a Dequeue begins, or is about to.
func (p *pace) startsFetchLocked(now time.Time) { p.asked = now }

// broughtLocked notes the tasks that a Dequeue of up to limit tasks returned, its time,
// and when that was.
func (p *pace) broughtLocked(ds []*driver.Delivery, limit int, took time.Duration, now time.Time) {
	rate := p.rateLocked(now)
	p.asked, p.more = time.Time{}, len(ds) == limit
	p.trip = min(p.trip, took)
	p.weighLocked(ds)
	if p.more {
		if p.bound *= 2; p.bound > p.most+p.workers {
			p.bound = 0
		}
	} else {
		p.prefetch = max(p.prefetch/2, p.startsLocked(nearTrip, rate))
		return
	}
	// The time of a Dequeue that waited for its tasks says little: its effect is
	// bounded.
	p.trip = min(took, p.trip+p.trip/4+time.Microsecond, longTrip)
	if p.handler == 0 {
		return // handlers may be slow: nothing is kept from other processes before that is known
	}
	p.prefetch = p.startsLocked(max(p.trip, nearTrip), rate)
}

// failedLocked notes that a Dequeue of up to limit tasks failed. The next one is smaller: it
// may have been too much for the connection.
func (p *pace) failedLocked(limit int) {
	p.asked, p.more, p.bound = time.Time{}, false, max(limit/2, 1)
}

// weighLocked learns the size of tasks: at once if they are larger than estimated, and slowly
// if they are smaller.
func (p *pace) weighLocked(ds []*driver.Delivery) {
	if len(ds) == 0 {
		return
	}
	bytes := 0
	for _, d := range ds {
		bytes += len(d.Task.Payload)
	}
	mean := max(bytes/len(ds), 1)
	p.size = max(mean, p.size-(p.size-mean)/8)
}

// fitLocked is how many of n tasks one Dequeue may ask for, with so many buffered.
func (p *pace) fitLocked(n, buffered int) int {
	most := firstFetch
	if p.size > 0 {
		most = max(min(fetchBytes/p.size, aheadBytes/p.size-buffered), 1)
	}
	if p.bound > 0 {
		most = min(most, p.bound)
	}
	if !p.trusts {
		most = 1
	}
	return min(n, most)
}

// startsLocked is how many tasks the workers start in two round trips, within bounds.
func (p *pace) startsLocked(trip time.Duration, rate float64) int {
	if p.handler == 0 {
		return p.least
	}
	n := int(2 * trip.Seconds() * rate)
	if n < p.batch {
		n = min(int(payAhead.Seconds()*rate), p.batch)
	}
	return min(max(n, p.least), p.most)
}

// lowLocked reports whether so few tasks are buffered that it is time for a fetch.
func (p *pace) lowLocked(buffered int) bool {
	if p.batch > 0 {
		return buffered == 0 || p.prefetch-buffered >= p.batch
	}
	return buffered == 0 || buffered <= p.prefetch/2
}

// stallLocked is how long no worker must have become free before the running handlers count
// as slow, whatever earlier ones took.
func (p *pace) stallLocked() time.Duration {
	return max(4*p.handler/time.Duration(p.workers), 4*p.trip, minStall)
}

// keepsLocked is how long the tasks at hand are still kept if no worker becomes free:
// then they go back.
func (p *pace) keepsLocked(now time.Time) time.Duration {
	return max(8*p.stallLocked(), hoardAfter) - p.busy.sinceFreedLocked(now)
}

// aheadLocked is how many tasks to hold beyond the free workers now.
func (p *pace) aheadLocked(now time.Time, free int) int {
	if p.prefetch == 0 || free == 0 && p.busy.sinceFreedLocked(now) > p.stallLocked() {
		return 0
	}
	return min(p.prefetch, p.startsLocked(max(p.trip, nearTrip), p.rateLocked(now)))
}

// wantsLocked is how many tasks to fetch now, with so many workers free and so many
// tasks buffered.
func (p *pace) wantsLocked(now time.Time, free, buffered int) int {
	n := free + p.aheadLocked(now, free) - buffered
	if !p.lowLocked(buffered) {
		return 0 // enough at hand: the next fetch is a larger one
	}
	if n <= 0 || n < p.batch && buffered > 0 {
		return 0
	}
	if p.batch > 0 && n > p.batch {
		n -= n % p.batch // whole requests
	}
	return p.fitLocked(n, buffered)
}

// rateLocked is how many tasks the workers start in a second.
func (p *pace) rateLocked(now time.Time) float64 { return p.busy.rateLocked(now, p.handler) }

// handlerTimeLocked is the time of a handler; 0: none has returned yet.
func (p *pace) handlerTimeLocked() time.Duration { return p.handler }

// trustLocked notes whether the last fetch brought no suspect: see separate.
func (p *pace) trustLocked(yes bool) { p.trusts = yes }

// overLimitLocked notes a task over a limit that already has tasks waiting: the fetcher rests
// for a while.
func (p *pace) overLimitLocked(now time.Time) {
	if now.After(p.rest) { // the first of its batch
		p.rest = now.Add(min(overflowRest<<min(p.over, 10), maxOverflowRest))
		p.over++
	}
}

// withinLimitLocked notes a task of a type that has room.
func (p *pace) withinLimitLocked() { p.over = 0 }

// restsLocked is how long nothing is fetched because of tasks over a limit.
func (p *pace) restsLocked(now time.Time) time.Duration { return max(p.rest.Sub(now), 0) }

// moreLocked reports whether the last Dequeue brought all that was asked for.
func (p *pace) moreLocked() bool { return p.more }

// expectsLocked is how long to wait for a Dequeue that may still bring a task; 0 if the queue
// is empty as far as can be known: it has not answered for two round trips.
func (p *pace) expectsLocked(now time.Time) time.Duration {
	patience := 2*p.trip + time.Millisecond
	switch {
	case now.Before(p.rest):
		return 0
	case p.asked.IsZero() && p.more && !p.waiting:
		return patience // it is between a full answer and the next request
	case p.asked.IsZero():
		return 0
	}
	return max(p.asked.Add(patience).Sub(now), 0)
}
