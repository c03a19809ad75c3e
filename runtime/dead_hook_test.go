package runtime_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/generated"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A diedOf is what became of a task that died in a pool.
type diedOf struct {
	task *runtime.Task // as it is on the dead letter queue
	log  string        // of the pool
}

// died has a pool run a task until it is dead.
func died(t *testing.T, register func(*runtime.Router), task *runtime.Task) diedOf {
	t.Helper()
	provider, m, r := memory.New(), runtime.NewManager(runtime.ManagerConfig{}), runtime.NewRouter()
	require.NoError(t, m.Open(t.Context(), provider, runtime.QueueConfig{Name: "q", Retention: time.Hour, Unknown: runtime.BuryUnknown}))
	register(r)
	var log strings.Builder
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	_, err = m.Enqueue(t.Context(), []*runtime.Task{task})
	require.NoError(t, err)
	_, err = p.Drain(t.Context())
	require.NoError(t, err)
	dead, err := provider.Open(t.Context(), runtime.QueueConfig{Name: "q-dlq"})
	require.NoError(t, err)
	ds, err := dead.Dequeue(t.Context(), 1, time.Minute)
	require.NoError(t, err)
	require.NoError(t, errors.Join(m.Close(), provider.Close()))
	return diedOf{ds[0].Task, log.String()}
}

const hookFailed = "the hook for dead tasks failed"

type order struct {
	ID string `json:"id"`
}

func orders() *runtime.Spec[order] {
	return &runtime.Spec[order]{Type: "order", Aliases: []string{"purchase"}, Queue: "q", Shape: "000000000002", Validate: func(o *order) error {
		if o.ID == "" {
			return generated.Missing("order", "id")
		}
		return nil
	}}
}

// reversed undoes an encoding that has the payload backwards.
func reversed(next runtime.Handler) runtime.Handler {
	return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
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
	for name, task := range map[string]*runtime.Task{
		"plain":              {Payload: []byte(`{"id":"7"}`)},
		"under its old name": {Type: "purchase", Payload: []byte(`{"id":"7"}`)},
		"encoded":            {Payload: []byte(`}"7":"di"{`), Encoding: "reversed"},
		"too old":            {Payload: []byte(`}"7":"di"{`), Encoding: "reversed", CreatedAt: time.Unix(0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, old := 0, !task.CreatedAt.IsZero()
				task := task.Clone()
				task.ID, task.Queue, task.Type = "a", "q", cmp.Or(task.Type, "order")
				dead := died(t, func(r *runtime.Router) {
					r.Use(reversed)
					runtime.Register(r, orders(), func(context.Context, order) error { return runtime.Skip(errNo) })
					runtime.OnDead(r, orders(), func(ctx context.Context, o order, cause error) error {
						calls++
						assert.Equal(t, order{"7"}, o)
						info, ok := runtime.TaskFromContext(ctx)
						require.True(t, ok)
						assert.Equal(t, "a", info.ID)
						assert.Equal(t, `{"id":"7"}`, string(info.Payload))
						assert.NotEmpty(t, info.Metadata[driver.MetaAttempts])
						assert.Equal(t, cause.Error(), info.Metadata[driver.MetaFailureReason])
						assert.False(t, info.Deadline.IsZero())
						assert.Equal(t, "order", info.Policy.Type)
						if old {
							assert.ErrorIs(t, cause, driver.ErrTaskExpired)
						} else {
							assert.ErrorIs(t, cause, errNo)
						}
						return nil
					})
				}, task.Clone())
				assert.Equal(t, 1, calls)
				assert.NotContains(t, dead.log, "hook")
				assert.Equal(t, string(task.Payload), string(dead.task.Payload), "it dies as it was on the queue")
				assert.Equal(t, task.Encoding, dead.task.Encoding)
			})
		})
	}
}

func TestATypedHookIsNotCalledWithWhatNoHandlerIsGiven(t *testing.T) {
	for name, task := range map[string]*runtime.Task{
		"is not decoded by any middleware":  {Payload: []byte(`...`), Encoding: "unheard-of"},
		"is of another type":                {Payload: []byte(`{"id":7}`)},
		"lacks what is required":            {Payload: []byte(`{}`)},
		"has a shape that it does not read": {Payload: []byte(`{"id":"7"}`), Shape: "000000000003"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				task := task.Clone()
				task.ID, task.Queue, task.Type = "a", "q", "order"
				dead := died(t, func(r *runtime.Router) {
					runtime.Register(r, orders(), func(context.Context, order) error { return nil })
					runtime.OnDead(r, orders(), func(context.Context, order, error) error { t.Error("it is called"); return nil })
				}, task)
				assert.Equal(t, 1, strings.Count(dead.log, hookFailed))
			})
		})
	}
	r := runtime.NewRouter()
	runtime.Register(r, orders(), func(context.Context, order) error { return nil })
	runtime.OnDead(r, orders(), nil)
	assert.ErrorContains(t, r.Err(), "is nil")
}
