package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestLoneEnqueueWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(10)
		m := managerOf(t, ManagerConfig{}, q)
		for range 3 {
			start := time.Now()
			_, err := m.Enqueue(t.Context(), someTasks("a"))
			require.NoError(t, err)
			assert.Equal(t, q.trip, time.Since(start))
		}
		assert.Len(t, q.trips(), 3)
	})
}

func TestEnqueuesGatherBehindARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		m := managerOf(t, ManagerConfig{}, q)
		first := enqueueLater(t.Context(), m, "a")
		second := enqueueLater(t.Context(), m, "b", "c")
		third := enqueueLater(t.Context(), m, "d")
		first.requireIDs(t, "a")
		second.requireIDs(t, "b", "c")
		third.requireIDs(t, "d")
		assert.Equal(t, [][]string{{"a"}, {"b", "c", "d"}}, q.trips())
	})
}

func TestEnqueuesGatherOnlyAsFarAsTheQueueSaysThatARoundTripCarries(t *testing.T) {
	for batch, want := range map[int][][]string{
		0:                {{"a"}, {"b"}, {"c"}}, // the queue says nothing
		1:                {{"a"}, {"b"}, {"c"}},
		driver.Unlimited: {{"a"}, {"b", "c"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newBroker(batch)
			m := managerOf(t, ManagerConfig{}, q)
			for _, call := range []*enqueueCall{enqueueLater(t.Context(), m, "a"), enqueueLater(t.Context(), m, "b"), enqueueLater(t.Context(), m, "c")} {
				<-call.done
				require.NoError(t, call.err)
			}
			assert.ElementsMatch(t, want, q.trips(), "MaxBatch: %d", batch)
		})
	}
}

func TestFullBatchDoesNotWaitForTheRoundTripBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(3)
		m := managerOf(t, ManagerConfig{}, q)
		start := time.Now()
		var calls []*enqueueCall
		for _, ids := range [][]string{{"a"}, {"b"}, {"c", "d"}, {"e", "f"}, {"g", "h"}, {"i", "j", "k"}} {
			calls = append(calls, enqueueLater(t.Context(), m, ids...))
		}
		assert.ElementsMatch(t, [][]string{{"a"}, {"b", "c", "d"}, {"e", "f"}, {"i", "j", "k"}}, q.trips(), "g and h wait: they fill no batch")
		for _, c := range calls {
			<-c.done
			require.NoError(t, c.err)
		}
		assert.Equal(t, []string{"g", "h"}, q.trips()[4])
		assert.Equal(t, 2*q.trip+q.trip/4, time.Since(start), "nobody comes back to share the round trip of g and h")
	})
}

func TestThoseWhoComeBackShareOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		m := managerOf(t, ManagerConfig{}, q)
		start := time.Now()
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				for j := range 5 {
					_, err := m.Enqueue(t.Context(), someTasks(fmt.Sprint(i, "-", j)))
					assert.NoError(t, err)
				}
			})
		}
		callers.Wait()
		var sizes []int
		for _, ids := range q.trips() {
			sizes = append(sizes, len(ids))
		}
		assert.Equal(t, []int{1, 8, 8, 8, 8, 7}, sizes, "and not two parties that take turns")
		assert.Equal(t, 6*q.trip+q.trip/4, time.Since(start))
	})
}

func TestANearRoundTripWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		q.trip = longRoundTrip / 2
		m := managerOf(t, ManagerConfig{}, q)
		start := time.Now()
		first, second := enqueueLater(t.Context(), m, "a"), enqueueLater(t.Context(), m, "b")
		first.requireIDs(t, "a")
		second.requireIDs(t, "b")
		assert.Equal(t, 2*q.trip, time.Since(start))
	})
}

func TestRoundTripThatHangsHoldsNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		hung := make(chan struct{})
		q.answer = func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
			if tasks[0].ID == "hangs" {
				<-hung
			}
			return acknowledge(tasks), nil
		}
		m := managerOf(t, ManagerConfig{}, q)
		hangs := enqueueLater(t.Context(), m, "hangs")
		start := time.Now()
		first, second := enqueueLater(t.Context(), m, "a"), enqueueLater(t.Context(), m, "b")
		first.requireIDs(t, "a")
		second.requireIDs(t, "b")
		assert.Equal(t, maxCoalesceWait+q.trip, time.Since(start))
		assert.Equal(t, [][]string{{"hangs"}, {"a", "b"}}, q.trips())
		close(hung)
		hangs.requireIDs(t, "hangs")
	})
}

func TestGatheredErrorsReachTheirCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		q.answer = func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
			var failed BatchError
			answers := acknowledge(tasks)
			for i, task := range tasks {
				if task.ID == "c" || task.ID == "d" {
					failed.Add(i, task.ID, ErrQueueFull)
					answers[i] = Enqueued{}
				}
			}
			return answers, failed.OrNil()
		}
		m := managerOf(t, ManagerConfig{}, q)
		first := enqueueLater(t.Context(), m, "a")
		second := enqueueLater(t.Context(), m, "b", "c")
		third := enqueueLater(t.Context(), m, "d")
		fourth := enqueueLater(t.Context(), m, "e")
		first.requireIDs(t, "a")
		<-second.done
		var be *BatchError
		require.ErrorAs(t, second.err, &be)
		assert.Equal(t, []driver.ItemError{{Index: 1, ID: "c", Err: ErrQueueFull}}, be.Items)
		assert.Equal(t, []Enqueued{{ID: "b", Queue: "q"}, {}}, second.answers)
		<-third.done
		require.ErrorAs(t, third.err, &be)
		assert.Equal(t, []driver.ItemError{{Index: 0, ID: "d", Err: ErrQueueFull}}, be.Items)
		fourth.requireIDs(t, "e")
		assert.Len(t, q.trips(), 2)
	})
}

func TestFailedRoundTripFailsAllWhoShareIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		broken := errors.New("the line is cut")
		q.answer = func(_ context.Context, tasks []*Task) ([]Enqueued, error) {
			if len(tasks) == 1 {
				return acknowledge(tasks), nil
			}
			return nil, broken
		}
		m := managerOf(t, ManagerConfig{}, q)
		first := enqueueLater(t.Context(), m, "a")
		second, third := enqueueLater(t.Context(), m, "b"), enqueueLater(t.Context(), m, "c")
		first.requireIDs(t, "a")
		for _, c := range []*enqueueCall{second, third} {
			<-c.done
			assert.Equal(t, broken, c.err)
		}
		enqueueLater(t.Context(), m, "d").requireIDs(t, "d")
	})
}

func TestEndedContextTakesWaitingTasksBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		m := managerOf(t, ManagerConfig{}, q)
		ctx, cancel := context.WithCancel(t.Context())
		first := enqueueLater(t.Context(), m, "a")
		second := enqueueLater(ctx, m, "b")
		third := enqueueLater(t.Context(), m, "c")
		cancel()
		<-second.done
		require.ErrorIs(t, second.err, context.Canceled)
		require.ErrorContains(t, second.err, "nothing was sent")
		fourth := enqueueLater(ctx, m, "d")
		require.ErrorContains(t, fourth.err, "nothing was sent")
		first.requireIDs(t, "a")
		third.requireIDs(t, "c")
		assert.Equal(t, [][]string{{"a"}, {"c"}}, q.trips())
	})
}

func TestEndedContextLeavesASharedRoundTripToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		m := managerOf(t, ManagerConfig{}, q)
		ctx, cancel := context.WithTimeout(t.Context(), q.trip*3/2)
		defer cancel()
		first := enqueueLater(t.Context(), m, "a")
		second := enqueueLater(ctx, m, "b")
		third := enqueueLater(t.Context(), m, "c")
		<-second.done
		require.ErrorIs(t, second.err, context.DeadlineExceeded)
		require.ErrorContains(t, second.err, "may have been enqueued")
		require.ErrorIs(t, second.err, ErrUnavailable)
		first.requireIDs(t, "a")
		third.requireIDs(t, "c")
		assert.Equal(t, [][]string{{"a"}, {"b", "c"}}, q.trips())
	})
}

func TestRoundTripEndsWhenItsLastCallerHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		q.trip = time.Hour
		m := managerOf(t, ManagerConfig{}, q)
		lone, endLone := context.WithTimeout(t.Context(), time.Second)
		defer endLone()
		first := enqueueLater(lone, m, "a")
		short, endShort := context.WithTimeout(t.Context(), 2*time.Second)
		defer endShort()
		long, endLong := context.WithTimeout(t.Context(), 3*time.Second)
		defer endLong()
		start := time.Now()
		second, third := enqueueLater(short, m, "b"), enqueueLater(long, m, "c")
		<-first.done
		require.ErrorIs(t, first.err, context.DeadlineExceeded)
		<-second.done
		require.ErrorIs(t, second.err, context.DeadlineExceeded)
		<-third.done
		require.ErrorIs(t, third.err, context.DeadlineExceeded)
		assert.Equal(t, 3*time.Second, time.Since(start))
		synctest.Wait()
		q.trip = time.Millisecond
		enqueueLater(t.Context(), m, "d").requireIDs(t, "d") // not behind the one that was given up
		assert.Equal(t, [][]string{{"a"}, {"b", "c"}, {"d"}}, q.trips())
	})
}

func TestLingerGathersWhereNothingIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(3)
		m := managerOf(t, ManagerConfig{Linger: 5 * time.Millisecond}, q)
		start := time.Now()
		first, second := enqueueLater(t.Context(), m, "a"), enqueueLater(t.Context(), m, "b")
		first.requireIDs(t, "a")
		second.requireIDs(t, "b")
		assert.Equal(t, 6*time.Millisecond, time.Since(start))

		ctx, cancel := context.WithCancel(t.Context())
		third := enqueueLater(ctx, m, "c")
		cancel()
		<-third.done
		require.ErrorContains(t, third.err, "nothing was sent")

		start = time.Now()
		calls := []*enqueueCall{enqueueLater(t.Context(), m, "d"), enqueueLater(t.Context(), m, "e"), enqueueLater(t.Context(), m, "f")}
		for _, c := range calls {
			<-c.done
			require.NoError(t, c.err)
		}
		assert.Equal(t, q.trip, time.Since(start), "a full batch lingers no more")
		assert.Equal(t, [][]string{{"a", "b"}, {"d", "e", "f"}}, q.trips())
		require.NoError(t, m.Close())
	})
}

func TestCloseEndsGatheredEnqueues(t *testing.T) {
	for _, linger := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("linger=", linger), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newBroker(2)
				q.trip = time.Hour
				m := managerOf(t, ManagerConfig{Linger: linger}, q)
				onTheirWay := []*enqueueCall{enqueueLater(t.Context(), m, "a", "b"), enqueueLater(t.Context(), m, "c"), enqueueLater(t.Context(), m, "d")}
				waits := enqueueLater(t.Context(), m, "e")
				require.NoError(t, m.Close())
				for _, c := range onTheirWay {
					<-c.done
					assert.ErrorIs(t, c.err, ErrClosed)
				}
				<-waits.done
				assert.ErrorIs(t, waits.err, ErrClosed)
				assert.ErrorContains(t, waits.err, "nothing was sent")
				assert.Equal(t, [][]string{{"a", "b"}, {"c", "d"}}, q.trips())
				require.NoError(t, m.Close())
				_, err := m.Enqueue(t.Context(), someTasks("f"))
				require.ErrorIs(t, err, ErrClosed)
			})
		})
	}
}

func TestCoalescerRefusesAfterClose(t *testing.T) {
	q := newBroker(2)
	c := newCoalescer(q, 0, driver.SystemClock)
	require.NoError(t, c.close())
	_, err := c.enqueue(t.Context(), someTasks("a"))
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, c.close())
}

func TestProviderThatGathersIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		q.caps.GathersEnqueues = true
		m := managerOf(t, ManagerConfig{Linger: time.Hour}, q)
		calls := []*enqueueCall{enqueueLater(t.Context(), m, "a"), enqueueLater(t.Context(), m, "b"), enqueueLater(t.Context(), m, "c")}
		for _, c := range calls {
			<-c.done
			require.NoError(t, c.err)
		}
		assert.Len(t, q.trips(), 3)
	})
}

// Under a storm of callers every one gets the answers of its own tasks, and the
// round trips stay within the provider's batch.
func TestGatheringKeepsManyCallersApart(t *testing.T) {
	for _, linger := range []time.Duration{0, 100 * time.Microsecond} {
		q := newBroker(64)
		q.trip = 50 * time.Microsecond
		m := managerOf(t, ManagerConfig{Linger: linger}, q)
		var wg sync.WaitGroup
		for w := range 20 {
			wg.Go(func() {
				for i := range 50 {
					ids := make([]string, 1+(w+i)%5)
					for j := range ids {
						ids[j] = fmt.Sprintf("%d-%d-%d", w, i, j)
					}
					ctx, cancel := context.WithCancel(context.Background())
					if i%10 == 9 {
						time.AfterFunc(q.trip, cancel)
					}
					answers, err := m.Enqueue(ctx, someTasks(ids...))
					cancel()
					if err != nil {
						assert.ErrorIs(t, err, context.Canceled)
						continue
					}
					assert.Len(t, answers, len(ids))
					for j, a := range answers {
						assert.Equal(t, ids[j], a.ID)
					}
				}
			})
		}
		wg.Wait()
		require.NoError(t, m.Close())
		seen := map[string]bool{}
		for _, trip := range q.trips() {
			assert.LessOrEqual(t, len(trip), 64)
			for _, id := range trip {
				assert.False(t, seen[id], "%s went out twice", id)
				seen[id] = true
			}
		}
	}
}

func TestLoneEnqueueCostsNoAllocationOfItsOwn(t *testing.T) {
	q := &instant{answers: make([]Enqueued, 1)}
	c := newCoalescer(q, 0, driver.SystemClock)
	tasks := someTasks("a")
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = c.enqueue(context.Background(), tasks) }))
}

// instant answers at once, out of what it was given beforehand.
type instant struct {
	driver.Queue
	answers []Enqueued
}

func (q *instant) Config() QueueConfig { return QueueConfig{Name: "q"} }
func (q *instant) Capabilities() driver.Capabilities {
	return able(10)
}

func (q *instant) Enqueue(context.Context, []*Task) ([]Enqueued, error) { return q.answers, nil }

func (q *instant) Close() error { return nil }

func TestManagerAddsNoAllocationToALoneEnqueue(t *testing.T) {
	m := NewManager(ManagerConfig{MaxPayload: 1000})
	q := &instant{answers: make([]Enqueued, 1)}
	require.NoError(t, m.Open(t.Context(), brokers{"q": q}, q.Config()))
	tasks := someTasks("a")
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = m.Enqueue(context.Background(), tasks) }))
}

func TestGatheredBatchesAreBoundByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newBroker(100)
		m := managerOf(t, ManagerConfig{}, q)
		first := enqueueLater(t.Context(), m, "a")
		payload := append(append([]byte{'"'}, make([]byte, maxCoalescedBytes/3)...), '"')
		for i := range len(payload) - 2 {
			payload[i+1] = 'x'
		}
		var calls []chan error
		for _, id := range []string{"b", "c", "d", "e", "f"} {
			done := make(chan error, 1)
			go func() {
				_, err := m.Enqueue(t.Context(), []*Task{{ID: id, Type: "t", Queue: "q", Payload: payload}})
				done <- err
			}()
			synctest.Wait()
			calls = append(calls, done)
		}
		first.requireIDs(t, "a")
		for _, done := range calls {
			require.NoError(t, <-done)
		}
		assert.ElementsMatch(t, [][]string{{"a"}, {"b", "c"}, {"d", "e"}, {"f"}}, q.trips())
	})
}
