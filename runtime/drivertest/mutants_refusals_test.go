package drivertest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// most is the size of a message that the provider of these tests takes.
const most = 64 << 10

func sized(c driver.Capabilities) driver.Capabilities {
	c.MaxPayload = most
	return c
}

// fits refuses those tasks of a batch that are larger than a message may be.
func fits(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
	var be runtime.BatchError
	answers := make([]runtime.Enqueued, len(ts))
	for i, t := range ts {
		if len(t.Payload) > most {
			be.Add(i, t.ID, runtime.ErrPayloadTooLarge)
			continue
		}
		one, err := q.Enqueue(ctx, ts[i:i+1])
		answers[i] = one[0]
		be.Add(i, t.ID, runtime.ErrorAt(err, 0))
	}
	return answers, be.OrNil()
}

// asAWhole refuses a move of a task whose envelope is larger than a payload may be.
func asAWhole(move func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error) func(referenceQueue, context.Context, []*driver.Delivery) error {
	return func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		var be runtime.BatchError
		for i, d := range ds {
			if len(driver.AppendEnvelope(nil, d.Task)) > most+512 {
				be.Add(i, d.Task.ID, runtime.ErrPayloadTooLarge)
				return be.OrNil()
			}
		}
		return move(q, ctx, ds)
	}
}

// foreignBytes stands for bytes on the reference queue, which has tasks only.
func foreignBytes(tb testing.TB, _ string, q driver.Queue, body []byte) bool {
	text := base64.StdEncoding.EncodeToString(body)
	t := &runtime.Task{ID: fmt.Sprint("bytes-", len(body), "-", time.Now().UnixNano()), Type: "letter", Queue: q.Config().Name, Payload: []byte(`["bytes","` + text + `"]`), CreatedAt: time.Now()}
	if q.Config().Type == runtime.FIFO {
		t.GroupKey = t.ID
	}
	if _, err := q.Enqueue(context.Background(), []*runtime.Task{t}); err != nil {
		tb.Fatal(err)
	}
	return true
}

func isForeign(d *driver.Delivery) bool {
	return len(d.Task.Payload) > 8 && string(d.Task.Payload[:8]) == `["bytes"`
}

func withBytes(f fault) *Harness {
	h := faultyHarness(f)
	h.Raw, h.MaxRaw = foreignBytes, 32<<10
	return h
}

func TestAProviderThatRefusesOneMessageAtATimePasses(t *testing.T) {
	t.Parallel()
	h := withBytes(fault{caps: sized, enqueue: fits})
	for _, name := range []string{testRefusal, testFullSize, testWorks} {
		r := runTestCase(t, h, name, defaultPatience)
		assert.False(t, r.Failed(), "%s: %s", name, r.Text())
	}
	r := runTestCase(t, withBytes(fault{}), testBytes, defaultPatience)
	assert.False(t, r.Failed(), r.Text())
}

func TestAProviderWhoseRefusalsHarmOthersFails(t *testing.T) {
	t.Parallel()
	release := func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error { return q.Release(ctx, ds) }
	bury := func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error { return q.DeadLetter(ctx, ds) }
	// agrees opens a queue that is refused under a declaration that fits.
	agrees := func(refused func(runtime.QueueConfig) bool, fitting func(*runtime.QueueConfig)) fault {
		return fault{declare: func(p runtime.Provider, ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
			q, err := p.Open(ctx, cfg)
			if errors.Is(err, driver.ErrQueueMismatch) && refused(cfg) {
				fitting(&cfg)
				return p.Open(ctx, cfg)
			}
			return q, err
		}}
	}
	named := func(name string) func(runtime.QueueConfig) bool {
		return func(cfg runtime.QueueConfig) bool { return cfg.Name == name }
	}
	for name, c := range map[string]struct {
		test  string
		fault fault
	}{
		"buries on a queue for tasks":         {testWorks, agrees(named("reports"), func(cfg *runtime.QueueConfig) { cfg.DLQ = "" })},
		"hands out the dead to other workers": {testWorks, agrees(named("orders-dlq"), func(cfg *runtime.QueueConfig) { cfg.DLQ, cfg.Types = "", nil })},
		"hands out the dead to workers of a declared type": {testWorks, agrees(
			func(cfg runtime.QueueConfig) bool { return len(cfg.Types) > 0 }, func(cfg *runtime.QueueConfig) { cfg.Types = nil })},
		"refuses the whole batch": {testRefusal, fault{caps: sized, enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			for _, t := range ts {
				if len(t.Payload) > most {
					return make([]runtime.Enqueued, len(ts)), runtime.ErrPayloadTooLarge
				}
			}
			return q.Enqueue(ctx, ts)
		}}},
		"takes what is refused for stored": {testRefusal, fault{caps: sized, enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			answers, _ := fits(q, ctx, ts)
			return answers, nil
		}}},
		"stores what comes before a refusal twice": {testRefusal, fault{caps: sized, enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			answers, err := fits(q, ctx, ts)
			if err != nil {
				again := ts[1].Clone()
				again.ID += "-again"
				_, _ = q.Enqueue(ctx, []*runtime.Task{again})
			}
			return answers, err
		}}},
		"loses leases by a refusal":             {testRefusal, fault{caps: sized, enqueue: fits, complete: func(referenceQueue, context.Context, []*driver.Delivery) error { return runtime.ErrLeaseLost }}},
		"has no room for the notes of a retry":  {testFullSize, fault{caps: sized, enqueue: fits, release: asAWhole(release)}},
		"has no room for the notes of a burial": {testFullSize, fault{caps: sized, enqueue: fits, deadLetter: asAWhole(bury)}},
		"cuts what it buries": {testFullSize, fault{caps: sized, enqueue: fits, dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			ds, err := q.Dequeue(ctx, limit, lease)
			for _, d := range ds {
				if d.Task.Metadata[driver.MetaFailureReason] != "" {
					d.Task.Payload = payload(most / 2)
				}
			}
			return ds, err
		}}},
		"stops at bytes that it cannot decode": {testBytes, fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			ds, err := q.Dequeue(ctx, limit, lease)
			for _, d := range ds {
				if isForeign(d) {
					return nil, runtime.ErrInvalidTask
				}
			}
			return ds, err
		}}},
		"puts bytes that it cannot decode back": {testBytes, fault{deadLetter: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
			for _, d := range ds {
				if isForeign(d) {
					return q.Release(ctx, ds)
				}
			}
			return q.DeadLetter(ctx, ds)
		}}},
		"drops bytes that it cannot decode": {testBytes, fault{deadLetter: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
			for _, d := range ds {
				if isForeign(d) {
					return q.Complete(ctx, ds)
				}
			}
			return q.DeadLetter(ctx, ds)
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runTestCase(t, withBytes(c.fault), c.test, time.Second)
			assert.True(t, r.Failed(), "a provider that %s passes %q", name, c.test)
		})
	}
}
