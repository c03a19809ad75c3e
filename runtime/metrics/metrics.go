package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Config configures Metrics. The zero value is ready to use.
type Config struct {
	// Buckets are the upper bounds, in seconds and in increasing order, of the histograms
	// of runs, waits and end-to-end times; from 5 ms to 600 s when empty. They bound what
	// a quantile can say: choose one near each limit that you alert on. New panics if
	// they do not increase.
	Buckets []float64
	// Exemplar returns the labels that lead from a measurement to its trace, such as
	// trace_id, or nil if there is none. The histograms of runs, waits and end-to-end
	// times show them. Labels that Prometheus does not take, of more than 128 characters
	// in all, are left out. Nil: no exemplars.
	Exemplar func(ctx context.Context) map[string]string
	// Logger logs when the tasks of a queue cannot be counted, and when they can be
	// again. Nil: slog.Default, as it is at the time.
	Logger *slog.Logger
}

// Metrics are the metrics of a program's managers and pools. They observe these by
// Listener, and Handler shows them. They are a prometheus.Collector, too: register them on
// a registry of your own instead of using Handler, once. They are safe for concurrent use.
type Metrics struct {
	vectors
	cfg      Config
	listener *observe.Listener
	series   *measure.Series[queueSeries, typeSeries]
	queues   *measure.Queues

	mu    sync.Mutex
	pools []*poolState // in the order of their first starts
}

// New returns metrics that have observed nothing yet.
func New(cfg Config) *Metrics {
	if len(cfg.Buckets) == 0 {
		cfg.Buckets = defaultBuckets
	}
	for i := range cfg.Buckets[1:] {
		if !(cfg.Buckets[i] < cfg.Buckets[i+1]) { // also if one is NaN
			panic(fmt.Sprintf("taskgen: metrics.Config.Buckets must increase, and %v follows %v", cfg.Buckets[i+1], cfg.Buckets[i]))
		}
	}
	m := &Metrics{vectors: newVectors(cfg.Buckets), cfg: cfg, queues: measure.NewQueues(cfg.Logger)}
	m.series = measure.NewSeries(m.newQueue, m.newType)
	m.slots.WithLabelValues().Set(0)
	m.build.WithLabelValues(versions()...).Set(1)
	m.listener = m.listen()
	return m
}

// Listener returns the listener for ManagerConfig.Listeners. Any number of managers may
// have it. For exemplars of waits, list it behind the listener that makes the traces.
func (m *Metrics) Listener() *observe.Listener { return m.listener }

// Handler returns a handler that shows the metrics in the formats that Prometheus scrapes,
// with those of the Go runtime and of the process. Its registry is its own.
func (m *Metrics) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It asks the brokers for the counts of queues
// that are older than 5 s, and waits 3 s for them at most.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.collectQueues(ch)
	for _, c := range m.all() {
		c.Collect(ch)
	}
}
