package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestOnDeadIsToldOfATaskThatDiesBeforeItIsMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		errNo := errors.New("no")
		runs := 0
		b.handle(func(_ context.Context, task *driver.Task) error {
			if runs++; task.ID == "good" {
				return nil
			}
			return RetryAfter(0, errNo)
		})
		told := 0
		b.r.OnDead("job", func(ctx context.Context, task *driver.Task, cause error) error {
			told++
			assert.Equal(t, "a", task.ID)
			assert.ErrorIs(t, cause, errNo)
			assert.Equal(t, "2", task.Metadata[driver.MetaAttempts])
			assert.Equal(t, "no", task.Metadata[driver.MetaFailureReason])
			assert.Empty(t, b.q().dead, "it is not moved yet")
			deadline, ok := ctx.Deadline()
			assert.True(t, ok && time.Until(deadline) > 0)
			return nil
		})
		b.putTask(&driver.Task{ID: "a", MaxRetries: 1})
		b.put("good")
		b.drain(Config{Workers: 1})
		assert.Equal(t, 3, runs)
		assert.Equal(t, 1, told, "neither for the retry nor for the success")
		require.Len(t, b.q().dead, 1)
		assert.Zero(t, b.log.count("hook"))
	})
}

func TestWhatAHookForDeadTasksDoesChangesNothing(t *testing.T) {
	var none *nilError
	for name, hook := range map[string]DeadHook{
		"returns an error":    func(context.Context, *driver.Task, error) error { return errors.New("hook") },
		"panics":              func(context.Context, *driver.Task, error) error { panic("hook") },
		"returns a nil error": func(context.Context, *driver.Task, error) error { return none },
		"waits for its end":   func(ctx context.Context, _ *driver.Task, _ error) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				b.handle(func(context.Context, *driver.Task) error { return Skip(nil) })
				b.r.OnDead("job", hook)
				b.put("a", "b")
				b.drain(Config{Workers: 1})
				assert.Len(t, b.q().dead, 2)
				assert.Equal(t, 2, b.log.count("the hook for dead tasks failed"))
			})
		})
	}
}

func TestOnDeadServesAliasesAndNeedsAHandler(t *testing.T) {
	hook := func(context.Context, *driver.Task, error) error { return nil }
	handler := HandlerFunc(func(context.Context, *driver.Task) error { return nil })
	r := NewRouter()
	r.OnDead("late", hook)
	assert.ErrorContains(t, r.Err(), `type "late", and no handler`)
	r.Handle(Policy{Type: "late", Aliases: []string{"of old"}}, handler)
	assert.NoError(t, r.Err(), "the order does not matter")

	r.OnDead("of old", hook)
	assert.ErrorContains(t, r.Err(), `belongs to "late"`)

	r = NewRouter()
	r.Handle(Policy{Type: "a"}, handler)
	r.OnDead("a", nil)
	r.OnDead("a", hook)
	r.OnDead("a", hook)
	assert.ErrorContains(t, r.Err(), "is nil")
	assert.ErrorContains(t, r.Err(), "two hooks")

	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Aliases: []string{"chore"}, Queue: "q"}, HandlerFunc(func(context.Context, *driver.Task) error { return Skip(nil) }))
		told := 0
		b.r.OnDead("job", func(context.Context, *driver.Task, error) error { told++; return nil })
		b.putTask(&driver.Task{ID: "a", Type: "chore"})
		b.drain(Config{})
		assert.Equal(t, 1, told)
	})
}

// A middleware with a timeout of its own, say, does not wait for what it has begun.
func TestAHandlerThatIsLeftBehindDoesNotDisturbTheHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Use(func(next Handler) Handler {
			return HandlerFunc(func(ctx context.Context, task *driver.Task) error {
				go func() { _ = next.Handle(ctx, task) }()
				return Skip(nil)
			})
		})
		b.handle(noop)
		told := 0
		b.r.OnDead("job", func(context.Context, *driver.Task, error) error { told++; return nil })
		b.put("a")
		b.drain(Config{Workers: 1})
		assert.Equal(t, 1, told)
	})
}
