package sqs

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// TestARequestThatIsNotAnsweredIsSentAgain has one answer get lost on a connection that
// stays open, for each kind of request.
func TestARequestThatIsNotAnsweredIsSentAgain(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		b := newBench(t)
		b.p.api.answerWait = 500 * time.Millisecond
		q := openQueue(t, b.p, cfg)
		lose := func(action string) *atomic.Bool {
			lost := new(atomic.Bool)
			b.SetHook(func(c sqstest.Call) sqstest.Fault {
				if c.Operation == action && lost.CompareAndSwap(false, true) {
					return sqstest.Fault{Delay: time.Hour} // of a clock that stands still
				}
				return sqstest.Fault{}
			})
			return lost
		}
		lost := lose("SendMessageBatch")
		put(t, q, "a")
		require.True(t, lost.Load())
		lost = lose("GetQueueAttributes")
		require.EqualValues(t, 1, min(stats(t, q).Ready, 1)) // on a standard queue the send may be there twice
		require.True(t, lost.Load())
		ds := take(t, q, 1)
		lost = lose("ChangeMessageVisibilityBatch")
		require.NoError(t, q.Extend(within(t), ds, 2*time.Minute))
		require.True(t, lost.Load())
		lost = lose("DeleteMessageBatch")
		require.NoError(t, q.Complete(within(t), ds))
		require.True(t, lost.Load())
	}
}
