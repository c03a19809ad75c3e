package pool

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// witness is a middleware that notes what it sees of each run.
type witness struct {
	mu   sync.Mutex
	seen []string
	errs []error
}

func (w *witness) middleware(next Handler) Handler {
	return HandlerFunc(func(ctx context.Context, t *driver.Task) error {
		err := next.Handle(ctx, t)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen = append(w.seen, t.ID+" "+string(OutcomeOf(ctx, err)))
		w.errs = append(w.errs, err)
		return err
	})
}

func (b *poolBench) drain(cfg Config) int {
	b.t.Helper()
	n, err := b.pool(cfg).Drain(context.Background())
	require.NoError(b.t, err)
	return n
}

func TestFailedTaskIsChargedAndReleasedWithItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Queue: "q", Retry: RetryPolicy{Max: 2, Base: time.Minute}}, HandlerFunc(func(context.Context, *driver.Task) error {
			time.Sleep(3 * time.Second)
			return errors.New("broken\npipe")
		}))
		b.putTask(&driver.Task{ID: "a", MaxRetries: 2})
		assert.Equal(t, 1, b.drain(Config{Name: "worker-1"}))
		assert.Equal(t, driver.Stats{Scheduled: 1}, b.stats("q"))
		f := b.q().waiting[0]
		assert.Equal(t, time.Minute, time.Until(f.due))
		assert.Equal(t, 1, f.task.RetryCount)
		assert.Contains(t, f.task.Metadata["attempt_1"], "took 3s on worker-1: broken pipe")
		assert.Equal(t, 1, b.log.count("WARN task failed, to be retried task=[id=a type=job queue=q] attempt=1"))
	})
}

func TestTaskThatIsOutOfRetriesGoesToTheDeadLetterQueueWithItsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Queue: "q", Retry: RetryPolicy{Base: time.Second}}, HandlerFunc(func(context.Context, *driver.Task) error {
			return errors.New("broken")
		}))
		p := b.pool(Config{})
		b.start(p)
		b.putTask(&driver.Task{ID: "a", MaxRetries: 2})
		pass(time.Minute)
		require.Len(t, b.q().dead, 1)
		dead := b.q().dead[0]
		assert.Equal(t, "broken", dead.Metadata[driver.MetaFailureReason])
		assert.Equal(t, "q", dead.Metadata[driver.MetaOriginalQueue])
		assert.Equal(t, "3", dead.Metadata[driver.MetaAttempts])
		for i := 1; i <= 3; i++ {
			assert.Contains(t, dead.Metadata[fmt.Sprint(driver.MetaAttemptPrefix, i)], "broken")
		}
		b.stop(p)
	})
}

func TestOutcomesOfAHandler(t *testing.T) {
	for name, c := range map[string]struct {
		result  error
		outcome Outcome
		stats   driver.Stats
		retries int
	}{
		"nil":        {nil, Completed, driver.Stats{}, 0},
		"error":      {errors.New("x"), Retried, driver.Stats{Scheduled: 1}, 1},
		"skip":       {Skip(errors.New("x")), Died, driver.Stats{Dead: 1}, 0},
		"retryAfter": {RetryAfter(time.Hour, nil), Retried, driver.Stats{Scheduled: 1}, 1},
		"snooze":     {Snooze(time.Hour), Snoozed, driver.Stats{Scheduled: 1}, 0},
		"invalid":    {fmt.Errorf("%w: x", driver.ErrInvalidTask), Died, driver.Stats{Dead: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				var w witness
				b.r.Use(w.middleware)
				b.handle(func(context.Context, *driver.Task) error { return c.result })
				b.putTask(&driver.Task{ID: "a", MaxRetries: 1})
				b.drain(Config{})
				assert.Equal(t, []string{"a " + string(c.outcome)}, w.seen)
				assert.Equal(t, c.stats, b.stats("q"))
				for _, f := range b.q().waiting {
					assert.Equal(t, c.retries, f.task.RetryCount)
				}
			})
		})
	}
}

func TestUnknownTypeDiesAndMiddlewareSeesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Unknown: driver.BuryUnknown})
		var w witness
		b.r.Use(w.middleware)
		b.handle(noop)
		b.putTask(&driver.Task{ID: "a", Type: "other", MaxRetries: 5})
		b.drain(Config{})
		assert.Equal(t, []string{"a dead"}, w.seen)
		assert.ErrorIs(t, w.errs[0], driver.ErrUnknownType)
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], `unknown task type "other"`)
	})
}

func TestTaskOlderThanItsQueuesRetentionDiesUnrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Retention: time.Hour})
		var w witness
		b.r.Use(w.middleware)
		b.handle(func(_ context.Context, task *driver.Task) error {
			assert.Equal(t, "young", task.ID)
			return nil
		})
		b.put("old")
		time.Sleep(time.Hour)
		b.put("young")
		time.Sleep(time.Second)
		b.drain(Config{Workers: 1})
		assert.Equal(t, []string{"old dead", "young completed"}, w.seen)
		assert.ErrorIs(t, w.errs[0], driver.ErrTaskExpired)
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], "due for 1h0m1s")
	})
}

func TestRetentionCountsFromWhenATaskBecameDueAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Retention: time.Hour})
		runs := 0
		b.handle(func(context.Context, *driver.Task) error {
			if runs++; runs == 1 {
				return Snooze(3 * time.Hour)
			}
			return nil
		})
		b.put("a")
		b.drain(Config{})
		time.Sleep(3*time.Hour + 30*time.Minute)
		b.drain(Config{})
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestRedrivenTaskRunsHoweverOldItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Retention: time.Hour})
		b.handle(func(context.Context, *driver.Task) error { return nil })
		old := &driver.Task{ID: "a", CreatedAt: time.Now().Add(-48 * time.Hour)}
		driver.ClearDeath(old, "q-dlq")
		b.putTask(old)
		b.drain(Config{})
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestTaskThatKillsItsWorkersDiesAtMaxDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 3, Visibility: time.Second})
		var w witness
		b.r.Use(w.middleware)
		b.handle(func(context.Context, *driver.Task) error {
			t.Error("it is not run")
			return nil
		})
		b.putTask(&driver.Task{ID: "a", MaxRetries: 5})
		for range 5 { // a suspect after two, and three more: workers that never say a word
			_, err := b.q().Dequeue(t.Context(), 1, time.Second)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		b.drain(Config{})
		assert.Equal(t, []string{"a dead"}, w.seen)
		assert.ErrorIs(t, w.errs[0], driver.ErrMaxDeliveries)
		require.Len(t, b.q().dead, 1)
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], "5 deliveries")
	})
}

func TestTimeoutOfTheTaskGoesBeforeThatOfItsType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		took := map[string]time.Duration{}
		b.r.Handle(Policy{Type: "job", Queue: "q", Timeout: time.Minute, Retry: RetryPolicy{Base: time.Hour}}, HandlerFunc(func(ctx context.Context, task *driver.Task) error {
			begun := time.Now()
			info, _ := TaskFromContext(ctx)
			deadline, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.Equal(t, deadline, info.Deadline)
			<-ctx.Done()
			took[task.ID] = time.Since(begun)
			return ctx.Err()
		}))
		b.putTask(&driver.Task{ID: "own", Timeout: time.Second, MaxRetries: 1})
		b.put("of type")
		b.drain(Config{Workers: 1})
		assert.Equal(t, map[string]time.Duration{"own": time.Second, "of type": time.Minute}, took)
		assert.Equal(t, 1, b.q().waiting[0].task.RetryCount, "a timeout is a failure like any other")
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], "timed out after 1m0s: context deadline exceeded")
	})
}

func TestHandlerThatIgnoresItsTimeoutKeepsItsWorkerAndIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Queue: "q", Timeout: time.Second}, HandlerFunc(func(context.Context, *driver.Task) error {
			time.Sleep(2 * time.Minute)
			return nil
		}))
		p := b.pool(Config{Workers: 1})
		b.start(p)
		b.put("a", "b")
		pass(90 * time.Second)
		assert.Empty(t, b.q().completed())
		assert.Equal(t, 1, b.log.count("ignores the end of its context"))
		pass(3 * time.Minute)
		assert.Equal(t, []string{"a", "b"}, b.q().completed(), "each ran once, and success after the timeout is success")
		b.stop(p)
	})
}

func TestPanicIsAFailureWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var w witness
		b.r.Use(w.middleware)
		b.handle(func(context.Context, *driver.Task) error { panic("at the disco " + strings.Repeat("x", 10_000)) })
		b.put("a")
		b.drain(Config{Name: "disco-1"})
		assert.Equal(t, []string{"a dead"}, w.seen)
		assert.ErrorIs(t, w.errs[0], driver.ErrPanic)
		assert.Contains(t, b.q().dead[0].Metadata["attempt_1"], " on disco-1: taskgen: the handler panicked: at the disco")
		assert.Contains(t, b.q().dead[0].Metadata["stack_1"], "TestPanicIsAFailureWithItsStack")
		reason := b.q().dead[0].Metadata[driver.MetaFailureReason]
		assert.Contains(t, reason, "at the disco")
		assert.LessOrEqual(t, len(reason), 4<<10)
	})
}

func TestPanicOfAMiddlewareOrARetryPolicyIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Use(func(next Handler) Handler {
			return HandlerFunc(func(ctx context.Context, task *driver.Task) error {
				if task.ID == "a" {
					panic("middle")
				}
				return next.Handle(ctx, task)
			})
		})
		b.r.Handle(Policy{Type: "job", Queue: "q", Retry: RetryPolicy{Retryable: func(error) bool { panic("policy") }}},
			HandlerFunc(func(context.Context, *driver.Task) error { return errors.New("x") }))
		b.put("a")
		b.putTask(&driver.Task{ID: "b", MaxRetries: 1})
		b.drain(Config{Workers: 1})
		require.Len(t, b.q().dead, 2)
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], "middle")
		assert.Contains(t, b.q().dead[1].Metadata[driver.MetaFailureReason], "policy")
	})
}

func TestRetryPolicyThatEndsItsGoroutineIsFinalAndLeavesNothingLeased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Queue: "q", Retry: RetryPolicy{Retryable: func(error) bool { goruntime.Goexit(); return true }}},
			HandlerFunc(func(_ context.Context, task *driver.Task) error {
				if task.ID == "exit" {
					goruntime.Goexit()
				}
				return errors.New("the cause")
			}))
		b.putTask(&driver.Task{ID: "fails", MaxRetries: 1})
		b.putTask(&driver.Task{ID: "exit", MaxRetries: 1})
		b.drain(Config{Workers: 1})
		require.Len(t, b.q().dead, 2)
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], "the cause; when asked whether to retry: "+errNoVerdict.Error())
		assert.Contains(t, b.q().dead[1].Metadata[driver.MetaFailureReason], errNoVerdict.Error())
	})
}

func TestHandlerThatEndsItsGoroutineFailsAndItsWorkerLivesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handle(func(_ context.Context, task *driver.Task) error {
			if strings.HasPrefix(task.ID, "exit") {
				goruntime.Goexit()
			}
			return nil
		})
		p := b.pool(Config{Workers: 1})
		b.start(p)
		b.put("exit1", "exit2", "b")
		synctest.Wait()
		assert.Equal(t, []string{"b"}, b.q().completed())
		require.Len(t, b.q().dead, 2)
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], "Goexit")
		b.stop(p)
	})
}

// fakeResults keeps results, and fails while down.
type fakeResults struct {
	mu   sync.Mutex
	down bool
	kept map[string]string
	ttl  time.Duration
	puts int
}

func (r *fakeResults) Await(context.Context, string) ([]byte, error) {
	return nil, driver.ErrTaskFailed
}

func (r *fakeResults) PutResult(_ context.Context, id string, result []byte, failure string, ttl time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.puts++
	if r.down {
		return errors.New("results are down")
	}
	if r.kept == nil {
		r.kept = map[string]string{}
	}
	r.kept[id], r.ttl = string(result)+failure, ttl
	return nil
}

func (r *fakeResults) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (b *poolBench) handleWithResult(h HandlerFunc) {
	b.r.Handle(Policy{Type: "job", Queue: "q", Result: true, Retention: time.Minute}, h)
}

func TestResultIsStoredBeforeTheTaskIsCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		var store fakeResults
		b.handleWithResult(func(ctx context.Context, task *driver.Task) error {
			if task.ID == "bad" {
				return errors.New("no result")
			}
			return SetResult(ctx, []byte(`"fine"`))
		})
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if call == "complete" {
				assert.Contains(t, store.kept, "a")
			}
			return nil
		}
		b.put("a", "bad")
		b.drain(Config{Results: &store})
		assert.Equal(t, map[string]string{"a": `"fine"`, "bad": "no result"}, store.kept)
		assert.Equal(t, time.Minute, store.ttl)
		assert.Equal(t, 1, b.q().calls("complete"))
		assert.Equal(t, driver.Stats{Dead: 1}, b.stats("q"))
	})
}

func TestResultStoreThatIsAwayForAWhileDelaysCompletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		store := fakeResults{down: true}
		b.handleWithResult(func(ctx context.Context, _ *driver.Task) error { return SetResult(ctx, []byte(`1`)) })
		p := b.pool(Config{Results: &store})
		b.start(p)
		b.put("a")
		pass(10 * time.Second)
		assert.Empty(t, b.q().completed())
		store.set(false)
		pass(2 * time.Second)
		assert.Equal(t, []string{"a"}, b.q().completed())
		assert.Less(t, store.puts, 40, "it is not asked in a hot loop")
		assert.Equal(t, 1, b.log.count("cannot store a result"))
		b.stop(p)
	})
}

func TestResultThatCannotBeStoredReleasesTheTaskUncharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.handleWithResult(func(ctx context.Context, _ *driver.Task) error { return SetResult(ctx, []byte(`1`)) })
		b.put("a")
		b.drain(Config{Results: &fakeResults{down: true}})
		require.Equal(t, driver.Stats{Scheduled: 1}, b.stats("q"))
		assert.Zero(t, b.q().waiting[0].task.RetryCount)
	})
}
