package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A countedQueue answers Stats, and nothing else.
type countedQueue struct {
	driver.Queue
	stats func(ctx context.Context) (driver.Stats, error)

	mu           sync.Mutex
	calls, atime int
	most         int // calls at a time
}

func (q *countedQueue) Capabilities() driver.Capabilities {
	return driver.Capabilities{CountsAge: true}
}

func (q *countedQueue) Stats(ctx context.Context) (driver.Stats, error) {
	q.mu.Lock()
	q.calls++
	q.atime++
	q.most = max(q.most, q.atime)
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.atime--
		q.mu.Unlock()
	}()
	return q.stats(ctx)
}

func (q *countedQueue) called() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.calls
}

func counting(n int64) *countedQueue {
	return &countedQueue{stats: func(context.Context) (driver.Stats, error) { return driver.Stats{Ready: n}, nil }}
}

// hanging is a queue whose broker does not answer until the call's context ends.
func hanging() *countedQueue {
	return &countedQueue{stats: func(ctx context.Context) (driver.Stats, error) {
		<-ctx.Done()
		return driver.Stats{}, driver.Unavailable(ctx.Err())
	}}
}

func seen(name string, q driver.Queue) *observe.Queue {
	return &observe.Queue{Name: name, Provider: "fake", Driver: q}
}

func silent() *Queues { return NewQueues(slog.New(slog.DiscardHandler)) }

func TestCountsAreAskedForAgainWhenTheyAreOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs, q := silent(), counting(7)
		qs.Open(seen("mail", q))
		for range 3 {
			counts := qs.Count(5 * time.Second)
			require.Len(t, counts, 1)
			assert.NoError(t, counts[0].Err)
			assert.EqualValues(t, 7, counts[0].Stats.Ready)
			assert.True(t, counts[0].Can.CountsAge)
			assert.Equal(t, "mail", counts[0].Queue.Name)
		}
		assert.Equal(t, 1, q.called())
		time.Sleep(6 * time.Second)
		qs.Count(15 * time.Second)
		assert.Equal(t, 1, q.called(), "they are young enough for this caller")
		qs.Count(5 * time.Second)
		assert.Equal(t, 2, q.called())
	})
}

func TestABrokerThatHangsHoldsUpNobodyForLongerThanTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs, dead, well := silent(), hanging(), counting(1)
		qs.Open(seen("dead", dead))
		qs.Open(seen("well", well))
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				counts := qs.Count(5 * time.Second)
				assert.ErrorIs(t, counts[0].Err, ErrNoAnswer)
				assert.NoError(t, counts[1].Err)
			})
		}
		wg.Wait()
		assert.Equal(t, CountTimeout, time.Since(began))
		assert.Equal(t, 1, dead.called(), "scrapes at the same time share a call")
		counts := qs.Count(5 * time.Second)
		assert.ErrorIs(t, counts[0].Err, ErrNoAnswer)
		assert.Equal(t, CountTimeout, time.Since(began), "a failure is believed for as long as a count is")
	})
}

// A provider should end its call with the context. One that does not costs its own queue
// its counts, and nobody anything else.
func TestACallThatNeverEndsIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		qs, well := silent(), counting(1)
		stuck := &countedQueue{stats: func(context.Context) (driver.Stats, error) { <-end; return driver.Stats{Ready: 3}, nil }}
		qs.Open(seen("stuck", stuck))
		qs.Open(seen("well", well))
		for range 3 {
			counts := qs.Count(time.Second)
			assert.ErrorIs(t, counts[0].Err, ErrNoAnswer)
			assert.NoError(t, counts[1].Err)
			time.Sleep(time.Minute)
		}
		assert.Equal(t, 1, stuck.called())
		close(end)
		synctest.Wait()
		counts := qs.Count(time.Second)
		assert.NoError(t, counts[0].Err)
		assert.EqualValues(t, 3, counts[0].Stats.Ready)
	})
}

func TestSomeQueuesOfAProviderAreCountedAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs := silent()
		q := &countedQueue{stats: func(context.Context) (driver.Stats, error) {
			time.Sleep(10 * time.Millisecond)
			return driver.Stats{}, nil
		}}
		for i := range 100 {
			qs.Open(seen(fmt.Sprint("q", i), q))
		}
		counts := qs.Count(time.Second)
		assert.Len(t, counts, 100)
		for _, c := range counts {
			assert.NoError(t, c.Err)
		}
		assert.Equal(t, 100, q.called())
		assert.Equal(t, atATime, q.most)
	})
}

func TestAQueueThatIsClosedIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs := silent()
		first, second, other := seen("mail", counting(1)), seen("mail", counting(2)), seen("jobs", counting(3))
		for _, q := range []*observe.Queue{first, second, other} {
			qs.Open(q)
		}
		counts := qs.Count(time.Second)
		require.Len(t, counts, 2, "two series of one name cannot be told apart")
		assert.EqualValues(t, 1, counts[0].Stats.Ready)
		assert.EqualValues(t, 3, counts[1].Stats.Ready)
		qs.Close(first)
		counts = qs.Count(time.Second)
		require.Len(t, counts, 2)
		assert.EqualValues(t, 2, counts[0].Stats.Ready)
		assert.EqualValues(t, 3, counts[1].Stats.Ready)
		qs.Close(second)
		qs.Close(other)
		assert.Empty(t, qs.Count(time.Second))
	})
}

func TestTheLogSaysWhenCountingFailsAndWhenItWorksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		qs := NewQueues(slog.New(slog.NewTextHandler(&log, nil)))
		var err error
		q := &countedQueue{stats: func(context.Context) (driver.Stats, error) { return driver.Stats{}, err }}
		qs.Open(seen("mail", q))
		say := func(answer error) string {
			log.Reset()
			err = answer
			time.Sleep(time.Minute)
			assert.Equal(t, answer, qs.Count(time.Second)[0].Err)
			return log.String()
		}
		assert.Empty(t, say(nil))
		failed := say(errors.New("no permission"))
		assert.Contains(t, failed, "level=WARN")
		assert.Contains(t, failed, "queue=mail provider=fake")
		assert.Contains(t, failed, "no permission")
		assert.Empty(t, say(errors.New("no permission")), "it is known")
		assert.Contains(t, say(nil), "can be counted again")
		assert.Empty(t, say(driver.ErrClosed), "somebody closed it")
	})
}
