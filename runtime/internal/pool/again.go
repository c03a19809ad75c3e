package pool

import (
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// latest drops deliveries that are followed by a later one of the same task.
func latest(ds []*driver.Delivery) []*driver.Delivery {
	if !slices.ContainsFunc(ds, func(d *driver.Delivery) bool { return d.Crashes > 0 }) {
		return ds
	}
	last := make(map[string]int, len(ds))
	for _, d := range ds {
		last[d.Task.ID] = max(last[d.Task.ID], d.Crashes)
	}
	var kept []*driver.Delivery
	for _, d := range ds {
		if d.Crashes == last[d.Task.ID] {
			kept = append(kept, d)
		}
	}
	return kept
}

// Bounds of how long a task waits that was delivered again before its last run, whose
// lease was lost, has ended.
const (
	minAgainDelay = 20 * time.Millisecond
	maxAgainDelay = 5 * time.Second
)

// againDelay is how long such a task waits: for as long as the lease of the last run has
// been over, which is a short time at first, because most handlers end soon after their
// context, and a long one while a handler does not.
func againDelay(over time.Duration) time.Duration {
	return min(max(over, minAgainDelay), maxAgainDelay)
}

// runsOfLocked returns what the consumer runs, by the tasks' IDs, if a task of ds may
// be among it: its lease has ended, and its handler ignores that, or the lease extender
// has not noticed yet. If a task is delivered again before it has begun, after the
// machine slept say, or by a queue that delivers a task twice, only the new delivery is
// kept.
func (c *consumer) runsOfLocked(ds []*driver.Delivery) map[string]*item {
	if c.overdue+c.crashed == 0 && !slices.ContainsFunc(ds, func(d *driver.Delivery) bool { return d.Crashes > 0 }) {
		return nil
	}
	runs, waiting := make(map[string]*item), make(map[string]*item)
	for it := range c.itemsLocked() {
		switch it.state {
		case running:
			runs[it.d.Task.ID] = it
		case buffered:
			waiting[it.d.Task.ID] = it
		}
	}
	now := c.clock.Now()
	for _, d := range ds {
		switch it := waiting[d.Task.ID]; {
		case it == nil || it.state != buffered:
		case d.Crashes > it.d.Crashes || !it.d.LeaseUntil.After(now):
			c.loseLocked(it)
		case d.Crashes < it.d.Crashes:
			runs[d.Task.ID] = it // an earlier delivery, now superseded
		}
	}
	return runs
}
