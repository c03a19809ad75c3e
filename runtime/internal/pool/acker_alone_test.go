package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// leasedItems leases new tasks of q, as items that no batch has.
func leasedItems(t *testing.T, q *fakeQueue, lease time.Duration, ids ...string) []*item {
	t.Helper()
	var tasks []*driver.Task
	for _, id := range ids {
		tasks = append(tasks, &driver.Task{ID: id, Type: "job", Queue: "q", Payload: []byte("1")})
	}
	_, err := q.Enqueue(t.Context(), tasks)
	require.NoError(t, err)
	ds, err := q.Dequeue(t.Context(), len(ids), lease)
	require.NoError(t, err)
	items := make([]*item, len(ds))
	for i, d := range ds {
		items[i] = &item{d: d}
	}
	return items
}

// An ackerAlone is an acker without a pool, and what it tells its consumer.
type ackerAlone struct {
	acker
	mon  monitor
	q    *fakeQueue
	log  logTap
	told sheet[string]
}

func newAckerAlone(t *testing.T) *ackerAlone {
	t.Helper()
	a := &ackerAlone{q: newFakeQueue(t, driver.QueueConfig{Name: "q"})}
	a.mon.init(1, func() *slog.Logger { return slog.New(&a.log) }, nil, nil)
	a.acker.mon, a.now = &a.mon, time.Now
	a.companyLocked = func(_ time.Time, most time.Duration) time.Duration { return most }
	a.leaving = func(items []*item) {
		for _, it := range items {
			a.told.add("leaving " + it.d.Task.ID)
		}
	}
	a.closeLocked = func(it *item, lost bool) { a.told.add(fmt.Sprint("close ", it.d.Task.ID, " ", lost)) }
	a.init(a.q, 0)
	return a
}

func (a *ackerAlone) add(outcome Outcome, items ...*item) {
	a.mon.Lock()
	defer a.mon.Unlock()
	for _, it := range items {
		it.outcome, it.state = outcome, settling
		a.addLocked(it, false)
	}
}

// ended runs the acker until all is settled.
func (a *ackerAlone) ended(ctx context.Context) {
	a.mon.Lock()
	a.finishLocked()
	a.mon.Unlock()
	a.run(ctx)
}

func TestAnAckerSettlesWhatCameWithinItsLingerInOneCallForEachOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAckerAlone(t)
		items := leasedItems(t, a.q, time.Minute, "a", "b", "c", "d", "e")
		var over atomic.Bool
		go func() {
			a.run(t.Context())
			over.Store(true)
		}()
		a.add(Completed, items[0])
		pass(linger / 2)
		assert.Zero(t, a.q.calls("complete"))
		a.add(Completed, items[1])
		a.add(Died, items[2])
		a.add(Retried, items[3])
		a.add(Released, items[4])
		pass(linger / 2)
		assert.Equal(t, []string{"complete a b", "dead letter c", "release d e"}, a.q.lines()[1:])
		assert.Equal(t, []string{
			"leaving a", "leaving b", "close a false", "close b false",
			"leaving c", "close c false",
			"leaving d", "leaving e", "close d false", "close e false",
		}, a.told.all())
		a.mon.Lock()
		a.finishLocked()
		a.mon.Unlock()
		synctest.Wait()
		assert.True(t, over.Load(), "it ends when all is settled")
	})
}

func TestAnAckerTellsWhoseLeaseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAckerAlone(t)
		short := leasedItems(t, a.q, time.Second, "over")
		items := leasedItems(t, a.q, time.Minute, "refused", "good")
		a.q.before = func(call string, _ []*driver.Delivery) error {
			var be driver.BatchError
			be.Add(0, "refused", driver.ErrLeaseLost)
			return &be
		}
		pass(time.Second)
		a.add(Completed, append(short, items...)...)
		a.ended(t.Context())
		assert.Equal(t, []string{"close over true", "leaving refused", "leaving good", "close refused true", "close good false"}, a.told.all())
	})
}

func TestAnAckerTriesOnWithWhatTheQueueDidNotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAckerAlone(t)
		fails := 3
		a.q.before = func(call string, _ []*driver.Delivery) error {
			if fails--; call == "complete" && fails >= 0 {
				return errors.New("away")
			}
			return nil
		}
		items := leasedItems(t, a.q, time.Minute, "a")
		fails = 3
		a.add(Completed, items...)
		a.ended(t.Context())
		assert.Equal(t, 4, a.q.calls("complete a"))
		assert.Equal(t, []string{"leaving a", "leaving a", "leaving a", "leaving a", "close a false"}, a.told.all())
		assert.Equal(t, 1, a.log.count("cannot settle tasks"))
	})
}
