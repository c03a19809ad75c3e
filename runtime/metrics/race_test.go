package metrics_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

// TestScrapesRunBesideAWorkingPool scrapes and probes while tasks are enqueued and run, and
// while queues come and go.
func TestScrapesRunBesideAWorkingPool(t *testing.T) {
	const producers, tasks = 4, 250
	e := newEnv(t, metrics.Config{Exemplar: exemplar}, tracer("1"))
	var done sync.WaitGroup
	done.Add(producers * tasks)
	e.handle(func(context.Context, *runtime.Task) error { done.Done(); return nil })
	server := httptest.NewServer(mux(e.metrics))
	defer server.Close()
	p := e.pool()
	require.NoError(t, p.Start(t.Context()))

	stop := make(chan struct{})
	var beside sync.WaitGroup
	get := func(path string, allowed ...int) {
		res, err := server.Client().Get(server.URL + path)
		if !assert.NoError(t, err) {
			return
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		assert.NoError(t, err)
		assert.Contains(t, allowed, res.StatusCode, path)
	}
	until := func(f func()) {
		beside.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	until(func() { get("/metrics", http.StatusOK) })
	until(func() { get("/metrics", http.StatusOK) })
	until(func() { get("/readyz", http.StatusOK, http.StatusServiceUnavailable) }) // a queue may be about to close
	until(func() {
		m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{e.metrics.Listener()}})
		assert.NoError(t, m.Open(t.Context(), e.provider, runtime.QueueConfig{Name: "passing", Types: []string{"report"}}))
		assert.NoError(t, m.Close())
	})
	for range producers {
		beside.Go(func() {
			for range tasks {
				_, err := e.manager.Enqueue(t.Context(), []*runtime.Task{task("welcome")})
				assert.NoError(t, err)
			}
		})
	}
	done.Wait()
	require.NoError(t, p.Stop(t.Context()))
	close(stop)
	beside.Wait()
	server.Client().CloseIdleConnections()
	e.require(map[string]float64{
		"tasks_enqueued_total" + welcome: producers * tasks,
		`tasks_completed_total{provider="memory",queue="mail",status="completed",type="welcome"}`: producers * tasks,
		"worker_slots_busy" + mail: 0,
	})
}

func mux(m *metrics.Metrics) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/metrics", m.Handler())
	mux.Handle("/livez", m.HealthHandler())
	mux.Handle("/readyz", m.HealthHandler())
	return mux
}
