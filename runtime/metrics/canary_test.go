package metrics_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

// TestNothingOfATaskButItsTypeIsShown puts a canary into everything that a task and its
// errors have, and looks for it in what the handlers show.
func TestNothingOfATaskButItsTypeIsShown(t *testing.T) {
	const canary = "c4n4ry"
	e := newEnv(t, metrics.Config{})
	e.handle(func(_ context.Context, task *runtime.Task) error {
		if task.RetryCount == 0 {
			return runtime.RetryAfter(0, errors.New(canary))
		}
		panic(canary)
	})
	e.enqueue(&runtime.Task{
		ID: canary + "-id", Type: "welcome", Queue: "mail", Payload: []byte(`"` + canary + `"`), UniqueKey: canary + "-key", MaxRetries: 1,
		Metadata: map[string]string{canary: canary, driver.MetaJob: canary, driver.MetaFiring: time.Now().Format(time.RFC3339Nano)},
	}, task(canary))
	e.drain()
	e.metrics.Listener().QueueOpened(&observe.Queue{Name: "far", Provider: "redis", Driver: &fixedQueue{
		err: driver.Unavailable(errors.New("dial redis://app:" + canary + "@10.1.2.3:6379")),
	}})

	shown := scrape(e.metrics)
	assert.Contains(t, shown, `type="welcome"`)
	assert.Contains(t, shown, `taskgen_queue_stats_up{provider="redis",queue="far"} 0`)
	w := httptest.NewRecorder()
	e.metrics.HealthHandler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	shown += w.Body.String()
	assert.Contains(t, shown, "cannot be reached")
	assert.NotContains(t, shown, canary)
	assert.NotContains(t, shown, "10.1.2.3")
}
