package metrics_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A program shows its metrics and its health over HTTP.
func Example() {
	m := metrics.New(metrics.Config{})
	ctx := context.Background()
	manager := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{m.Listener()}})
	if err := manager.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail", Types: []string{"welcome"}}); err != nil {
		log.Fatal(err)
	}
	defer manager.Close()

	mux := http.NewServeMux() // http.ListenAndServe(":9090", mux) serves it
	mux.Handle("/metrics", m.Handler())
	mux.Handle("/livez", m.HealthHandler())
	mux.Handle("/readyz", m.HealthHandler())

	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	router := runtime.NewRouter()
	runtime.Register(router, spec, func(context.Context, string) error { return nil })
	pool, err := runtime.NewPool(manager, router, runtime.PoolConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, manager, spec, &to); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Drain(ctx); err != nil {
		log.Fatal(err)
	}

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "taskgen_tasks_completed_total") || strings.HasPrefix(line, "taskgen_queue_stats_up") {
			fmt.Print(line)
		}
	}
	// Output:
	// taskgen_queue_stats_up{provider="memory",queue="mail"} 1
	// taskgen_tasks_completed_total{provider="memory",queue="mail",status="cancelled",type="welcome"} 0
	// taskgen_tasks_completed_total{provider="memory",queue="mail",status="completed",type="welcome"} 1
	// taskgen_tasks_completed_total{provider="memory",queue="mail",status="dead",type="welcome"} 0
	// taskgen_tasks_completed_total{provider="memory",queue="mail",status="released",type="welcome"} 0
	// taskgen_tasks_completed_total{provider="memory",queue="mail",status="retried",type="welcome"} 0
	// taskgen_tasks_completed_total{provider="memory",queue="mail",status="snoozed",type="welcome"} 0
}

// A program that has a registry adds taskgen's metrics to its own.
func ExampleMetrics() {
	m := metrics.New(metrics.Config{Buckets: []float64{.1, 1, 10, 60, 600}})
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)

	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		fmt.Println(f.GetName())
	}
	// Output:
	// taskgen_build_info
	// taskgen_worker_slots
}

// The health handler names what is wrong, here that the program has opened no queue.
func ExampleMetrics_HealthHandler() {
	m := metrics.New(metrics.Config{})
	w := httptest.NewRecorder()
	m.HealthHandler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 503 {"status":"unavailable","checks":[{"check":"queue","status":"unavailable","reason":"no queue is open"}]}
}
