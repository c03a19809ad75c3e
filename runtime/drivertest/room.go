package drivertest

import (
	"context"
	goruntime "runtime"
	"sync"
	"time"
)

const (
	// sideBySide is how many tests of a suite run at the same time at least, and of two
	// suites or more twice as many: tests of brokers wait for most of their time, so that
	// there are more of them than processors.
	sideBySide = 12
	// crowd is how many tests there are at most, of all suites of the process.
	crowd = 4 * sideBySide
	// calm is how many times in a row the process is woken in time until there is room
	// for one test more. One that was woken late takes the room of several.
	calm = 4
)

// A room holds the tests that run now, of all suites of the process. It has room for more
// of them as long as the machine has: while the process is woken in time it grows, and when
// it is woken late nobody enters until there are fewer, but for the least.
type room struct {
	wakeups wakeups

	mu      sync.Mutex
	suites  int
	stop    func() // ends the watch; while there is a suite
	size    int    // the tests that may be inside
	inside  int
	inTime  int                // wake-ups in a row
	waiting [2][]chan struct{} // the long ones, which enter first, for they end last; and the others
}

// everybody is the room of the process.
var everybody room

// join notes that a suite begins.
func (r *room) join() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.suites++; r.suites == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan struct{})
		r.stop = func() { cancel(); <-over }
		go func() {
			defer close(over)
			r.wakeups.watch(ctx, r.woken)
		}()
	}
	r.size = max(r.size, r.least())
	r.admit()
}

// part notes that a suite has ended.
func (r *room) part() {
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

// least is the size of the room on a busy machine. mu is held.
func (r *room) least() int {
	return max(sideBySide, goruntime.GOMAXPROCS(0)) * min(r.suites, 2)
}

// enter waits until there is room for a test.
func (r *room) enter(long bool) {
	r.mu.Lock()
	in, line := make(chan struct{}), 1
	if long {
		line = 0
	}
	r.waiting[line] = append(r.waiting[line], in)
	r.admit()
	r.mu.Unlock()
	<-in
}

func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside--
	r.admit()
}

// admit lets in as many as there is room for. mu is held.
func (r *room) admit() {
	for i := range r.waiting {
		for len(r.waiting[i]) > 0 && r.inside < r.size {
			close(r.waiting[i][0])
			r.waiting[i] = r.waiting[i][1:]
			r.inside++
		}
	}
}

// woken is told of each wake-up of the watch, and how late it was.
func (r *room) woken(late time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if late > stumble {
		r.inTime = 0
		r.size = max(r.least(), r.size-r.size/8)
		return
	}
	if r.inTime++; r.inTime%calm == 0 && r.inside == r.size {
		r.size = max(r.size, min(r.size+1, crowd))
		r.admit()
	}
}
