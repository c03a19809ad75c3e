package canary

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/metrics/otelmetrics"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/tracing"
)

// An outlet listens to the managers of a walk, and shows people or other programs what it
// has heard. No secret may be in that.
type outlet struct {
	place place
	// wants are in what it shows of a whole walk: an outlet that has heard only a part of
	// it proves little.
	wants  []string
	attach func(w *walk) attached
}

// An attached outlet is one of a walk.
type attached struct {
	listen func() *observe.Listener // for one manager
	show   func() string            // all that it has to show
}

// outlets are in the order in which a program lists its listeners.
var outlets = []outlet{
	{
		"spans",
		[]string{
			"send payments", "process payments", "ack payments", "release payments", "dead_letter payments", "process payment-lanes",
			`"exception.message"`, `"exception.stacktrace"`, `"Code":"Error"`,
			`"completed"`, `"retried"`, `"dead"`, `"cancelled"`, `"timeout"`, `"panic"`, `"invalid_task"`,
		},
		attachSpans,
	},
	{
		"metrics for Prometheus",
		[]string{
			`status="completed",type="pay"} `, `status="retried",type="pay"} 1`, `status="cancelled",type="pay"} 1`, `status="dead",type="pay-in-order"} 1`,
			`reason="timeout",type="pay"} 1`, `reason="panic",type="pay"} 2`, `queue="payments",reason="invalid_task"} 1`, "# HELP", `trace_id="`, `"status":"ok"`,
		},
		attachMetrics,
	},
	{
		"metrics of OpenTelemetry",
		[]string{"messaging.process.duration", "taskgen.queue.depth", `"cancelled"`, `"retried"`, `"panic"`, `"invalid_task"`, `"Exemplars":[{`},
		attachOTelMetrics,
	},
	{
		"rows of the fleet",
		[]string{`"running":[{"task_id":"`, `"secrets":["/card",`, `"type":"pay"`, `"schema":"`, `"aliases":["old-pay"]`},
		attachFleet,
	},
	{
		"records of the history",
		[]string{"Outcome:completed", "Outcome:retried", "Outcome:dead", "Outcome:cancelled", "timed out", "panic", "invalid task"},
		attachHistory,
	},
}

func attachSpans(w *walk) attached {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	// The texts of errors are in the status of failed runs as well.
	t := tracing.New(tracing.Config{TracerProvider: provider, ErrorOnRetry: true})
	return attached{t.Listener, func() string { return inJSON(w, spans.GetSpans()) }}
}

func attachMetrics(w *walk) attached {
	m := metrics.New(metrics.Config{Exemplar: tracing.Exemplar, Logger: w.log})
	registry := prometheus.NewPedanticRegistry()
	require.NoError(w, registry.Register(m))
	return attached{m.Listener, func() string {
		var all strings.Builder
		for _, format := range []string{"text/plain", "application/openmetrics-text; version=1.0.0"} {
			all.WriteString(served(m.Handler(), "/metrics", format))
		}
		all.WriteString(served(m.HealthHandler(), "/readyz", ""))
		families, err := registry.Gather() // with what no text shows: native histograms
		require.NoError(w, err)
		return all.String() + fmt.Sprint(families)
	}}
}

func served(h http.Handler, path, format string) string {
	r, answer := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
	r.Header.Set("Accept", format)
	h.ServeHTTP(answer, r)
	return answer.Body.String()
}

func attachOTelMetrics(w *walk) attached {
	reader := sdkmetric.NewManualReader()
	m, err := otelmetrics.New(otelmetrics.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), Logger: w.log})
	require.NoError(w, err)
	w.Cleanup(func() { require.NoError(w, m.Close()) })
	return attached{m.Listener, func() string {
		var all metricdata.ResourceMetrics
		require.NoError(w, reader.Collect(w.ctx, &all))
		return inJSON(w, all)
	}}
}

func attachHistory(w *walk) attached {
	h := history.New(w.history, history.Config{TraceID: tracing.TraceID, Logger: w.log})
	return attached{h.Listener, func() string {
		page, _, err := h.List(w.ctx, history.Filter{}, "", 1000)
		require.NoError(w, err)
		return fmt.Sprintf("%+v", page)
	}}
}

// inJSON has the attributes of telemetry, which package fmt does not print.
func inJSON(w *walk, v any) string {
	w.Helper()
	data, err := json.Marshal(v)
	require.NoError(w, err)
	return string(data)
}

// attach has the outlets listen to the managers of a walk.
func (w *walk) attach() {
	for _, o := range outlets {
		w.attached = append(w.attached, o.attach(w))
	}
}

// listeners are those of the outlets, for one manager.
func (w *walk) listeners() []*observe.Listener {
	var all []*observe.Listener
	for _, a := range w.attached {
		all = append(all, a.listen())
	}
	return all
}

// lookAtOutlets looks at what the outlets show of a whole walk.
func (w *walk) lookAtOutlets() {
	w.Helper()
	for i, o := range outlets {
		shown := w.attached[i].show()
		w.look(o.place, shown)
		for _, want := range o.wants {
			if !strings.Contains(shown, want) {
				w.Errorf("%s do not show %s: they have not heard of all that happened", o.place, want)
			}
		}
	}
}
