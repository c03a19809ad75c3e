package tracing

import (
	"context"
	"maps"
	"slices"
	"unicode/utf8"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Keys of a task's metadata. The first three are those of the default propagator.
const (
	MetaTraceParent = "traceparent" // the context of the send span, as W3C Trace Context writes it
	MetaTraceState  = "tracestate"  // what belongs to it, of vendors of tracing systems
	MetaBaggage     = "baggage"     // the baggage of the context that the task was enqueued with
	// MetaLastAttempt is the process span of the newest run that did not complete the task,
	// in the form of a traceparent. The next run links to it, also after a redrive.
	MetaLastAttempt = "taskgen.last_attempt"
)

// maxValue bounds, in bytes, what one value adds to each task. It is the limit of W3C
// Baggage; the other values are far shorter.
const maxValue = 8 << 10

// A carrier gathers what a propagator wants to write into the metadata of tasks.
type carrier struct{ entries []metaEntry }

type metaEntry struct{ key, value string }

// Set implements propagation.TextMapCarrier. It leaves out a value for which no task
// should grow, or that would make it invalid.
func (c *carrier) Set(key, value string) {
	if len(value) > maxValue || !utf8.ValidString(key) || !utf8.ValidString(value) {
		return
	}
	c.entries = append(c.entries, metaEntry{key, value})
}

// Get implements propagation.TextMapCarrier.
func (c *carrier) Get(key string) string {
	for _, e := range slices.Backward(c.entries) {
		if e.key == key {
			return e.value
		}
	}
	return ""
}

// Keys implements propagation.TextMapCarrier.
func (c *carrier) Keys() []string {
	keys := make([]string, len(c.entries))
	for i, e := range c.entries {
		keys[i] = e.key
	}
	return keys
}

// writeTo sets metadata of a task. The map is a new one: tasks may share theirs.
func (c *carrier) writeTo(t *observe.Task) {
	meta := make(map[string]string, len(t.Metadata)+len(c.entries))
	maps.Copy(meta, t.Metadata)
	if c.Get(MetaTraceParent) != "" {
		delete(meta, MetaTraceState) // would belong to another one
	}
	for _, e := range c.entries {
		meta[e.key] = e.value
	}
	t.Metadata = meta
}

// creation is the context that the task carries; not valid if it has none, or one that
// cannot be read.
func (t *Tracing) creation(task *observe.Task) trace.SpanContext {
	if !t.carries(task) {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(t.cfg.Propagator.Extract(context.Background(), propagation.MapCarrier(task.Metadata)))
}

// carries reports whether a task has metadata that the propagator reads.
func (t *Tracing) carries(task *observe.Task) bool {
	return len(task.Metadata) > 0 && slices.ContainsFunc(t.fields, func(key string) bool { return task.Metadata[key] != "" })
}

// lastAttempt is the process span of the run before; not valid if there is none.
func lastAttempt(t *observe.Task) trace.SpanContext {
	value := t.Metadata[MetaLastAttempt]
	if value == "" {
		return trace.SpanContext{}
	}
	from := propagation.MapCarrier{MetaTraceParent: value}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), from))
}

// setLastAttempt replaces the process span of the run before by that of this one, or
// removes it if this one is not sampled.
func setLastAttempt(t *observe.Task, span trace.SpanContext) {
	if !span.IsSampled() {
		delete(t.Metadata, MetaLastAttempt)
		return
	}
	to := make(propagation.MapCarrier, 1)
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), span.WithTraceState(trace.TraceState{})), to)
	driver.SetMeta(t, MetaLastAttempt, to[MetaTraceParent])
}
