package metrics_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

func probe(m *metrics.Metrics, path string) (status int, body string) {
	w := httptest.NewRecorder()
	m.HealthHandler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func quietMetrics() *metrics.Metrics {
	return metrics.New(metrics.Config{Logger: slog.New(slog.DiscardHandler)})
}

func TestAProgramIsReadyOnceItsQueuesAreOpenAndItsPoolRuns(t *testing.T) {
	m := quietMetrics()
	status, body := probe(m, "/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.JSONEq(t, `{"status":"unavailable","checks":[{"check":"queue","status":"unavailable","reason":"no queue is open"}]}`, body)

	e := newEnv(t, metrics.Config{})
	status, body = probe(e.metrics, "/readyz")
	assert.Equal(t, http.StatusOK, status, "a program that only enqueues has no pool")
	assert.JSONEq(t, `{"status":"ok","checks":[{"check":"queue","name":"mail","provider":"memory","status":"ok"}]}`, body)

	e.handle(func(context.Context, *runtime.Task) error { return nil })
	p := e.pool()
	require.NoError(t, p.Start(t.Context()))
	status, body = probe(e.metrics, "/ops/readyz")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"ok","checks":[{"check":"queue","name":"mail","provider":"memory","status":"ok"},{"check":"pool","name":"w1","status":"ok"}]}`, body)

	require.NoError(t, p.Stop(t.Context()))
	status, body = probe(e.metrics, "/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, `{"check":"pool","name":"w1","status":"unavailable","reason":"the pool has stopped, and no other runs"}`)
	status, body = probe(e.metrics, "/livez")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"ok"}`, body)

	p2 := e.pool()
	require.NoError(t, p2.Start(t.Context()))
	status, _ = probe(e.metrics, "/readyz")
	assert.Equal(t, http.StatusOK, status, "a pool of the same name runs again")
	require.NoError(t, p2.Stop(t.Context()))
}

func TestAPoolThatStoppedIsNoMatterWhileAnotherRuns(t *testing.T) {
	e := newEnv(t, metrics.Config{})
	one, two := &observe.Pool{Name: "one", Workers: 3}, &observe.Pool{Name: "two", Workers: 4}
	l := e.metrics.Listener()
	l.PoolStarted(one)
	l.PoolStarted(two)
	e.require(map[string]float64{"worker_slots": 7})
	l.PoolStopped(one)
	e.require(map[string]float64{"worker_slots": 4})
	status, body := probe(e.metrics, "/readyz")
	assert.Equal(t, http.StatusOK, status)
	assert.NotContains(t, body, `"one"`)
}

func TestReadyzSaysWhichBrokerIsAway(t *testing.T) {
	hangs := func(ctx context.Context) (driver.Stats, error) {
		<-ctx.Done()
		return driver.Stats{}, driver.Unavailable(ctx.Err())
	}
	for reason, stats := range map[string]func(context.Context) (driver.Stats, error){
		"the broker did not answer within 3s": hangs,
		"the broker cannot be reached": func(context.Context) (driver.Stats, error) {
			return driver.Stats{}, driver.Unavailable(errors.New("refused"))
		},
		"the queue's provider is closed": func(context.Context) (driver.Stats, error) { return driver.Stats{}, driver.ErrClosed },
		"the broker does not count the queue's tasks: the log says why": func(context.Context) (driver.Stats, error) {
			return driver.Stats{}, errors.New("access denied")
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := quietMetrics()
			m.Listener().QueueOpened(&observe.Queue{Name: "well", Provider: "nats", Driver: &fixedQueue{}})
			m.Listener().QueueOpened(&observe.Queue{Name: "far", Provider: "redis", Driver: statsFunc(stats)})
			began := time.Now()
			status, body := probe(m, "/readyz")
			assert.LessOrEqual(t, time.Since(began), 3*time.Second)
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.JSONEq(t, `{"status":"unavailable","checks":[
				{"check":"queue","name":"well","provider":"nats","status":"ok"},
				{"check":"queue","name":"far","provider":"redis","status":"unavailable","reason":"`+reason+`"}]}`, body)
		})
	}
}

// A statsQueue answers Stats by a function.
type statsQueue struct {
	driver.Queue
	stats func(context.Context) (driver.Stats, error)
}

func statsFunc(f func(context.Context) (driver.Stats, error)) *statsQueue {
	return &statsQueue{stats: f}
}

func (q *statsQueue) Capabilities() driver.Capabilities               { return driver.Capabilities{} }
func (q *statsQueue) Stats(ctx context.Context) (driver.Stats, error) { return q.stats(ctx) }

func TestProbesAskTheBrokerSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		m := quietMetrics()
		m.Listener().QueueOpened(&observe.Queue{Name: "mail", Provider: "sqs", Driver: statsFunc(func(context.Context) (driver.Stats, error) {
			calls++
			return driver.Stats{}, nil
		})})
		for range 60 { // a minute
			status, _ := probe(m, "/readyz")
			assert.Equal(t, http.StatusOK, status)
			time.Sleep(time.Second)
		}
		assert.Equal(t, 4, calls)
	})
}

func TestTheHealthHandlerServesTwoPaths(t *testing.T) {
	m := quietMetrics()
	status, _ := probe(m, "/healthz")
	assert.Equal(t, http.StatusNotFound, status)
	w := httptest.NewRecorder()
	m.HealthHandler().ServeHTTP(w, httptest.NewRequest("POST", "/livez", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	w = httptest.NewRecorder()
	m.HealthHandler().ServeHTTP(w, httptest.NewRequest("HEAD", "/livez", nil))
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
}
