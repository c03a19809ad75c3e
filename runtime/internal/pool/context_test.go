package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type valueKey struct{}

func newTaskContext(timeout time.Duration) *taskContext {
	c := new(taskContext)
	x := execution{info: runInfo{Task: &driver.Task{ID: "a"}}, policy: &noPolicy}
	if timeout > 0 {
		x.info.Deadline = time.Now().Add(timeout)
	}
	base := context.WithoutCancel(context.WithValue(context.Background(), valueKey{}, "v"))
	c.begin(x, &base)
	return c
}

func TestTaskContextIsOpenUntilSomethingEndsIt(t *testing.T) {
	c := newTaskContext(0)
	assert.NoError(t, c.Err())
	assert.NoError(t, context.Cause(c))
	assert.True(t, c.clean())
	assert.Nil(t, c.std, "asking whether it has ended makes no standard context")
	_, ok := c.Deadline()
	assert.False(t, ok)
	select {
	case <-c.Done():
		t.Fatal("done")
	default:
	}
	assert.NoError(t, c.Err())
	c.finish()
	<-c.Done()
}

func TestTaskContextCarriesTheTaskAndTheValuesOfStart(t *testing.T) {
	c := newTaskContext(time.Hour)
	defer c.finish()
	for range 2 { // before and after the standard context is made
		info, ok := TaskFromContext(c)
		require.True(t, ok)
		assert.Equal(t, "a", info.ID)
		assert.Equal(t, "v", c.Value(valueKey{}))
		child, cancel := context.WithCancel(c)
		info, ok = TaskFromContext(child)
		require.True(t, ok)
		assert.Equal(t, "a", info.ID)
		cancel()
	}
	assert.NotContains(t, c.String(), "a1")
}

func TestTaskContextEndsAtItsDeadlineThoughNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTaskContext(time.Second)
		deadline, ok := c.Deadline()
		require.True(t, ok)
		assert.Equal(t, time.Now().Add(time.Second), deadline)
		time.Sleep(time.Second)
		assert.Nil(t, c.std)
		assert.ErrorIs(t, context.Cause(c), driver.ErrTimeout)
		assert.ErrorIs(t, c.Err(), context.DeadlineExceeded)
		<-c.Done()
		c.finish()
		assert.ErrorIs(t, context.Cause(c), driver.ErrTimeout, "the first cause stays")
	})
}

func TestTaskContextWakesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTaskContext(time.Second)
		<-c.Done()
		assert.ErrorIs(t, c.Err(), context.DeadlineExceeded)
		assert.ErrorIs(t, context.Cause(c), driver.ErrTimeout)
		c.finish()
	})
}

func TestTaskContextGivesTheCauseOfItsCancellation(t *testing.T) {
	for name, ask := range map[string]func(*taskContext){
		"asked before": func(c *taskContext) { _ = c.Done() },
		"asked after":  func(*taskContext) {},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTaskContext(time.Hour)
			ask(c)
			c.cancel(driver.ErrLeaseLost)
			c.cancel(driver.ErrStopping)
			assert.ErrorIs(t, context.Cause(c), driver.ErrLeaseLost)
			assert.ErrorIs(t, c.Err(), context.Canceled)
			assert.False(t, c.clean())
			<-c.Done()
			c.finish()
			assert.ErrorIs(t, context.Cause(c), driver.ErrLeaseLost)
		})
	}
}

func TestTaskContextMayBeCancelledBeforeItsRunIsFilledIn(t *testing.T) {
	c := new(taskContext)
	c.cancel(driver.ErrLeaseLost)
	base := context.Background()
	c.begin(execution{policy: &noPolicy}, &base)
	<-c.Done()
	assert.ErrorIs(t, context.Cause(c), driver.ErrLeaseLost)
}

func TestChildrenOfATaskContextEndWithItAndItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children := func(c *taskContext) []context.Context {
			plain, cancel := context.WithCancel(c)
			t.Cleanup(cancel)
			caused, cancelCause := context.WithCancelCause(c)
			t.Cleanup(func() { cancelCause(nil) })
			later, cancelLater := context.WithTimeout(c, time.Hour)
			t.Cleanup(cancelLater)
			return []context.Context{plain, caused, later, context.WithValue(c, valueKey{}, 1)}
		}
		c := newTaskContext(time.Second)
		called := make(chan struct{})
		context.AfterFunc(c, func() { close(called) })
		for _, child := range children(c) {
			<-child.Done()
			assert.ErrorIs(t, child.Err(), context.DeadlineExceeded)
			assert.ErrorIs(t, context.Cause(child), driver.ErrTimeout)
		}
		<-called
		c.finish()

		c = newTaskContext(0)
		kids := children(c)
		c.cancel(driver.ErrStopping)
		for _, child := range kids {
			<-child.Done()
			assert.ErrorIs(t, child.Err(), context.Canceled)
			assert.ErrorIs(t, context.Cause(child), driver.ErrStopping)
		}
		c.finish()
	})
}

func TestAChildsOwnTimeoutLeavesTheTaskContextOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTaskContext(time.Hour)
		child, cancel := context.WithTimeout(c, time.Second)
		defer cancel()
		<-child.Done()
		assert.NoError(t, c.Err())
		assert.NoError(t, context.Cause(c))
		stop := context.AfterFunc(c, func() { t.Error("called") })
		assert.True(t, stop())
		assert.NoError(t, context.WithoutCancel(child).Err())
		c.finish()
	})
}

func TestAfterItsRunATaskContextHasEnded(t *testing.T) {
	for _, asked := range []bool{false, true} {
		c := newTaskContext(time.Hour)
		if asked {
			_ = c.Done()
		}
		c.finish()
		<-c.Done()
		assert.ErrorIs(t, c.Err(), context.Canceled)
		assert.True(t, errors.Is(context.Cause(c), context.Canceled))
		info, ok := TaskFromContext(c)
		assert.True(t, ok)
		assert.Equal(t, "a", info.ID)
	}
}
