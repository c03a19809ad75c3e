package redis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// dies enqueues a task on a queue and buries it.
func dies(t *testing.T, q *queue, id string) {
	t.Helper()
	enqueue(t, q, func() *driver.Task { d := task(id); d.Queue = q.cfg.Name; return d }())
	require.NoError(t, q.DeadLetter(within(t), take(t, q, 1)))
}

func idsOf(ds []*driver.Delivery) []string {
	ids := []string{}
	for _, d := range ds {
		ids = append(ids, d.Task.ID)
	}
	return ids
}

// TestADeadLetterQueueShowsTheDeadOfAllQueuesThatNameIt runs on a cluster, where
// these are on different nodes.
func TestADeadLetterQueueShowsTheDeadOfAllQueuesThatNameIt(t *testing.T) {
	s, err := sharedCluster()
	require.NoError(t, err)
	p := open(t, withPrefix(s.URL, newPrefix()))
	deadKeyspaces := openQueue(t, p, driver.QueueConfig{Name: "graves"})
	assert.True(t, deadKeyspaces.Capabilities().Redrive, "nobody has named it yet")
	enqueue(t, deadKeyspaces, func() *driver.Task { d := task("its own"); d.Queue = "graves"; return d }())
	want := []string{"its own"}
	var queues []*queue
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		q := openQueue(t, p, driver.QueueConfig{Name: name, DLQ: "graves"})
		dies(t, q, "dead of "+name)
		want = append(want, "dead of "+name)
		queues = append(queues, q)
	}
	assert.EqualValues(t, 6, stats(t, deadKeyspaces).Ready)
	listed, next, err := deadKeyspaces.Browse(within(t), driver.Ready, "", 4)
	require.NoError(t, err)
	rest, end, err := deadKeyspaces.Browse(within(t), driver.Ready, next, 4)
	require.NoError(t, err)
	assert.Empty(t, end)
	assert.Len(t, append(listed, rest...), 6)
	ds := take(t, deadKeyspaces, 6)
	assert.ElementsMatch(t, want, idsOf(ds))
	assert.EqualValues(t, 6, stats(t, deadKeyspaces).Leased)
	for _, q := range queues {
		assert.EqualValues(t, 1, stats(t, q).Dead)
	}
	// Receipts of several nodes in one call, one of them stale.
	require.NoError(t, deadKeyspaces.Complete(within(t), ds[1:2]))
	err = deadKeyspaces.Complete(within(t), ds)
	for i := range ds {
		if i == 1 {
			assert.ErrorIs(t, driver.ErrorAt(err, i), driver.ErrLeaseLost)
		} else {
			assert.NoError(t, driver.ErrorAt(err, i))
		}
	}
	assert.Zero(t, stats(t, deadKeyspaces).Leased)
	require.ErrorIs(t, deadKeyspaces.DeadLetter(within(t), ds[1:2]), driver.ErrUnsupported)
}

func TestAWorkerOfADeadLetterQueueIsWokenByADeath(t *testing.T) {
	url := sharedURL(t)
	p := open(t, url)
	q := openQueue(t, open(t, url), driver.QueueConfig{DLQ: "graves"})
	deadKeyspaces := openQueue(t, p, driver.QueueConfig{Name: "graves"})
	got := make(chan []*driver.Delivery, 1)
	go func() {
		ds, err := deadKeyspaces.Dequeue(within(t), 1, time.Minute)
		assert.NoError(t, err)
		got <- ds
	}()
	deadKeyspace := p.known(keyspaceName{"q", true}, dead)
	require.Eventually(t, func() bool {
		ks := p.known(keyspaceName{"q", true}, dead)
		deadKeyspace = ks
		return ks != nil && ks.waiters() == 1
	}, soon, time.Millisecond)
	dies(t, q, "a")
	assert.Equal(t, []string{"a"}, idsOf(<-got))
	assert.Zero(t, deadKeyspace.waiters())
}

func TestAPausedDeadLetterQueueHandsOutNoDead(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{DLQ: "graves"})
	deadKeyspaces := openQueue(t, p, driver.QueueConfig{Name: "graves"})
	require.NoError(t, deadKeyspaces.Pause(within(t), time.Time{}))
	late := openQueue(t, p, driver.QueueConfig{Name: "late", DLQ: "graves"})
	dies(t, q, "a")
	dies(t, late, "b")
	for _, ks := range []*keyspace{q.deadKeyspace, late.deadKeyspace} {
		c, err := ks.dequeue(within(t), 1, time.Minute)
		require.NoError(t, err)
		require.Empty(t, c[0].ids)
	}
	require.NoError(t, deadKeyspaces.Resume(within(t)))
	assert.Len(t, take(t, deadKeyspaces, 2), 2)
}

func TestADeadLetterQueueThatIsRenamedTakesTheDeadWithIt(t *testing.T) {
	p := open(t, sharedURL(t))
	q := openQueue(t, p, driver.QueueConfig{DLQ: "old"})
	dies(t, q, "a")
	q = openQueue(t, p, driver.QueueConfig{DLQ: "new"})
	assert.EqualValues(t, 1, stats(t, q).Dead)
	assert.Zero(t, stats(t, openQueue(t, p, driver.QueueConfig{Name: "old"})).Ready)
	assert.EqualValues(t, 1, stats(t, openQueue(t, p, driver.QueueConfig{Name: "new"})).Ready)
	_, err := p.Open(within(t), driver.QueueConfig{Name: "other", DLQ: "fifo"})
	require.NoError(t, err)
	_, err = p.Open(within(t), driver.QueueConfig{Name: "f", Type: driver.FIFO})
	require.NoError(t, err)
	_, err = p.Open(within(t), driver.QueueConfig{Name: "another", DLQ: "f"})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
}

// TestAValueThatCannotBeDecodedDiesAndIsShown spoils values as another program
// might.
func TestAValueThatCannotBeDecodedDiesAndIsShown(t *testing.T) {
	for _, cfg := range kinds {
		t.Run(cfg.Name, func(t *testing.T) {
			p := open(t, sharedURL(t))
			q := openQueue(t, p, cfg)
			enqueue(t, q, fitting(cfg, "t", 2)...)
			require.NoError(t, p.client.HSet(within(t), q.keyspace.key(keyBody), "t-000", "\x00{spoilt").Err())
			listed, _, err := q.Browse(within(t), driver.Ready, "", 10)
			require.NoError(t, err)
			require.Len(t, listed, 2)
			var heard []string
			hearing := driver.HearBuried(within(t), func(t *driver.Task) { heard = append(heard, t.ID+" "+t.Type) })
			ds, err := q.Dequeue(hearing, 2, time.Minute)
			require.NoError(t, err)
			assert.Equal(t, []string{"t-001"}, idsOf(ds))
			assert.Equal(t, []string{"t-000 " + driver.UndecodableType}, heard)
			require.EqualValues(t, 1, stats(t, q).Dead)
			shown, _, err := q.Browse(within(t), driver.Dead, "", 10)
			require.NoError(t, err)
			require.Len(t, shown, 1)
			assert.Equal(t, driver.UndecodableType, shown[0].Type)
			assert.Equal(t, "t-000", shown[0].ID)
			assert.Equal(t, `"AHtzcG9pbHQ="`, string(shown[0].Payload))
			assert.Contains(t, shown[0].Metadata[driver.MetaFailureReason], driver.ErrInvalidTask.Error())
			// Redriven it is a task, which no handler takes.
			back, err := q.Redrive(within(t), nil)
			require.NoError(t, err)
			assert.Equal(t, []string{"t-000"}, back)
		})
	}
}

func TestAnIDWhoseValueWasDeletedByHandIsSkipped(t *testing.T) {
	for _, cfg := range kinds {
		t.Run(cfg.Name, func(t *testing.T) {
			p := open(t, sharedURL(t))
			q := openQueue(t, p, cfg)
			all := fitting(cfg, "t", 9)
			enqueue(t, q, all...)
			require.NoError(t, p.client.HDel(within(t), q.keyspace.key(keyBody), "t-000", "t-001", "t-008").Err())
			got := make(map[string]bool)
			for len(got) < 6 {
				ds := take(t, q, 1)
				got[ds[0].Task.ID] = true
				require.NoError(t, q.Complete(within(t), ds))
			}
			c, err := q.keyspace.dequeue(within(t), 10, time.Minute)
			require.NoError(t, err)
			require.Empty(t, c[0].ids)
			assert.Zero(t, stats(t, q).Ready)
		})
	}
}
