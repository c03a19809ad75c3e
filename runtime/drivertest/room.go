package drivertest

import (
	"context"
	goruntime "runtime"
	"sync"
	"time"
)

const (
	// sideBySide is how many tests of one suite run at the same time at least, and
	// 2*sideBySide of several suites: tests of brokers wait most of the time, so there
	// are more of them than processors.
	sideBySide = 12
	// crowd is the largest number of tests of all suites of the process.
	crowd = 4 * sideBySide
	// calm is how many times in a row the process must be woken in time to make room
	// for one more test. A late wake-up takes the room of several.
	calm = 4
)

// A room limits the tests of all suites of the process that run now. It grows while the
// process is woken in time. A late wake-up shrinks it, though not below the least size.
type room struct {
	wakeups wakeups

	mu      sync.Mutex
	suites  int
	stop    func() // ends the watch; while there is a suite
	size    int    // the tests that may be inside
	inside  int
	inTime  int                // wake-ups in a row
	waiting [2][]chan struct{} // the long ones, which enter first because they end last; and the others
}

// everybody is the room of the process.
var everybody room

// join registers the begin of a suite.
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

// part registers the end of a suite.
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

// admit lets in as many tests as there is room for. mu is held.
func (r *room) admit() {
	for i := range r.waiting {
		for len(r.waiting[i]) > 0 && r.inside < r.size {
			close(r.waiting[i][0])
			r.waiting[i] = r.waiting[i][1:]
			r.inside++
		}
	}
}

// woken takes each wake-up of the watch, with its lateness.
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
