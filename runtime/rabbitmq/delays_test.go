package rabbitmq

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// lowLadder makes a ladder whose longest step takes a second, so that a delay of some
// seconds goes the way of one of some days: round after round over the top.
func lowLadder(p *Provider) { p.top = 2 }

// onQueue opens the queue "q" over a low ladder, for a scheduler without a store.
func onQueue(t *testing.T, addr string) (*runtime.Manager, driver.Queue) {
	at, prefix, _ := strings.Cut(addr, "#")
	p, err := Open(within(t), at, WithPrefix(prefix), lowLadder)
	require.NoError(t, err)
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(within(t), noting{p, roomOf(addr)}, driver.QueueConfig{Name: "q"}))
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
	q, err := m.Queue("q")
	require.NoError(t, err)
	return m, q
}

func TestADelayBeyondTheLadderGoesByHopsAndIsNeverEarly(t *testing.T) {
	addr := data(t)
	m, q := onQueue(t, addr)
	jobs := schedule.OnQueue(m)
	due := make(map[string]time.Time)
	for i, d := range []time.Duration{2500 * time.Millisecond, 4 * time.Second, 6 * time.Second, 6200 * time.Millisecond} {
		assert.Greater(t, d, 2*step(2), "it takes the longest step more than once")
		one := tasks(4)[i]
		due[one.ID] = time.Now().Add(d)
		id, err := jobs.Schedule(within(t), schedule.Job{When: schedule.At(due[one.ID]), Task: one})
		require.NoError(t, err)
		assert.Equal(t, schedule.JobID("q/"+one.ID), id)
	}
	stats, err := q.Stats(within(t))
	require.NoError(t, err)
	assert.Zero(t, stats.Ready)
	for range 4 {
		d := takeN(t, q.(*queue), 1)[0]
		at := time.Now()
		require.Contains(t, due, d.Task.ID, "none comes twice")
		assert.False(t, at.Before(due[d.Task.ID]), "%s came %s early", d.Task.ID, due[d.Task.ID].Sub(at))
		delete(due, d.Task.ID)
		require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
	}
	assert.Empty(t, due)
	assert.Empty(t, drainIDs(t, q.(*queue)))
}

// A task that has left the gate, and whose arrival the broker confirms late, is not moved
// again by the next process.
func TestAMoveThatIsUnderWayWhenItsProviderIsClosedIsMadeOnce(t *testing.T) {
	addr := data(t)
	q := open(t, addr, driver.QueueConfig{})
	one := task("1")
	one.ScheduledFor = time.Now().Add(time.Second)
	put(t, q, one)
	relay := &q.st.delayRelay
	atGate := func(n, held int) func() bool {
		return func() bool {
			relay.mu.Lock()
			defer relay.mu.Unlock()
			return relay.n == n && len(relay.held) == held
		}
	}
	require.Eventually(t, atGate(1, 1), soon, time.Millisecond)
	roomOf(addr).proxy.Delay(closeWait / 2)
	require.Eventually(t, atGate(1, 0), soon, time.Millisecond, "it is on its way")
	require.NoError(t, q.p.Close())
	roomOf(addr).proxy.Delay(0)
	assert.Equal(t, map[string]int{"1": 1}, drainIDs(t, open(t, addr, driver.QueueConfig{})))
}

// Who has made a hop may be gone when the next one is due: the task waits at the gate
// for anybody who opens the queue.
func TestADelayGoesOnWhenTheProcessThatMadeItsHopsIsGone(t *testing.T) {
	addr := data(t)
	m, q := onQueue(t, addr)
	due := time.Now().Add(4 * time.Second)
	_, err := schedule.OnQueue(m).Schedule(within(t), schedule.Job{When: schedule.At(due), Task: task("1")})
	require.NoError(t, err)
	ctx, cancel := context.WithDeadline(context.Background(), due.Add(-2*time.Second))
	_, err = q.Dequeue(ctx, 1, time.Minute)
	cancel()
	require.ErrorIs(t, err, driver.ErrNoTasks)
	require.NoError(t, q.(*queue).p.Close())

	_, q = onQueue(t, addr)
	d := takeN(t, q.(*queue), 1)[0]
	assert.False(t, time.Now().Before(due))
	assert.Equal(t, "1", d.Task.ID)
	assert.Zero(t, d.Crashes)
}

func TestAJobThatLivesInTheBrokerAloneIsNeitherCancelledNorModified(t *testing.T) {
	m, q := onQueue(t, data(t))
	jobs := schedule.OnQueue(m)
	id, err := jobs.Schedule(within(t), schedule.Job{When: schedule.In(time.Hour), Task: task("1")})
	require.NoError(t, err)
	_, now := jobs.RunNow(within(t), id)
	for _, err := range []error{jobs.Cancel(within(t), id), jobs.Modify(within(t), id, schedule.Change{When: schedule.In(time.Second)}), now} {
		require.ErrorIs(t, err, driver.ErrUnsupported)
		require.ErrorContains(t, err, "schedule.New")
	}
	n, err := q.(driver.Purger).Purge(within(t))
	require.NoError(t, err)
	assert.Equal(t, 1, n, "it is where it was")
}
