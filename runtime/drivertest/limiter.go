package drivertest

import (
	"context"
	goruntime "runtime"
	"sync"
	"time"
)

const (
	// minParallel is how many tests of one suite run at the same time at least, and
	// 2*minParallel of several suites: tests of brokers wait most of the time, so there
	// are more of them than processors.
	minParallel = 12
	// maxParallel is the largest number of tests of all suites of the process.
	maxParallel = 4 * minParallel
	// wakeupsPerSlot is how many times in a row the process must be woken in time to allow
	// one more test. A late wake-up takes the place of several.
	wakeupsPerSlot = 4
)

// A testLimiter limits the tests of all suites of the process that run now. It grows
// while the process is woken in time. A late wake-up shrinks it, though not below the
// minimum.
type testLimiter struct {
	wakeups wakeups

	mu      sync.Mutex
	suites  int
	stop    func() // ends the watch; while there is a suite
	size    int    // the tests that may run
	running int
	inTime  int                // wake-ups in a row
	waiting [2][]chan struct{} // the long ones, which start first because they end last; and the others
}

// processLimiter is the limiter of the process.
var processLimiter testLimiter

// addSuite registers the begin of a suite.
func (r *testLimiter) addSuite() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.suites++; r.suites == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan struct{})
		r.stop = func() { cancel(); <-over }
		go func() {
			defer close(over)
			r.wakeups.watch(ctx, r.onWakeup)
		}()
	}
	r.size = max(r.size, r.minSize())
	r.admit()
}

// removeSuite registers the end of a suite.
func (r *testLimiter) removeSuite() {
	r.mu.Lock()
	r.suites--
	stop := r.stop
	last := r.suites == 0
	if last {
		r.size, r.inTime = 0, 0
	}
	r.mu.Unlock()
	if last {
		stop()
	}
}

// minSize is the size on a busy machine. mu is held.
func (r *testLimiter) minSize() int {
	return max(minParallel, goruntime.GOMAXPROCS(0)) * min(r.suites, 2)
}

// acquire waits until a test may run.
func (r *testLimiter) acquire(long bool) {
	r.mu.Lock()
	admitted, priority := make(chan struct{}), 1
	if long {
		priority = 0
	}
	r.waiting[priority] = append(r.waiting[priority], admitted)
	r.admit()
	r.mu.Unlock()
	<-admitted
}

func (r *testLimiter) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	r.admit()
}

// admit starts as many waiting tests as may run. mu is held.
func (r *testLimiter) admit() {
	for i := range r.waiting {
		for len(r.waiting[i]) > 0 && r.running < r.size {
			close(r.waiting[i][0])
			r.waiting[i] = r.waiting[i][1:]
			r.running++
		}
	}
}

// onWakeup takes each wake-up of the watch, with its lateness.
func (r *testLimiter) onWakeup(late time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if late > lateWakeup {
		r.inTime = 0
		r.size = max(r.minSize(), r.size-r.size/8)
		return
	}
	if r.inTime++; r.inTime%wakeupsPerSlot == 0 && r.running == r.size {
		r.size = max(r.size, min(r.size+1, maxParallel))
		r.admit()
	}
}
