package drivertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

// TestAQueueThatServesOneProcessAloneFails: whoever asks first has it for good.
func TestAQueueThatServesOneProcessAloneFails(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var first referenceQueue
	alone := fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		mu.Lock()
		if first == nil {
			first = q
		}
		mine := first == q
		mu.Unlock()
		if !mine {
			<-ctx.Done()
			return nil, driver.ErrNoTasks
		}
		return q.Dequeue(ctx, limit, lease)
	}}
	r := runTestCase(t, faultyHarness(alone), testShares, time.Second)
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "second process gets nothing")
	r = runTestCase(t, faultyHarness(fault{}), testShares, defaultPatience)
	assert.False(t, r.Failed(), r.Text())
}
