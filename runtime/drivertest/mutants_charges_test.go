package drivertest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

// receiving counts the calls of Release, and has each be written into deliveries.
func receiving(when func(d *driver.Delivery) bool, write func(d *driver.Delivery, n int)) fault {
	var releases atomic.Int64
	return fault{
		release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
			releases.Add(1)
			return q.Release(ctx, ds)
		},
		dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			ds, err := q.Dequeue(ctx, limit, lease)
			for _, d := range ds {
				if when(d) {
					write(d, int(releases.Load()))
				}
			}
			return ds, err
		},
	}
}

func TestAProviderThatTakesAReceiveForARunFails(t *testing.T) {
	t.Parallel()
	behind := func(d *driver.Delivery) bool { return d.Task.RetryCount == 0 }
	any := func(*driver.Delivery) bool { return true }
	for name, c := range map[string]struct {
		test  string
		fault fault
	}{
		"charges those behind a head with its retries":  {testBystanders, receiving(behind, func(d *driver.Delivery, n int) { d.Task.RetryCount = n })},
		"counts retries of a head as crashes behind it": {testBystanders, receiving(behind, func(d *driver.Delivery, n int) { d.Crashes = n })},
		"counts what is given back as a crash":          {testGivenBack, receiving(any, func(d *driver.Delivery, n int) { d.Crashes += n })},
		"charges what is given back":                    {testGivenBack, receiving(any, func(d *driver.Delivery, n int) { d.Task.RetryCount += n })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runTestCase(t, faultyHarness(c.fault), c.test, time.Second)
			assert.True(t, r.Failed(), "a provider that %s passes %q", name, c.test)
		})
	}
	for _, name := range []string{testBystanders, testGivenBack} {
		r := runTestCase(t, faultyHarness(fault{}), name, defaultPatience)
		assert.False(t, r.Failed(), "%s: %s", name, r.Text())
	}
}
