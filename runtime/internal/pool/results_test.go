package pool

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// slowResults is a store that takes its time.
type slowResults struct {
	driver.ResultStore
	takes time.Duration
}

func (s slowResults) PutResult(context.Context, string, []byte, string, time.Duration) error {
	time.Sleep(s.takes)
	return nil
}

func TestStoringAResultTakesNothingFromTheNextTasksTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(Policy{Type: "job", Queue: "q", Result: true, Timeout: 2 * time.Second}, HandlerFunc(func(ctx context.Context, task *driver.Task) error {
			info, _ := TaskFromContext(ctx)
			assert.Equal(t, 2*time.Second, time.Until(info.Deadline), task.ID)
			time.Sleep(time.Second)
			return ctx.Err()
		}))
		b.put("a", "b", "c")
		assert.Equal(t, 3, b.drain(Config{Workers: 1, Results: slowResults{takes: 5 * time.Second}}))
		assert.Equal(t, []string{"a", "b", "c"}, b.q().completed())
	})
}

func TestTaskAndResultBelongToAHandler(t *testing.T) {
	_, ok := TaskFromContext(t.Context())
	assert.False(t, ok)
	require.EqualError(t, SetResult(t.Context(), []byte("1")), "taskgen: SetResult is called outside of a handler")

	running := &execution{info: runInfo{Task: &driver.Task{ID: "a"}, Attempt: 2}, policy: &noPolicy}
	ctx := context.WithValue(t.Context(), runKey{}, running)
	info, ok := TaskFromContext(ctx)
	require.True(t, ok)
	assert.Equal(t, "a", info.ID)
	assert.Equal(t, 2, info.Attempt)
	info.Policy.Retry.Retryable = func(error) bool { return true }
	_, err := json.Marshal(info)
	require.NoError(t, err, "a policy holds functions, and is left out")
	require.NoError(t, SetResult(ctx, []byte("1")))
	assert.Equal(t, "1", string(running.stored()))
}
