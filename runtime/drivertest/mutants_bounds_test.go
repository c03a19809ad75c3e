package drivertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	testDelay   = "a delay longer than Capabilities.MaxDelay is refused, and one of that length is not"
	testLease   = "a lease longer than Capabilities.MaxLease is refused, and one of that length is not"
	testKeys    = "a unique key that the queue cannot hold is refused, not ignored"
	testCharged = "a task that always crashes dies if crashes are charged as failures"
)

// bounds are those of a provider that has some.
func bounds(c driver.Capabilities) driver.Capabilities {
	c.MaxDelay, c.MaxLease, c.DedupWindow, c.UniqueUntilDone = time.Hour, time.Hour, time.Minute, false
	return c
}

func tooLong(what string) error { return fmt.Errorf("%w: %s", runtime.ErrUnsupported, what) }

func bounded1h(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if lease > time.Hour {
		return nil, tooLong("lease")
	}
	return q.Dequeue(ctx, limit, lease)
}

func extended1h(q referenceQueue, ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	if lease > time.Hour {
		return tooLong("extension")
	}
	return q.Extend(ctx, ds, lease)
}

// charged hands out tasks with their crashes counted as retries, up to a number.
func charged(most int) fault {
	return fault{
		caps: func(c driver.Capabilities) driver.Capabilities {
			c.ForgivesCrashes, c.CountsCrashes = false, false
			return c
		},
		dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			ds, err := q.Dequeue(ctx, limit, lease)
			for _, d := range ds {
				d.Task.RetryCount, d.Crashes = min(d.Crashes, most), 0
			}
			return ds, err
		},
	}
}

func TestAProviderThatHoldsToItsBoundsPasses(t *testing.T) {
	t.Parallel()
	h := faultyHarness(fault{caps: bounds, dequeue: bounded1h, extend: extended1h})
	for _, name := range []string{testDelay, testLease, testKeys} {
		r := runTestCase(t, h, name, defaultPatience)
		assert.False(t, r.Failed(), "%s: %s", name, r.Text())
	}
	r := runTestCase(t, faultyHarness(charged(1000)), testCharged, defaultPatience)
	assert.False(t, r.Failed(), r.Text())
}

func TestAProviderThatDoesNotHoldToItsBoundsFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		test  string
		fault fault
	}{
		"takes leases longer than its longest":          {testLease, fault{caps: bounds, extend: extended1h}},
		"extends leases beyond its longest":             {testLease, fault{caps: bounds, dequeue: bounded1h}},
		"counts no crash and charges none":              {testCharged, charged(0)},
		"charges crashes up to the retries and no more": {testCharged, charged(1)},
		"refuses the longest delay that it has": {testDelay, fault{caps: bounds, enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			be := new(runtime.BatchError)
			for i, t := range ts {
				be.Add(i, t.ID, tooLong("delay"))
			}
			return make([]runtime.Enqueued, len(ts)), be
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runTestCase(t, faultyHarness(c.fault), c.test, time.Second)
			assert.True(t, r.Failed(), "a provider that %s passes %q", name, c.test)
		})
	}
}
