package sqs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

var fifo = driver.QueueConfig{Type: driver.FIFO}

// dequeue makes one call with room for ten.
func dequeue(t *testing.T, q *Queue) []*driver.Delivery {
	t.Helper()
	ds, err := q.Dequeue(within(t), 10, time.Minute)
	require.NoError(t, err)
	return ds
}

func TestAGroupThatCameInOneReceiveIsHandedOutOneByOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	put(t, q, numbered(10)...)
	before := b.p.Requests()["ReceiveMessage"]
	for _, want := range numbered(10) {
		ds := dequeue(t, q)
		require.Equal(t, []string{want}, idsOf(ds))
		require.NoError(t, q.Complete(within(t), ds))
	}
	later := int64(1) // the poll of delayed tasks
	require.LessOrEqual(t, b.p.Requests()["ReceiveMessage"]-before, 1+later, "ten tasks of a group came in one receive")
	require.Equal(t, driver.Stats{}, stats(t, q))
}

func TestWhatStandsBehindALeasedTaskIsReadyToStats(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	put(t, q, numbered(5)...)
	require.Len(t, dequeue(t, q), 1)
	require.Equal(t, driver.Stats{Ready: 4, Leased: 1}, stats(t, q))
}

func TestExtendKeepsTheWholeLine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q, other := openQueue(t, b.p, fifo), openQueue(t, b.provider(t), fifo)
	put(t, q, numbered(3)...)
	ds := dequeue(t, q)
	for range 5 {
		b.clock.Advance(50 * time.Second)
		require.NoError(t, q.Extend(within(t), ds, time.Minute))
		nothing(t, other)
	}
	require.NoError(t, q.Complete(within(t), ds))
	require.Equal(t, []string{"task-0001"}, idsOf(dequeue(t, q)))
}

func TestWhereSQSLosesOneOfALineTheRestGoesBackBehindIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	put(t, q, numbered(5)...)
	head := dequeue(t, q)
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation != "ChangeMessageVisibilityBatch" || len(c.Entries) < 5 {
			return sqstest.Fault{}
		}
		return sqstest.Fault{Entries: map[int]*sqstest.Error{2: {Type: "InvalidParameterValue", Status: 400, Message: "the handle has expired"}}}
	})
	b.clock.Advance(30 * time.Second)
	require.NoError(t, q.Extend(within(t), head, time.Minute))
	b.SetHook(nil)
	var got []string
	for ds := head; ; ds = dequeue(t, q) {
		got = append(got, idsOf(ds)...)
		require.NoError(t, q.Complete(within(t), ds))
		if len(got) == 2 {
			b.clock.Advance(time.Minute) // the lost one's lease ends
		}
		if len(got) == 5 {
			break
		}
	}
	require.Equal(t, numbered(5), got)
}

func TestAFailedHeadIsRetriedBeforeItsLineInAnyProcess(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q, other := openQueue(t, b.p, fifo), openQueue(t, b.provider(t), fifo)
	put(t, q, numbered(4)...)
	d := dequeue(t, q)[0]
	d.Task.RetryCount++
	d.Delay = 30 * time.Second
	require.NoError(t, q.Release(within(t), []*driver.Delivery{d}))
	nothing(t, other)
	b.clock.Advance(30 * time.Second)
	again := dequeue(t, other)
	require.Equal(t, numbered(1), idsOf(again))
	require.Zero(t, again[0].Task.RetryCount, "how often it began elsewhere is not known here, and charged to nobody")
	var got []string
	for ds := again; len(got) < 3; ds = dequeue(t, other) {
		got = append(got, idsOf(ds)...)
		require.NoError(t, other.Complete(within(t), ds))
	}
	require.Equal(t, numbered(3), got)
}

func TestAFailedHeadWaitsHereWithItsLineAndNobodyIsCharged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	put(t, q, "head", "next")
	for n := range 5 {
		d := dequeue(t, q)[0]
		require.Equal(t, "head", d.Task.ID)
		require.Equal(t, n, d.Task.RetryCount)
		d.Task.RetryCount++
		d.Task.Metadata = map[string]string{"why": "no"}
		d.Delay = time.Duration(n) * time.Minute
		require.NoError(t, q.Release(within(t), []*driver.Delivery{d}))
		require.ErrorIs(t, q.Complete(within(t), []*driver.Delivery{d}), driver.ErrLeaseLost, "the receipt is of no use any more")
		if n > 0 {
			nothing(t, q)
			require.Equal(t, driver.Stats{Ready: 1, Leased: 1}, stats(t, q))
		}
		b.clock.Advance(d.Delay)
	}
	d := dequeue(t, q)
	require.Equal(t, "no", d[0].Task.Metadata["why"])
	require.NoError(t, q.Complete(within(t), d))
	next := dequeue(t, q)[0]
	require.Equal(t, "next", next.Task.ID)
	require.Zero(t, next.Task.RetryCount)
	require.Equal(t, 1, receives(q, next))
}

// receives is how often SQS has handed out the message of a task that is leased here.
func receives(q *Queue, d *driver.Delivery) int {
	q.state.mu.Lock()
	defer q.state.mu.Unlock()
	return q.state.leased[d.Receipt].receives
}

func TestAfterADeployTheLineBehindAFailedHeadHasAllItsRetries(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.provider(t)
	q := openQueue(t, p, fifo)
	put(t, q, numbered(3)...)
	for range 3 {
		d := dequeue(t, q)[0]
		d.Task.RetryCount++
		d.Delay = time.Minute
		require.NoError(t, q.Release(within(t), []*driver.Delivery{d}))
		b.clock.Advance(time.Minute)
	}
	d := dequeue(t, q)[0]
	d.Task.RetryCount++
	d.Delay = time.Minute
	require.NoError(t, q.Release(within(t), []*driver.Delivery{d}))
	require.NoError(t, p.Close())
	q = openQueue(t, b.p, fifo)
	nothing(t, q) // the head waits for its retry, and nobody goes before it
	b.clock.Advance(time.Minute)
	for _, want := range numbered(3) {
		d := first(t, q)
		require.Equal(t, want, d.Task.ID)
		require.Zero(t, d.Task.RetryCount)
		require.Zero(t, d.Crashes)
	}
}

func TestARetryOfHoursIsReceivedAnewAndKeepsItsCount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	put(t, q, numbered(2)...)
	for n := range 4 { // longer than the 12 hours of one receive
		d := dequeue(t, q)[0]
		require.Equal(t, "task-0000", d.Task.ID)
		require.Equal(t, n, d.Task.RetryCount)
		d.Task.RetryCount++
		d.Delay = 5 * time.Hour
		require.NoError(t, q.Release(within(t), []*driver.Delivery{d}))
		nothing(t, q)
		b.clock.Advance(d.Delay)
	}
	require.Equal(t, 4, first(t, q).Task.RetryCount)
	require.Zero(t, first(t, q).Task.RetryCount)
}

func TestALineThatSQSLosesWhileItsHeadWaitsComesBackInOrder(t *testing.T) {
	t.Parallel()
	for place := range 3 { // of the message whose lease is lost
		b := newBench(t)
		q := openQueue(t, b.p, fifo)
		put(t, q, numbered(3)...)
		ds := dequeue(t, q)
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			if c.Operation != "ChangeMessageVisibilityBatch" || len(c.Entries) < 3 {
				return sqstest.Fault{}
			}
			b.SetHook(nil)
			return sqstest.Fault{Entries: map[int]*sqstest.Error{place: {Type: "ReceiptHandleIsInvalid", Status: 404, Message: "no"}}}
		})
		ds[0].Task.RetryCount++
		err := q.Release(within(t), ds)
		if place == 0 {
			require.ErrorIs(t, err, driver.ErrLeaseLost)
			b.clock.Advance(time.Minute)
		} else {
			require.NoError(t, err)
		}
		for i, want := range numbered(3) {
			if i == place && i > 0 {
				nothing(t, q)
				b.clock.Advance(time.Minute)
			}
			require.Equal(t, want, first(t, q).Task.ID, "with the lease of message %d lost", place)
		}
	}
}

func TestOnAFifoQueueACrashIsNoRetry(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	can := q.Capabilities()
	require.False(t, !can.ForgivesCrashes || can.CountsCrashes)
	put(t, q, "a", "b")
	for range 30 {
		d := dequeue(t, q)[0]
		require.Equal(t, "a", d.Task.ID)
		require.Zero(t, d.Task.RetryCount)
		b.clock.Advance(time.Minute)
	}
}

func TestAReleaseThatIsNotChargedLetsAnotherProcessRunTheTask(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q, other := openQueue(t, b.p, fifo), openQueue(t, b.provider(t), fifo)
	put(t, q, numbered(2)...)
	for range 20 {
		ds := dequeue(t, q)
		ds[0].Delay = 10 * time.Second
		require.NoError(t, q.Release(within(t), ds))
		nothing(t, other)
		b.clock.Advance(10 * time.Second)
	}
	for range 2 {
		d := first(t, other)
		require.Zero(t, d.Task.RetryCount)
		require.Zero(t, d.Crashes)
	}
}

func TestNothingIsGivenBackSoOftenThatSQSMovesIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	put(t, q, numbered(2)...)
	const half = maxReceives / 2
	end := b.clock.Now().Add(maxRetention - time.Hour)
	for b.clock.Now().Before(end) {
		ds := dequeue(t, q)
		require.Equal(t, numbered(1), idsOf(ds))
		n := receives(q, ds[0])
		ds[0].Delay = 10 * time.Second
		require.NoError(t, q.Release(within(t), ds))
		b.clock.Advance(10 * time.Second)
		if n == half {
			nothing(t, q)
		}
		if n >= half {
			b.clock.Advance(maxRetention/half - 10*time.Second + time.Second)
		}
	}
	require.Equal(t, driver.Stats{Ready: 2}, stats(t, q))
}

func TestAReceiveWhoseReplyIsLostIsGivenTheSameMessages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	put(t, q, "a", "b")
	lost := false
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation == "ReceiveMessage" && c.Queue == "q.fifo" && !lost {
			lost = true
			return sqstest.Fault{DropReply: true}
		}
		return sqstest.Fault{}
	})
	ds := dequeue(t, q)
	require.True(t, lost)
	require.Equal(t, []string{"a"}, idsOf(ds))
	require.Zero(t, ds[0].Task.RetryCount)
}

func TestAnEnqueueThatIsRepeatedOnAFifoQueueIsOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	a := task(q, "a")
	enqueue(t, q, a)
	enqueue(t, q, a) // whose answer was lost
	require.Equal(t, driver.Stats{Ready: 1}, stats(t, q))
	b.clock.Advance(time.Second)
	put(t, q, "a") // a task of its own
	require.Equal(t, driver.Stats{Ready: 2}, stats(t, q))
}

func TestNothingOfAGroupIsSentAfterAFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation == "SendMessageBatch" && len(c.Entries) == 10 {
			return sqstest.Fault{Entries: map[int]*sqstest.Error{9: {Type: "InvalidMessageContents", Status: 400, Message: "no"}}}
		}
		return sqstest.Fault{}
	})
	ts := make([]*driver.Task, 12)
	for i, id := range numbered(12) {
		ts[i] = task(q, id)
	}
	ts[11].GroupKey = "other"
	_, err := q.Enqueue(within(t), ts)
	require.Error(t, driver.ErrorAt(err, 9))
	require.ErrorContains(t, driver.ErrorAt(err, 10), "an earlier task of its group")
	require.NoError(t, driver.ErrorAt(err, 8))
	require.NoError(t, driver.ErrorAt(err, 11))
}

func TestADelayedFifoTaskHopsAndJoinsItsGroupWhenItIsDue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, fifo)
	due := b.clock.Now().Add(40 * time.Minute)
	enqueue(t, q, task(q, "late", func(t *driver.Task) { t.ScheduledFor = due }))
	for b.clock.Now().Before(due) {
		nothing(t, q)
		becomes(t, q, driver.Stats{Scheduled: 1})
		b.clock.Advance(5 * time.Minute)
	}
	put(t, q, "now") // while the other is on its way
	got := idsOf([]*driver.Delivery{first(t, q), first(t, q)})
	require.ElementsMatch(t, []string{"late", "now"}, got)
}

// first takes one task and completes it.
func first(t *testing.T, q *Queue) *driver.Delivery {
	t.Helper()
	d := take(t, q, 1)[0]
	require.NoError(t, q.Complete(within(t), []*driver.Delivery{d}))
	return d
}

func TestAnExtendDuringACompleteLeavesTheGroupToIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q, other := openQueue(t, b.p, fifo), openQueue(t, b.provider(t), fifo)
	put(t, q, numbered(3)...)
	ds := dequeue(t, q)
	// A Complete whose answer is on its way: the message is deleted.
	ms, errs := q.state.claim(ds, true)
	q.state.deleteMessages(within(t), ms, errs)
	require.NoError(t, errs[0])
	require.ErrorIs(t, q.Extend(within(t), ds, time.Minute), driver.ErrLeaseLost)
	require.Equal(t, driver.Stats{Leased: 2}, stats(t, other), "what stands behind it is still with this process")
}

// A failingStore is a store that is away for some payloads.
type failingStore struct {
	*memoryStore
	failing atomic.Bool
}

func (c *failingStore) Get(ctx context.Context, key string) ([]byte, error) {
	if c.failing.Load() {
		return nil, errors.New("the store is away")
	}
	return c.memoryStore.Get(ctx, key)
}

func TestAGroupWaitsWhileTheStoreOfItsFirstIsAway(t *testing.T) {
	t.Parallel()
	store := &failingStore{memoryStore: &memoryStore{all: make(map[string][]byte)}}
	b := newBench(t, WithStore(store))
	q := openQueue(t, b.p, fifo)
	enqueue(t, q, task(q, "large", sized(2<<20)), task(q, "behind"), task(q, "other", func(t *driver.Task) { t.GroupKey = "h" }))
	store.failing.Store(true)
	ds := dequeue(t, q)
	require.Equal(t, []string{"other"}, idsOf(ds))
	require.NoError(t, q.Complete(within(t), ds))
	nothing(t, q)
	store.failing.Store(false)
	b.clock.Advance(time.Minute)
	require.Equal(t, "large", first(t, q).Task.ID)
	require.Equal(t, "behind", first(t, q).Task.ID)
}

// TestAnExtendThatIsUnderWayDoesNotEndTheWaitOfARetry has the Extend reach SQS late.
func TestAnExtendThatIsUnderWayDoesNotEndTheWaitOfARetry(t *testing.T) {
	t.Parallel()
	for _, charged := range []int{0, 1} {
		b := newBench(t)
		q, other := openQueue(t, b.p, fifo), openQueue(t, b.provider(t), fifo)
		put(t, q, "a")
		ds := dequeue(t, q)
		arrived, pass := make(chan struct{}), make(chan struct{})
		var once sync.Once
		b.SetHook(func(c sqstest.Call) sqstest.Fault {
			if c.Operation == "ChangeMessageVisibilityBatch" {
				once.Do(func() { close(arrived); <-pass })
			}
			return sqstest.Fault{}
		})
		extended, released := make(chan error, 1), make(chan error, 1)
		kept := *ds[0]
		go func() { extended <- q.Extend(within(t), []*driver.Delivery{&kept}, time.Minute) }()
		<-arrived
		ds[0].Task.RetryCount += charged
		ds[0].Delay = time.Hour
		go func() { released <- q.Release(within(t), ds) }()
		require.Eventually(t, func() bool {
			q.state.mu.Lock()
			defer q.state.mu.Unlock()
			m := q.state.leased[ds[0].Receipt]
			return m == nil || m.releasing != nil
		}, soon, time.Millisecond)
		more, late := *ds[0], make(chan error, 1)
		go func() { late <- q.Extend(within(t), []*driver.Delivery{&more}, time.Minute) }()
		close(pass)
		require.NoError(t, <-extended)
		require.NoError(t, <-released)
		require.ErrorIs(t, <-late, driver.ErrLeaseLost, "it has no say any more")
		b.clock.Advance(30 * time.Minute)
		nothing(t, other)
		nothing(t, q)
		b.clock.Advance(30 * time.Minute)
		require.Equal(t, charged, first(t, q).Task.RetryCount)
	}
}
