package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// acquireN lets n tests of one kind ask, and returns how many of all run then.
func (r *testLimiter) acquireN(long bool, n int) int {
	priority := 1
	if long {
		priority = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for range n {
		r.waiting[priority] = append(r.waiting[priority], make(chan struct{}))
	}
	r.admit()
	return r.running
}

func TestALimitGrowsWhileTheProcessIsWokenInTimeAndShrinksWhenItIsNot(t *testing.T) {
	t.Parallel()
	r := &testLimiter{suites: 1}
	minSize := r.minSize()
	r.size = minSize
	assert.Equal(t, minSize, r.acquireN(false, 2*maxParallel))
	for range wakeupsPerSlot {
		r.onWakeup(0)
	}
	assert.Equal(t, minSize+1, r.acquireN(false, 0))
	for range wakeupsPerSlot * maxParallel {
		r.onWakeup(0)
	}
	assert.Equal(t, max(maxParallel, minSize), r.acquireN(false, 0), "the most")
	r.onWakeup(2 * lateWakeup)
	r.release()
	assert.Equal(t, max(maxParallel, minSize)-1, r.acquireN(false, 0), "nobody enters when it was woken late")
	for range maxParallel {
		r.onWakeup(2 * lateWakeup)
	}
	for range maxParallel {
		r.release()
	}
	assert.Equal(t, minSize, r.acquireN(false, 0), "but for the least")
}

func TestLongTestsEnterFirst(t *testing.T) {
	t.Parallel()
	r := &testLimiter{suites: 1}
	r.acquireN(false, 3)
	r.acquireN(true, 2)
	r.size = 2
	r.acquireN(false, 0)
	assert.Empty(t, r.waiting[0])
	assert.Len(t, r.waiting[1], 3)
}

func TestTheFirstSuitesRaiseTheLimitAndTheLastOneEndsTheWatch(t *testing.T) {
	t.Parallel()
	r := &testLimiter{}
	r.addSuite()
	r.addSuite()
	for range 2 * minParallel {
		r.acquire(false) // each at once
	}
	for range 2 * minParallel {
		r.release()
	}
	r.removeSuite()
	r.removeSuite()
	before := r.wakeups.read()
	assert.Zero(t, r.size)
	<-time.After(3 * lateWakeup)
	assert.Equal(t, before, r.wakeups.read())
}
