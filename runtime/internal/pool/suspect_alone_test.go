package pool

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A filterAlone is a suspectFilter without a pool. Tasks that have crashed twice are
// suspects.
type filterAlone struct {
	suspectFilter
	mon      monitor
	suspects suspects
	check    crashCheck
	q        *fakeQueue
	log      logTap
	arrived  bool // the consumer has its tasks; guarded by mon
	recalled sheet[string]
}

func newFilterAlone(t *testing.T) *filterAlone {
	t.Helper()
	f := &filterAlone{q: newFakeQueue(t, driver.QueueConfig{Name: "q", Visibility: time.Minute}), arrived: true}
	f.mon.init(1, func() *slog.Logger { return slog.New(&f.log) }, nil, nil)
	f.check = crashCheck{queue: "q", limit: 4, forgives: true, excused: &excuses{}}
	f.suspectFilter = suspectFilter{mon: &f.mon, suspects: &f.suspects, check: &f.check, recallLocked: func(d *driver.Delivery) bool {
		f.recalled.add(d.Task.ID)
		return f.arrived
	}}
	f.init(f.q)
	return f
}

// leased leases new tasks, of which those with an ID of more than one letter have crashed.
func (f *filterAlone) leased(t *testing.T, ids ...string) []*driver.Delivery {
	t.Helper()
	putOn(t, f.q, ids...)
	ds, err := f.q.Dequeue(t.Context(), len(ids), time.Minute)
	require.NoError(t, err)
	for _, d := range ds {
		if len(d.Task.ID) > 1 {
			d.Crashes = 2
		}
	}
	return ds
}

func idsOf(ds []*driver.Delivery) (ids []string) {
	for _, d := range ds {
		ids = append(ids, d.Task.ID)
	}
	return ids
}

func TestAFilterKeepsOneSuspectAndGivesTheOthersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilterAlone(t)
		kept, back := f.split(t.Context(), f.leased(t, "a", "s1", "b", "s2", "s3"))
		assert.Equal(t, []string{"a", "s1", "b"}, idsOf(kept))
		assert.Empty(t, back)
		assert.Equal(t, 1, f.q.calls("release s2 s3"))

		pass(suspectQuiet / 2)
		f.mon.Lock()
		assert.Equal(t, suspectQuiet/2, f.suspects.quietLocked(time.Now()))
		assert.True(t, f.suspects.letGoLocked(kept[1]))
		assert.Zero(t, f.suspects.quietLocked(time.Now()))
		f.mon.Unlock()
		next, _ := f.split(t.Context(), f.leased(t, "s4", "s5"))
		assert.Equal(t, []string{"s4"}, idsOf(next), "the first is done")
	})
}

func TestAFilterHandsOnTheSuspectsThatTheQueueDoesNotTakeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilterAlone(t)
		ds := f.leased(t, "s1", "s2", "s3", "s4")
		f.q.before = func(call string, _ []*driver.Delivery) error {
			var be driver.BatchError
			be.Add(0, "s2", errors.New("away"))
			be.Add(2, "s4", driver.ErrLeaseLost)
			return &be
		}
		kept, back := f.split(t.Context(), ds)
		assert.Equal(t, []string{"s1"}, idsOf(kept))
		assert.Equal(t, []string{"s2"}, idsOf(back))
		assert.Equal(t, minSuspectDelay, back[0].Delay)
		assert.Equal(t, 1, f.log.count("cannot give tasks back"))
	})
}

func TestAFilterRecallsASuspectThatDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilterAlone(t)
		f.arrived = false
		f.split(t.Context(), f.leased(t, "s1"))
		pass(suspectQuiet - 1)
		assert.Empty(t, f.recalled.all())
		pass(1)
		f.mon.Lock()
		f.arrived = true
		f.mon.Unlock()
		pass(suspectQuiet)
		assert.Equal(t, []string{"s1", "s1"}, f.recalled.all(), "again, because it was on its way")
		pass(time.Hour)
		assert.Len(t, f.recalled.all(), 2)
	})
}

func TestAFilterRecallsNoSuspectThatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilterAlone(t)
		kept, _ := f.split(t.Context(), f.leased(t, "s1"))
		f.mon.Lock()
		f.suspects.letGoLocked(kept[0])
		f.mon.Unlock()
		pass(time.Hour)
		assert.Empty(t, f.recalled.all())
	})
}
