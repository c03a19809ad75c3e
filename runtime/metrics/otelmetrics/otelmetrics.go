package otelmetrics

import (
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Config configures Metrics. The zero value is ready to use.
type Config struct {
	// MeterProvider makes the instruments. Nil: the global one, otel.GetMeterProvider.
	MeterProvider metric.MeterProvider
	// Logger logs when the tasks of a queue cannot be counted, and when they can be
	// again. Nil: slog.Default, as it is at the time.
	Logger *slog.Logger
}

// Metrics are the metrics of a program's managers and pools. They observe these by
// Listener. They are safe for concurrent use.
type Metrics struct {
	meters
	listener *observe.Listener
	series   *measure.Series[queueSeries, typeSeries]
	queues   *measure.Queues
	gauges   metric.Registration
}

// New makes the instruments. The error is that of the meter provider.
func New(cfg Config) (*Metrics, error) {
	provider := cfg.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(scope, metric.WithSchemaURL(schemaURL))
	all, err := newMeters(meter)
	if err != nil {
		return nil, fmt.Errorf("make the instruments of taskgen: %w", err)
	}
	m := &Metrics{meters: all, queues: measure.NewQueues(cfg.Logger), series: measure.NewSeries(newQueue, newType)}
	m.gauges, err = meter.RegisterCallback(m.observeQueues, m.depth, m.dead, m.age, m.statsUp)
	if err != nil {
		return nil, fmt.Errorf("make the gauges of taskgen: %w", err)
	}
	m.listener = m.listen()
	return m, nil
}

// Listener returns the listener for ManagerConfig.Listeners. Any number of managers may
// have it. An SDK takes exemplars from the context of a run: list Metrics behind the
// listener that makes the traces.
func (m *Metrics) Listener() *observe.Listener { return m.listener }

// Close ends the gauges of queues, which every export of the meter provider would
// otherwise read. It returns the provider's error.
func (m *Metrics) Close() error { return m.gauges.Unregister() }
