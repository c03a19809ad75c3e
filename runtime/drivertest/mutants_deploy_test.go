package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// shapeMutants are faults that the tests about shapes must find, each by itself.
var shapeMutants = []struct {
	name  string
	test  string // that must find it
	fault fault
}{
	{"forgets the shape", testShapeWaits, each(func(t *runtime.Task) { t.Shape = "" })},
	{"buries what comes back", testShapeWaits, fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		return q.DeadLetter(ctx, ds)
	}}},
	{"charges a release", testShapeWaits, fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Task.RetryCount++
		}
		return q.Release(ctx, ds)
	}}},
	{"drops what the worker wrote into a released task", testShapePatience, fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Task = d.Task.Clone()
			d.Task.Metadata = nil
		}
		return q.Release(ctx, ds)
	}}},
	{"buries tasks without the reason", testShapePatience, fault{deadLetter: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Task.Metadata = nil
		}
		return q.DeadLetter(ctx, ds)
	}}},
	{"forgets the shape of a dead task", testShapePatience, fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		ds, err := q.Dequeue(ctx, limit, lease)
		for _, d := range ds {
			if d.Task.Metadata[driver.MetaFailureReason] != "" {
				d.Task.Shape = ""
			}
		}
		return ds, err
	}}},
	{"gives each batch the shape of its first task", testShapeReads, fault{enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		copies := make([]*runtime.Task, len(ts))
		for i, t := range ts {
			copies[i] = t.Clone()
			copies[i].Shape = ts[0].Shape
		}
		return q.Enqueue(ctx, copies)
	}}},
	{"makes up a shape for a task without one", testShapeReads, each(func(t *runtime.Task) {
		if t.Shape == "" {
			t.Shape = "000000000000"
		}
	})},
}

func TestAProviderThatMishandlesShapesFails(t *testing.T) {
	t.Parallel()
	for _, m := range shapeMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r := runTestCase(t, faultyHarness(m.fault), m.test, 500*time.Millisecond)
			assert.True(t, r.Failed(), "a provider that %s passes %q", m.name, m.test)
			t.Log(r.Text())
		})
	}
}
