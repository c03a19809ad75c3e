package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// hold keeps the file's write lock until release is called, so that calls
// gather behind it.
func hold(t *testing.T, p *Provider) (release func()) { return cut(t, p.path) }

// gathered waits until n calls wait for the writer, beside the one that it has
// in hand.
func gathered(t *testing.T, p *Provider, n int) {
	require.Eventually(t, func() bool { return len(p.writer.calls) >= n }, soon, time.Millisecond)
}

func TestCallsThatComeTogetherShareATransaction(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	before := p.writer.c.commits.Load()
	release := hold(t, p)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			_, err := q.Enqueue(context.Background(), []*driver.Task{task(fmt.Sprint(i))})
			require.NoError(t, err)
		})
	}
	gathered(t, p, 49)
	release()
	all.Wait()
	require.Equal(t, int64(50), stats(t, q).Ready)
	require.LessOrEqual(t, p.writer.c.commits.Load()-before, int64(3), "50 calls: one may have been late, and what opening the queue left behind may have been tidied up")
}

func TestACallThatFailsTakesNoOtherWithIt(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	boom := errors.New("boom")
	release := hold(t, p)
	var all sync.WaitGroup
	failed := make([]error, 9)
	for i := range failed {
		all.Go(func() {
			if i%3 == 1 {
				failed[i] = p.writer.do(context.Background(), 1, func(t *tx) {
					t.exec(sqlPause, q.id, 1) // must not last
					t.fail(boom)
				})
				return
			}
			_, failed[i] = q.Enqueue(context.Background(), []*driver.Task{task(fmt.Sprint(i))})
		})
	}
	got := make(chan []*driver.Delivery, 1)
	all.Go(func() {
		ds, err := q.Dequeue(within(t), 99, time.Minute)
		require.NoError(t, err)
		got <- ds
	})
	gathered(t, p, 9)
	release()
	all.Wait()
	for i, err := range failed {
		if i%3 == 1 {
			require.ErrorIs(t, err, boom)
		} else {
			require.NoError(t, err)
		}
	}
	paused, err := q.Paused(context.Background())
	require.NoError(t, err)
	require.Zero(t, paused)
	require.Equal(t, 6, len(<-got)+len(take(t, q, 99)))
	requireConsistent(t, p)
}

func TestACallWhoseContextEndsBeforeItsTurnDoesNothing(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	release := hold(t, p)
	ctx, cancel := context.WithCancel(context.Background())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := q.Enqueue(context.Background(), []*driver.Task{task("stays")})
		first <- err
	}()
	go func() {
		_, err := q.Enqueue(ctx, []*driver.Task{task("goes")})
		second <- err
	}()
	gathered(t, p, 1)
	cancel()
	require.ErrorIs(t, <-second, context.Canceled)
	_, err := q.Dequeue(withDeadline(t, time.Millisecond), 1, time.Minute)
	require.ErrorIs(t, err, driver.ErrNoTasks)
	release()
	require.NoError(t, <-first)
	require.Equal(t, []string{"stays"}, idsOf(take(t, q, 9)))
}

func withDeadline(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// impatient makes the writer wait for the file for 20 ms only.
func impatient(t *testing.T, p *Provider) {
	require.NoError(t, p.writer.do(context.Background(), 1, func(*tx) { p.writer.c.limit = 20 * time.Millisecond }))
}

func TestALockedFileIsAClearError(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	impatient(t, p)
	release := hold(t, p)
	_, err := q.Enqueue(context.Background(), []*driver.Task{task("a")})
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorContains(t, err, "waited 20ms")
	_, err = q.Dequeue(within(t), 1, time.Minute)
	require.ErrorIs(t, err, ErrBusy)
	_, err = q.Dequeue(ended(), 1, time.Minute)
	require.Error(t, err)
	release()
	enqueue(t, q, task("a"))
	require.Len(t, take(t, q, 9), 1)
}

func TestALargeBatchIsSpreadAndAnsweredInOrder(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	all := tasks(2*maxTxTasks + 7)
	all[5] = task("t00004")
	all[maxTxTasks+5] = task("t00004")
	answers, err := q.Enqueue(context.Background(), all)
	var be *driver.BatchError
	require.ErrorAs(t, err, &be)
	require.Len(t, be.Items, 2)
	require.Equal(t, 5, be.Items[0].Index)
	require.Equal(t, maxTxTasks+5, be.Items[1].Index)
	require.Equal(t, "t02006", answers[2006].ID)
	require.Zero(t, answers[5])
}

func TestWaitersAreServedInTheOrderTheyCame(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	got := make(chan string, 3)
	for i := range 3 {
		go func() {
			ds, _ := q.Dequeue(within(t), 1, time.Minute)
			got <- fmt.Sprint(i, idsOf(ds))
		}()
		require.Eventually(t, func() bool {
			p.waitQueues.mu.Lock()
			defer p.waitQueues.mu.Unlock()
			return p.waitQueues.count == i+1
		}, soon, time.Millisecond)
	}
	for i := range 3 {
		enqueue(t, q, task(fmt.Sprint("t", i)))
		require.Equal(t, fmt.Sprintf("%d [t%d]", i, i), <-got)
	}
	p.waitQueues.mu.Lock()
	defer p.waitQueues.mu.Unlock()
	require.Zero(t, p.waitQueues.count)
}

func TestAWaitThatEndsLeavesNothingInTheWaitQueues(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	for range 5 {
		_, err := q.Dequeue(withDeadline(t, 5*time.Millisecond), 1, time.Minute)
		require.ErrorIs(t, err, driver.ErrNoTasks)
	}
	require.False(t, p.waitQueues.hasWaiters())
	require.Empty(t, p.waitQueues.byQueue[q.id].waiting)
}

func TestClosingTheProviderAnswersEverybody(t *testing.T) {
	p, err := Open(t.Context(), newFile(t))
	require.NoError(t, err)
	q := openQueue(t, p, driver.QueueConfig{})
	ended := make(chan error, 2)
	go func() { _, err := q.Dequeue(context.Background(), 1, time.Minute); ended <- err }()
	go func() { _, err := p.Results().Await(context.Background(), "x"); ended <- err }()
	require.Eventually(t, func() bool { return p.waitQueues.hasWaiters() && p.results.hasWaiters() }, soon, time.Millisecond)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	require.ErrorIs(t, <-ended, driver.ErrClosed)
	require.ErrorIs(t, <-ended, driver.ErrClosed)
	_, err = q.Enqueue(context.Background(), tasks(1))
	require.ErrorIs(t, err, driver.ErrClosed)
	_, err = p.Open(context.Background(), driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrClosed)
	_, err = p.Results().Await(context.Background(), "x")
	require.ErrorIs(t, err, driver.ErrClosed)
}

func TestAWaiterOutlastsALockedFile(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	p := openFile(t, newFile(t), WithClock(clock))
	q := openQueue(t, p, driver.QueueConfig{})
	later := task("later")
	later.ScheduledFor = clock.Now().Add(time.Minute)
	enqueue(t, q, later)
	impatient(t, p)
	got := make(chan []*driver.Delivery, 1)
	go func() {
		ds, _ := q.Dequeue(within(t), 1, time.Minute)
		got <- ds
	}()
	require.Eventually(t, p.waitQueues.hasWaiters, soon, time.Millisecond)
	release := hold(t, p)
	clock.Advance(time.Minute) // the timer fires while nobody can write
	_, err := q.Enqueue(context.Background(), tasks(1))
	require.ErrorIs(t, err, ErrBusy)
	release()
	require.Equal(t, []string{"later"}, idsOf(<-got))
}

// What the watcher reads after another process's commit is newer than a plan
// that the writer made before it and acts on after it.
func TestAPlanDoesNotPutOffWhatAnotherProcessHasWrittenSince(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	p := openFile(t, newFile(t), WithClock(clock))
	q := openQueue(t, p, driver.QueueConfig{})
	for name, delayed := range map[string][]*driver.Task{"nothing planned": nil, "planned later": {task("later")}} {
		t.Run(name, func(t *testing.T) {
			for _, task := range delayed {
				task.ScheduledFor = clock.Now().Add(time.Hour)
			}
			enqueue(t, q, delayed...)
			signalled := make(chan int64, 9)
			l := newWaitQueues(clock)
			l.signal = func(queue int64) { signalled <- queue }
			l.add(&waiter{queue: q.id, done: make(chan error, 1)})
			require.NoError(t, p.writer.do(context.Background(), 1, func(t *tx) {
				t.state(q.id)
				l.readEvents(t)
				l.bringForward(q.id, clock.Now().Add(time.Second).UnixNano())
				l.setTimers(t)
			}))
			clock.Advance(time.Second)
			select {
			case queue := <-signalled:
				require.Equal(t, q.id, queue)
			case <-time.After(soon):
				t.Fatal("the timer does not ring")
			}
		})
	}
}
