package tasktest_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/tasktest"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func TestAClockStandsStillUntilItIsMoved(t *testing.T) {
	c := tasktest.NewClock(start)
	assert.Equal(t, start, c.Now())
	c.Advance(time.Hour)
	assert.Equal(t, start.Add(time.Hour), c.Now())
	c.Advance(-2 * time.Hour)
	assert.Equal(t, start.Add(-time.Hour), c.Now())
}

func TestAdvanceFiresTimersInOrderAtTheirTimes(t *testing.T) {
	c := tasktest.NewClock(start)
	var fired []string
	note := func(name string) func() {
		return func() { fired = append(fired, name+" "+c.Now().Sub(start).String()) }
	}
	c.AfterFunc(3*time.Second, note("c"))
	c.AfterFunc(time.Second, note("a"))
	c.AfterFunc(2*time.Second, note("b1"))
	c.AfterFunc(2*time.Second, note("b2"))
	c.AfterFunc(time.Minute, note("never"))
	c.Advance(time.Second - 1)
	assert.Empty(t, fired)
	c.Advance(10 * time.Second)
	assert.Equal(t, []string{"a 1s", "b1 2s", "b2 2s", "c 3s"}, fired)
}

func TestATimerThatSetsAnotherHasItFiredInTheSameAdvance(t *testing.T) {
	c := tasktest.NewClock(start)
	n := 0
	var again func()
	again = func() {
		n++
		c.AfterFunc(time.Second, again)
	}
	c.AfterFunc(time.Second, again)
	c.Advance(5 * time.Second)
	assert.Equal(t, 5, n)
}

func TestStopAndResetSayWhetherTheTimerWasPending(t *testing.T) {
	c := tasktest.NewClock(start)
	n := 0
	timer := c.AfterFunc(time.Second, func() { n++ })
	assert.True(t, timer.Stop())
	assert.False(t, timer.Stop())
	c.Advance(time.Minute)
	assert.Zero(t, n)
	assert.False(t, timer.Reset(time.Second))
	assert.True(t, timer.Reset(2*time.Second))
	c.Advance(time.Second)
	assert.Zero(t, n)
	c.Advance(time.Second)
	assert.Equal(t, 1, n)
	assert.False(t, timer.Stop())
}

func TestATimerWithoutADelayFiresAtOnce(t *testing.T) {
	c := tasktest.NewClock(start)
	var fired sync.WaitGroup
	fired.Add(2)
	timer := c.AfterFunc(0, fired.Done)
	timer.Reset(-time.Second)
	fired.Wait()
}

func TestAClockMayBeUsedAndMovedByMany(t *testing.T) {
	c := tasktest.NewClock(start)
	var wg, fired sync.WaitGroup
	fired.Add(50)
	for i := range 50 {
		wg.Go(func() {
			c.AfterFunc(time.Duration(i)*time.Millisecond, fired.Done)
			c.Advance(time.Millisecond)
		})
	}
	wg.Wait()
	c.Advance(time.Second)
	fired.Wait()
	assert.True(t, c.Now().Equal(start.Add(1050*time.Millisecond)))
}
