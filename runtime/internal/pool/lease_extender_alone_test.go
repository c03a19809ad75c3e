package pool

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

// An extenderAlone is a lease extender without a pool: items are all that there is.
type extenderAlone struct {
	leaseExtender
	mon   monitor
	q     *fakeQueue
	log   logTap
	items []*item
	lost  sheet[string]
	end   func()
}

// startExtender runs a lease extender until end is called.
func startExtender(t *testing.T, q *fakeQueue, items ...*item) *extenderAlone {
	t.Helper()
	e := &extenderAlone{q: q, items: items}
	e.mon.init(1, func() *slog.Logger { return slog.New(&e.log) }, nil, nil)
	e.leaseExtender.mon = &e.mon
	e.dueLocked = func(now time.Time) (due []*item) {
		for _, it := range e.items {
			if !it.lost && it.d.LeaseUntil.Sub(now) <= e.lease*2/3 {
				due = append(due, it)
			}
		}
		return due
	}
	e.firstEndLocked = func() (end time.Time) {
		for _, it := range e.items {
			if !it.lost && (end.IsZero() || it.d.LeaseUntil.Before(end)) {
				end = it.d.LeaseUntil
			}
		}
		return end
	}
	e.leaseExtender.loseLocked = func(it *item) {
		it.lost = true
		e.lost.add(it.d.Task.ID)
	}
	e.clock = driver.SystemClock
	e.init(q)
	e.end = background(t, e.run)
	return e
}

func TestALeaseExtenderKeepsLeasesAndTellsWhichAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(t, driver.QueueConfig{Name: "q", Visibility: 30 * time.Second})
		items := leasedItems(t, q, 30*time.Second, "kept", "lost")
		e := startExtender(t, q, items...)
		pass(9 * time.Second)
		assert.Zero(t, q.calls("extend"), "a third of the lease is not over yet")
		q.mu.Lock()
		delete(q.leased, "lost")
		q.mu.Unlock()
		pass(5 * time.Minute)
		e.end()
		assert.Equal(t, []string{"lost"}, e.lost.all())
		assert.Equal(t, 1, q.calls("extend kept lost"))
		assert.True(t, items[0].d.LeaseUntil.After(time.Now()))
	})
}

func TestALeaseExtenderTriesOnWhileTheLeaseLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(t, driver.QueueConfig{Name: "q", Visibility: 30 * time.Second})
		items := leasedItems(t, q, 30*time.Second, "a")
		fails := 5
		q.before = func(call string, _ []*driver.Delivery) error {
			if fails--; fails >= 0 {
				return errors.New("away")
			}
			return nil
		}
		e := startExtender(t, q, items...)
		pass(time.Minute)
		e.end()
		assert.Empty(t, e.lost.all())
		assert.True(t, items[0].d.LeaseUntil.After(time.Now()))
		assert.Equal(t, 1, e.log.count("cannot extend leases"))
	})
}

func TestALeaseExtenderGivesBackWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(t, driver.QueueConfig{Name: "q", Visibility: 30 * time.Second})
		lost := leasedItems(t, q, time.Second, "a")[0]
		e := startExtender(t, q)
		fails := 2
		q.before = func(call string, _ []*driver.Delivery) error {
			if fails--; fails >= 0 {
				return errors.New("away")
			}
			return nil
		}
		pass(time.Second)
		e.mon.Lock()
		e.giveBackLocked(lost.d)
		e.mon.Unlock()
		pass(time.Minute)
		e.end()
		assert.Equal(t, 3, q.calls("release a"))
		assert.Empty(t, e.stale)
	})
}
