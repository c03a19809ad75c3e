package pool

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// A limiter holds the limits of one queue or type. A nil limiter is always open.
type limiter struct {
	slots   int // how many may run at a time; 0: any number
	running int
	bucket  *rate.Limiter // nil: no bound
	later   time.Time     // when the last task that was put off is due
}

// newLimiter returns nil where there is nothing to limit.
func newLimiter(concurrency int, r Rate) *limiter {
	if concurrency == 0 && r == (Rate{}) {
		return nil
	}
	g := &limiter{slots: concurrency}
	if r != (Rate{}) {
		// A tenth at once: enough to fetch in batches if the rate is high, and no flood
		// after a quiet time.
		g.bucket = rate.NewLimiter(rate.Limit(float64(r.Limit)/r.Per.Seconds()), max(1, r.Limit/10))
	}
	return g
}

func (r Rate) validate(what, name string) error {
	if r != (Rate{}) && (r.Limit <= 0 || r.Per <= 0) {
		return fmt.Errorf("taskgen: %s %q has a rate of %d per %s: both must be above zero", what, name, r.Limit, r.Per)
	}
	return nil
}

// manyFree means no bound.
const manyFree = 1 << 30

// freeLocked is how many tasks may start now.
func (g *limiter) freeLocked(now time.Time) int {
	if g == nil {
		return manyFree
	}
	n := manyFree
	if g.slots > 0 {
		n = g.slots - g.running
	}
	if g.bucket != nil {
		n = min(n, int(g.bucket.TokensAt(now)))
	}
	return n
}

func (g *limiter) allowsLocked(now time.Time) bool { return g.freeLocked(now) > 0 }

// waitLocked is how long until the rate lets one more start; 0 if the rate is not what closes
// the limiter.
func (g *limiter) waitLocked(now time.Time) time.Duration {
	if g == nil || g.bucket == nil {
		return 0
	}
	missing := 1 - g.bucket.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	// A nanosecond more than the quotient, which is rounded down.
	return time.Duration(missing/float64(g.bucket.Limit())*float64(time.Second)) + 1
}

// putOffLocked is how long a task over the limit is to wait, behind the held tasks of its
// consumer and all that were put off before it. run is the time of a handler.
func (g *limiter) putOffLocked(now time.Time, held int, run time.Duration) time.Duration {
	each := run / time.Duration(max(g.slots, 1))
	if g.bucket != nil {
		each = max(each, time.Duration(float64(time.Second)/float64(g.bucket.Limit())))
	}
	// In floating point: a rate of one in a year times a few is more than a Duration.
	first := now.Add(time.Duration(min(float64(each)*float64(held), float64(maxOverflowDelay))))
	if g.later.Before(first) {
		g.later = first
	}
	g.later = g.later.Add(min(each, maxOverflowDelay))
	if most := now.Add(maxOverflowDelay); g.later.After(most) {
		g.later = most
	}
	return max(g.later.Sub(now), overflowDelay)
}

// enterLocked counts a start, leaveLocked its end.
func (g *limiter) enterLocked(now time.Time) {
	if g == nil {
		return
	}
	g.running++
	if g.bucket != nil {
		g.bucket.AllowN(now, 1)
	}
}

func (g *limiter) leaveLocked() {
	if g != nil {
		g.running--
	}
}
