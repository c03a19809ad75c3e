package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/taskgen/taskgen/runtime/driver"
)

// settle calls do with some deliveries, stale ones among them, and checks that
// exactly the stale ones are refused.
func (x *machine) settle(t *rapid.T, held []*holding, do func([]*driver.Delivery) error, then func(*holding), late ...func(*holding)) {
	if len(held) == 0 {
		t.Skip("nothing was handed out")
	}
	some := rapid.SliceOfNDistinct(rapid.IntRange(0, len(held)-1), 1, min(4, len(held)), rapid.ID).Draw(t, "deliveries")
	ds := make([]*driver.Delivery, len(some))
	for i, n := range some {
		ds[i] = held[n].d
	}
	err := do(ds)
	for i, n := range some {
		h := held[n]
		if h.stale() {
			require.ErrorIs(t, driver.ErrorAt(err, i), driver.ErrLeaseLost)
			for _, f := range late {
				f(h)
			}
			continue
		}
		require.NoError(t, driver.ErrorAt(err, i))
		then(h)
	}
}

func (x *machine) complete(t *rapid.T, q *queue, m *model, held []*holding) {
	x.settle(t, held, func(ds []*driver.Delivery) error { return q.Complete(context.Background(), ds) },
		func(h *holding) { h.mt.state = ""; m.remove(h.mt) })
}

func (x *machine) extend(t *rapid.T) {
	lease := rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "lease")
	x.settle(t, x.held, func(ds []*driver.Delivery) error { return x.q.Extend(context.Background(), ds, lease) },
		func(h *holding) {
			h.mt.ends = x.clock.now.Add(lease)
			require.True(t, h.d.LeaseUntil.Equal(h.mt.ends))
		})
}

func (x *machine) release(t *rapid.T, q *queue, m *model, held []*holding) {
	delay := aDelay.Draw(t, "delay")
	x.settle(t, held, func(ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Delay = delay
			d.Task.RetryCount++
			if d.Task.Metadata == nil {
				d.Task.Metadata = make(map[string]string)
			}
			d.Task.Metadata["tries"] = fmt.Sprint(d.Task.RetryCount)
		}
		return q.Release(context.Background(), ds)
	}, func(h *holding) {
		h.mt.task.RetryCount, h.mt.task.Metadata = h.d.Task.RetryCount, maps.Clone(h.d.Task.Metadata)
		m.schedule(h.mt, x.clock.now.Add(delay), x.clock.now)
	}, func(h *holding) {
		if h.mt.ended[h.lease] { // it was no crash, says its worker
			delete(h.mt.ended, h.lease)
			h.mt.crashes--
		}
	})
}

func (x *machine) deadLetter(t *rapid.T) {
	x.settle(t, x.held, func(ds []*driver.Delivery) error {
		for _, d := range ds {
			driver.RecordDeath(d.Task, "jobs", x.clock.now, errors.New("boom"))
		}
		return x.q.DeadLetter(context.Background(), ds)
	}, func(h *holding) {
		h.mt.state = ""
		x.m.remove(h.mt)
		t := h.mt.task
		t.RetryCount, t.Metadata = h.d.Task.RetryCount, h.d.Task.Metadata
		mt := x.dm.add(t, x.clock.now, x.clock.now)
		mt.origin, mt.stays = "jobs", true
	})
}
