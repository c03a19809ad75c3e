package tasktest

import (
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Clock is a [driver.Clock] that stands still until a test moves it. It is
// safe for use by many goroutines; only one may move it at a time, others wait.
type Clock struct {
	moving sync.Mutex // held by Advance from start to end

	mu     sync.Mutex
	now    time.Time
	seq    uint64
	timers map[*timer]struct{}
}

// NewClock returns a clock that shows start. It carries no monotonic reading.
func NewClock(start time.Time) *Clock {
	return &Clock{now: start.Round(0), timers: make(map[*timer]struct{})}
}

// Now is the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc calls f in a goroutine of its own when the clock has been moved by d. If d
// is not above 0 it calls f at once.
func (c *Clock) AfterFunc(d time.Duration, f func()) driver.Timer {
	t := &timer{clock: c, f: f}
	t.Reset(d)
	return t
}

// Advance moves the clock by d. It fires every timer that becomes due on the way, in
// order, with the clock showing the time for which the timer was set, and continues when
// its function has returned. Timers set by these functions are fired too if they are due
// in time. So the work of all timers is done when Advance returns. A function that waits
// for the goroutine which moves the clock, or moves the clock itself, waits forever.
//
// A negative d moves the clock back, as the clocks of machines sometimes do; no timer
// is fired.
func (c *Clock) Advance(d time.Duration) {
	c.moving.Lock()
	defer c.moving.Unlock()
	c.mu.Lock()
	end := c.now.Add(d)
	for t := c.due(end); t != nil; t = c.due(end) {
		delete(c.timers, t)
		if t.at.After(c.now) {
			c.now = t.at
		}
		done := make(chan struct{})
		c.mu.Unlock()
		go func() {
			defer close(done)
			t.f()
		}()
		<-done
		c.mu.Lock()
	}
	c.now = end
	c.mu.Unlock()
}

// due returns the timer to fire next on the way to end, or nil.
func (c *Clock) due(end time.Time) *timer {
	var next *timer
	for t := range c.timers {
		if !t.at.After(end) && (next == nil || t.before(next)) {
			next = t
		}
	}
	return next
}

// A timer is one AfterFunc call. The clock's mutex guards its fields.
type timer struct {
	clock *Clock
	f     func()
	at    time.Time
	seq   uint64 // order among timers of the same time
}

func (t *timer) before(u *timer) bool {
	return t.at.Before(u.at) || t.at.Equal(u.at) && t.seq < u.seq
}

// Reset sets the timer again, d from now.
func (t *timer) Reset(d time.Duration) bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	_, pending := c.timers[t]
	if d <= 0 {
		delete(c.timers, t)
		go t.f()
		return pending
	}
	c.seq++
	t.at, t.seq = c.now.Add(d), c.seq
	c.timers[t] = struct{}{}
	return pending
}

// Stop keeps the timer from firing.
func (t *timer) Stop() bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	_, pending := c.timers[t]
	delete(c.timers, t)
	return pending
}
