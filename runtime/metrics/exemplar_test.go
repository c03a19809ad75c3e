package metrics_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/metrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

type traceKey struct{}

func exemplar(ctx context.Context) map[string]string {
	id, traced := ctx.Value(traceKey{}).(string)
	if !traced {
		return nil
	}
	return map[string]string{"trace_id": id}
}

// tracer puts the ID of a trace into the context of each run.
func tracer(id string) *observe.Listener {
	return &observe.Listener{RunStart: func(ctx context.Context, _ *observe.Run) context.Context {
		return context.WithValue(ctx, traceKey{}, id)
	}}
}

// scrape returns what Handler shows to a Prometheus that takes exemplars.
func scrape(m *metrics.Metrics) string {
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	return w.Body.String()
}

// exemplars are the names of the families that show an exemplar with a trace.
func exemplars(text, id string) map[string]bool {
	families := make(map[string]bool)
	for line := range strings.Lines(text) {
		if strings.Contains(line, `# {trace_id="`+id+`"}`) {
			name, _, _ := strings.Cut(line, "{")
			families[strings.TrimSuffix(name, "_bucket")] = true
		}
	}
	return families
}

func TestHistogramsNameATraceAsExample(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	e := newEnv(t, metrics.Config{Exemplar: exemplar}, tracer(id))
	e.handle(func(context.Context, *runtime.Task) error { return nil })
	e.enqueue(task("welcome"))
	e.drain()
	assert.Equal(t, map[string]bool{
		"taskgen_task_processing_duration_seconds": true, "taskgen_task_wait_seconds": true, "taskgen_task_end_to_end_seconds": true,
	}, exemplars(scrape(e.metrics), id))
}

func TestLabelsThatAreNoExemplarAreLeftOut(t *testing.T) {
	for _, id := range []string{strings.Repeat("f", 200), "\xff"} {
		e := newEnv(t, metrics.Config{Exemplar: exemplar}, tracer(id))
		e.handle(func(context.Context, *runtime.Task) error { return nil })
		e.enqueue(task("welcome"))
		e.drain()
		assert.NotContains(t, scrape(e.metrics), "trace_id")
		e.require(map[string]float64{"task_processing_duration_seconds" + welcome: 1})
	}
}

func TestARunWithoutATraceHasNoExemplar(t *testing.T) {
	e := newEnv(t, metrics.Config{Exemplar: exemplar})
	e.handle(func(context.Context, *runtime.Task) error { return nil })
	e.enqueue(task("welcome"))
	e.drain()
	assert.NotContains(t, scrape(e.metrics), "trace_id")
}

func TestALabelWithoutANameIsNoExemplar(t *testing.T) {
	e := newEnv(t, metrics.Config{Exemplar: func(context.Context) map[string]string { return map[string]string{"": "1"} }})
	e.handle(func(context.Context, *runtime.Task) error { return nil })
	e.enqueue(task("welcome"))
	e.drain()
	e.require(map[string]float64{"task_processing_duration_seconds" + welcome: 1})
}
