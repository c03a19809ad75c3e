package sqs

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// TestDrainBelievesNoCountsAndNoShortPolls drains queues whose counts trail and whose
// short polls find nothing, which AWS reserves for itself.
func TestDrainBelievesNoCountsAndNoShortPolls(t *testing.T) {
	t.Parallel()
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, 25, drained(t, kind, func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Empty: true} }))
		})
	}
}

// TestDrainBelievesNoLookThatIsAnsweredLate has the first receive that waits be answered
// after the look that it was for, as on a machine that is busy.
func TestDrainBelievesNoLookThatIsAnsweredLate(t *testing.T) {
	t.Parallel()
	var receives atomic.Int64
	assert.Equal(t, 25, drained(t, driver.Standard, func(c sqstest.Call) sqstest.Fault {
		if c.Operation == "ReceiveMessage" && receives.Add(1) == 1 {
			return sqstest.Fault{Delay: 2 * time.Second}
		}
		return sqstest.Fault{Empty: true}
	}))
}

// TestDrainLooksForLongerWhereSQSIsFar is about levels, which are asked one after the other
// before the receive that waits.
func TestDrainLooksForLongerWhereSQSIsFar(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 25, drained(t, driver.Priority, func(sqstest.Call) sqstest.Fault {
		return sqstest.Fault{Empty: true, Delay: 80 * time.Millisecond}
	}))
}

// drained enqueues 25 tasks on a queue whose counts trail, and returns how many of them
// Drain runs.
func drained(t *testing.T, kind driver.QueueType, hook sqstest.Hook) int {
	fake := sqstest.New(nil)
	require.NoError(t, fake.Start())
	t.Cleanup(fake.Stop)
	fake.SetHook(hook)
	p, err := New(client(fake.URL()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(within(t), p, driver.QueueConfig{Name: "q", Type: kind}))
	release := fake.HoldCounts()
	defer release()
	var tasks []*driver.Task
	for i := range 25 {
		task := &driver.Task{Type: "x", Queue: "q", Payload: []byte("{}")}
		if kind == driver.FIFO {
			task.GroupKey = fmt.Sprint("g", i%5)
		}
		tasks = append(tasks, task)
	}
	_, err = m.Enqueue(within(t), tasks)
	require.NoError(t, err)
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "x"}, runtime.HandlerFunc(func(context.Context, *driver.Task) error { return nil }))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	runs, err := pool.Drain(within(t))
	require.NoError(t, err)
	return runs
}
