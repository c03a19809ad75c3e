package runtime

import (
	"cmp"
	"context"
	"errors"
	"slices"
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
		b.handle(func(_ context.Context, task *Task) error {
			if runs++; task.ID == "good" {
				return nil
			}
			return RetryAfter(0, errNo)
		})
		told := 0
		b.r.OnDead("job", func(ctx context.Context, task *Task, cause error) error {
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
		b.putTask(&Task{ID: "a", MaxRetries: 1})
		b.put("good")
		b.drain(PoolConfig{Workers: 1})
		assert.Equal(t, 3, runs)
		assert.Equal(t, 1, told, "neither for the retry nor for the success")
		require.Len(t, b.q().dead, 1)
		assert.Zero(t, b.log.count("hook"))
	})
}

func TestWhatAHookForDeadTasksDoesChangesNothing(t *testing.T) {
	var none *nilError
	for name, hook := range map[string]DeadHook{
		"returns an error":    func(context.Context, *Task, error) error { return errors.New("hook") },
		"panics":              func(context.Context, *Task, error) error { panic("hook") },
		"returns a nil error": func(context.Context, *Task, error) error { return none },
		"waits for its end":   func(ctx context.Context, _ *Task, _ error) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				b.handle(func(context.Context, *Task) error { return Skip(nil) })
				b.r.OnDead("job", hook)
				b.put("a", "b")
				b.drain(PoolConfig{Workers: 1})
				assert.Len(t, b.q().dead, 2)
				assert.Equal(t, 2, b.log.count("the hook for dead tasks failed"))
			})
		})
	}
}

func TestOnDeadServesAliasesAndNeedsAHandler(t *testing.T) {
	hook := func(context.Context, *Task, error) error { return nil }
	handler := HandlerFunc(func(context.Context, *Task) error { return nil })
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
		b.r.Handle(Policy{Type: "job", Aliases: []string{"chore"}, Queue: "q"}, HandlerFunc(func(context.Context, *Task) error { return Skip(nil) }))
		told := 0
		b.r.OnDead("job", func(context.Context, *Task, error) error { told++; return nil })
		b.putTask(&Task{ID: "a", Type: "chore"})
		b.drain(PoolConfig{})
		assert.Equal(t, 1, told)
	})
}

type order struct {
	ID string `json:"id"`
}

func orders() *Spec[order] {
	return &Spec[order]{Type: "order", Aliases: []string{"purchase"}, Queue: "q", Validate: func(o *order) error {
		if o.ID == "" {
			return Missing("order", "id")
		}
		return nil
	}}
}

// reversed undoes an encoding that has the payload backwards.
func reversed(next Handler) Handler {
	return HandlerFunc(func(ctx context.Context, t *Task) error {
		if t.LastEncoding() == "reversed" {
			payload := slices.Clone(t.Payload)
			slices.Reverse(payload)
			t = t.Decoded(payload)
		}
		return next.Handle(ctx, t)
	})
}

func TestATypedHookIsGivenWhatTheHandlerIs(t *testing.T) {
	errNo := errors.New("no")
	for name, task := range map[string]*Task{
		"plain":              {Payload: []byte(`{"id":"7"}`)},
		"under its old name": {Type: "purchase", Payload: []byte(`{"id":"7"}`)},
		"encoded":            {Payload: []byte(`}"7":"di"{`), Encoding: "reversed"},
		"too old":            {Payload: []byte(`}"7":"di"{`), Encoding: "reversed", CreatedAt: time.Unix(0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t, QueueConfig{Name: "q", Retention: time.Hour})
				b.r.Use(reversed)
				Register(b.r, orders(), func(context.Context, order) error { return Skip(errNo) })
				told := 0
				OnDead(b.r, orders(), func(ctx context.Context, o order, cause error) error {
					told++
					assert.Equal(t, order{"7"}, o)
					info, ok := TaskFromContext(ctx)
					require.True(t, ok)
					assert.Equal(t, "a", info.ID)
					assert.Equal(t, `{"id":"7"}`, string(info.Payload))
					assert.NotEmpty(t, info.Metadata[driver.MetaAttempts])
					assert.Equal(t, cause.Error(), info.Metadata[driver.MetaFailureReason])
					assert.False(t, info.Deadline.IsZero())
					policy, ok := PolicyFromContext(ctx)
					assert.True(t, ok && policy.Type == "order")
					if task.CreatedAt.IsZero() {
						assert.ErrorIs(t, cause, errNo)
					} else {
						assert.ErrorIs(t, cause, ErrTaskExpired)
					}
					return nil
				})
				task := task.Clone()
				task.ID, task.Queue, task.Type = "a", "q", cmp.Or(task.Type, "order")
				b.putTask(task)
				b.drain(PoolConfig{Workers: 1})
				assert.Equal(t, 1, told)
				assert.Zero(t, b.log.count("hook"))
				require.Len(t, b.q().dead, 1)
				assert.Equal(t, task.Payload, b.q().buried()[0].Payload, "it dies as it was on the queue")
				assert.Equal(t, task.Encoding, b.q().buried()[0].Encoding)
			})
		})
	}
}

func TestATypedHookIsNotCalledWithWhatNoHandlerIsGiven(t *testing.T) {
	for name, task := range map[string]*Task{
		"is not decoded by any middleware": {Payload: []byte(`...`), Encoding: "unheard-of"},
		"is of another type":               {Payload: []byte(`{"id":7}`)},
		"lacks what is required":           {Payload: []byte(`{}`)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				Register(b.r, orders(), func(context.Context, order) error { return nil })
				OnDead(b.r, orders(), func(context.Context, order, error) error { t.Error("it is called"); return nil })
				task := task.Clone()
				task.ID, task.Queue, task.Type = "a", "q", "order"
				b.putTask(task)
				b.drain(PoolConfig{Workers: 1})
				assert.Len(t, b.q().dead, 1)
				assert.Equal(t, 1, b.log.count("the hook for dead tasks failed"))
			})
		})
	}
	r := NewRouter()
	Register(r, orders(), func(context.Context, order) error { return nil })
	OnDead(r, orders(), nil)
	assert.ErrorContains(t, r.Err(), "is nil")
}

// A middleware with a timeout of its own, say, does not wait for what it has begun.
func TestAHandlerThatIsLeftBehindDoesNotDisturbTheHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Use(func(next Handler) Handler {
			return HandlerFunc(func(ctx context.Context, task *Task) error {
				go func() { _ = next.Handle(ctx, task) }()
				return Skip(nil)
			})
		})
		Register(b.r, orders(), func(context.Context, order) error { return nil })
		told := 0
		OnDead(b.r, orders(), func(context.Context, order, error) error { told++; return nil })
		b.putTask(&Task{ID: "a", Type: "order", Queue: "q", Payload: []byte(`{"id":"7"}`)})
		b.drain(PoolConfig{Workers: 1})
		assert.Equal(t, 1, told)
	})
}
