package pool

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A drainAlone is a drain without a pool, that keeps what it fetches.
type drainAlone struct {
	drain
	mon    monitor
	q      *fakeQueue
	log    logTap
	behind receives
	over   sync.WaitGroup // of behind
	ending bool
	kept   sheet[string]
	back   sheet[string]
}

func newDrainAlone(t *testing.T, vague bool) *drainAlone {
	t.Helper()
	d := &drainAlone{q: newFakeQueue(t, driver.QueueConfig{Name: "q"})}
	d.q.vague = vague
	d.mon.init(1, func() *slog.Logger { return slog.New(&d.log) }, nil, nil)
	d.behind.all = &d.over
	d.drain = drain{
		mon: &d.mon, most: 2, receives: &d.behind,
		enter: func() func() {
			if d.ending {
				return nil
			}
			return func() {}
		},
		separate: func(ds []*driver.Delivery) (kept, back []*driver.Delivery) { return ds, nil },
		insertLocked: func(kept, back []*driver.Delivery) {
			for _, one := range kept {
				d.kept.add(one.Task.ID)
			}
			for _, one := range back {
				d.back.add(one.Task.ID)
			}
		},
	}
	d.init(d.q)
	return d
}

func TestADrainFetchesWhatIsReadyInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrainAlone(t, false)
		putOn(t, d.q, "a", "b", "c")
		for _, want := range []int{2, 1, 0} {
			n, err := d.fetchReady(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, want, n)
		}
		assert.Equal(t, []string{"a", "b", "c"}, d.kept.all())
		assert.Equal(t, 2, d.q.calls("dequeue"), "none was ready for a third")
		assert.True(t, d.proven())
	})
}

func TestADrainOfAQueueThatCountsVaguelyTakesALookOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrainAlone(t, true)
		_, err := d.fetchReady(t.Context())
		assert.NoError(t, err)
		assert.False(t, d.proven())
		began := time.Now()
		n, err := d.lookClosely(t.Context())
		assert.NoError(t, err)
		assert.Zero(t, n)
		assert.Equal(t, drainLook, time.Since(began))

		time.AfterFunc(drainLook/2, func() { putOn(t, d.q, "a") })
		n, err = d.lookClosely(t.Context())
		assert.NoError(t, err)
		assert.Equal(t, 1, n)
		assert.Equal(t, []string{"a"}, d.kept.all())
	})
}

func TestADrainPutsTasksOffThatItHasGivenBackWithADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrainAlone(t, true)
		items := leasedItems(t, d.q, time.Minute, "delayed", "at once")
		items[0].decide(Snoozed, time.Second)
		items[1].decide(Released, 0)
		d.note(items)
		d.q.mu.Lock()
		for id, f := range d.q.leased {
			delete(d.q.leased, id)
			d.q.ready = append(d.q.ready, f)
		}
		d.q.mu.Unlock()
		n, err := d.lookClosely(t.Context())
		assert.NoError(t, err)
		assert.Equal(t, 1, n)
		assert.Equal(t, []string{"at once"}, d.kept.all())
		assert.Equal(t, []string{"delayed"}, d.back.all())
	})
}

func TestADrainLooksAgainIfAReceiveWasLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrainAlone(t, true)
		over := d.behind.begin()
		time.AfterFunc(drainLook+time.Second-idlePause/2, over)
		began := time.Now()
		n, err := d.lookClosely(t.Context())
		assert.NoError(t, err)
		assert.Zero(t, n)
		assert.Equal(t, drainLook+time.Second+drainLook, time.Since(began))
	})
}

func TestADrainFetchesNothingForARunThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDrainAlone(t, false)
		putOn(t, d.q, "a")
		d.ending = true
		n, err := d.fetchReady(t.Context())
		assert.NoError(t, err)
		assert.Zero(t, n)
		assert.Zero(t, d.q.calls("dequeue"))
	})
}
