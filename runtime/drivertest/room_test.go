package drivertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// entered lets n tests of one kind come, and returns how many of all are inside then.
func (r *room) entered(long bool, n int) int {
	line := 1
	if long {
		line = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for range n {
		r.waiting[line] = append(r.waiting[line], make(chan struct{}))
	}
	r.admit()
	return r.inside
}

func TestARoomGrowsWhileTheProcessIsWokenInTimeAndShrinksWhenItIsNot(t *testing.T) {
	t.Parallel()
	r := &room{suites: 1}
	least := r.least()
	r.size = least
	assert.Equal(t, least, r.entered(false, 2*crowd))
	for range calm {
		r.woken(0)
	}
	assert.Equal(t, least+1, r.entered(false, 0))
	for range calm * crowd {
		r.woken(0)
	}
	assert.Equal(t, max(crowd, least), r.entered(false, 0), "the most")
	r.woken(2 * stumble)
	r.leave()
	assert.Equal(t, max(crowd, least)-1, r.entered(false, 0), "nobody enters when it was woken late")
	for range crowd {
		r.woken(2 * stumble)
	}
	for range crowd {
		r.leave()
	}
	assert.Equal(t, least, r.entered(false, 0), "but for the least")
}

func TestLongTestsEnterFirst(t *testing.T) {
	t.Parallel()
	r := &room{suites: 1}
	r.entered(false, 3)
	r.entered(true, 2)
	r.size = 2
	r.entered(false, 0)
	assert.Empty(t, r.waiting[0])
	assert.Len(t, r.waiting[1], 3)
}

func TestASuiteThatBeginsMakesRoomAndTheLastOneEndsTheWatch(t *testing.T) {
	t.Parallel()
	r := &room{}
	r.join()
	r.join()
	for range 2 * sideBySide {
		r.enter(false) // each at once
	}
	for range 2 * sideBySide {
		r.leave()
	}
	r.part()
	r.part()
	before := r.wakeups.read()
	assert.Zero(t, r.size)
	<-time.After(3 * stumble)
	assert.Equal(t, before, r.wakeups.read())
}
