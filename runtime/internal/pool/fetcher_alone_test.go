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

// A fetcherAlone is a fetcher without a pool: there is room for as many tasks as free says.
type fetcherAlone struct {
	fetcher
	mon  monitor
	busy busyWorkers
	q    *fakeQueue
	log  logTap
	free int // guarded by mon
	kept sheet[string]
	back sheet[string]
	end  func()
}

// startFetcher runs a fetcher until end is called. Tasks with an ID of more than one letter
// are to go back.
func startFetcher(t *testing.T, q *fakeQueue, free int) *fetcherAlone {
	t.Helper()
	f := &fetcherAlone{q: q, free: free, busy: newBusyWorkers(1, time.Now())}
	f.mon.init(1, func() *slog.Logger { return slog.New(&f.log) }, nil, nil)
	f.fetcher.mon = &f.mon
	f.roomLocked = func(time.Time) int { return f.free }
	f.separate = func(ds []*driver.Delivery) (kept, back []*driver.Delivery) {
		for _, d := range ds {
			if len(d.Task.ID) > 1 {
				back = append(back, d)
			} else {
				kept = append(kept, d)
			}
		}
		return kept, back
	}
	f.insertLocked = func(kept, back []*driver.Delivery) {
		f.free -= len(kept)
		for _, d := range kept {
			f.kept.add(d.Task.ID)
		}
		for _, d := range back {
			f.back.add(d.Task.ID)
		}
	}
	f.init(q, newPace(1, &f.busy, 0))
	f.end = background(t, f.run)
	return f
}

// makeRoom is what a consumer does when workers have become free.
func (f *fetcherAlone) makeRoom(n int) {
	f.mon.Lock()
	defer f.mon.Unlock()
	f.free += n
	f.notifyLocked(0)
}

func putOn(t *testing.T, q *fakeQueue, ids ...string) {
	t.Helper()
	var tasks []*driver.Task
	for _, id := range ids {
		tasks = append(tasks, &driver.Task{ID: id, Type: "job", Queue: "q", Payload: []byte("1")})
	}
	_, err := q.Enqueue(t.Context(), tasks)
	assert.NoError(t, err)
}

func TestAFetcherAsksForWhatThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(t, driver.QueueConfig{Name: "q"})
		putOn(t, q, "a", "b", "back", "c", "d", "e")
		f := startFetcher(t, q, 3)
		synctest.Wait()
		assert.Equal(t, []string{"a", "b", "c"}, f.kept.all())
		assert.Equal(t, []string{"back"}, f.back.all())
		pass(time.Hour)
		assert.Equal(t, []string{"dequeue 3", "dequeue 1"}, q.lines(), "without room it asks for nothing")
		f.makeRoom(2)
		synctest.Wait()
		assert.Equal(t, []string{"a", "b", "c", "d", "e"}, f.kept.all())
		f.end()
	})
}

func TestAFetcherGoesOnWhenItsQueueIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(t, driver.QueueConfig{Name: "q"})
		fails := 5
		q.before = func(string, []*driver.Delivery) error {
			if fails--; fails >= 0 {
				return errors.New("away")
			}
			return nil
		}
		putOn(t, q, "a")
		f := startFetcher(t, q, 1)
		pass(time.Minute)
		f.end()
		assert.Equal(t, []string{"a"}, f.kept.all())
		assert.Equal(t, 6, q.calls("dequeue"))
		assert.Equal(t, 1, f.log.count("cannot fetch tasks, will keep trying"))
		assert.Equal(t, 1, f.log.count("fetching tasks again"))
	})
}

func TestAFetcherEndsWithItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue(t, driver.QueueConfig{Name: "q"})
		f := startFetcher(t, q, 1)
		synctest.Wait()
		assert.NoError(t, q.Close())
		pass(time.Hour)
		assert.Equal(t, 1, q.calls("dequeue"))
		assert.Equal(t, 1, f.log.count("queue is closed"))
		f.end()
	})
}
