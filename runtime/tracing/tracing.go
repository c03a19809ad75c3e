package tracing

import (
	"reflect"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime/observe"
)

// Config says how spans are made. The zero value is fit for use.
type Config struct {
	// TracerProvider makes the spans. Nil: the global one of package otel, as it is when a
	// span begins.
	TracerProvider trace.TracerProvider
	// Propagator writes the context of a send span into the metadata of tasks, and reads
	// it there. All programs that share a queue need the same. Nil: W3C Trace Context and
	// W3C Baggage.
	Propagator propagation.TextMapPropagator
	// ParentFromProducer makes the send span the parent of the process spans, so that a
	// task and what led to it are one trace. By default each run has a trace of its own: a
	// task may run long after it was enqueued, and more than once, and a trace that stays
	// open for hours defeats samplers that wait for its end. Producers need it as well: by
	// default they keep a context that is not sampled to themselves.
	ParentFromProducer bool
	// ErrorOnRetry sets the status Error also on the span of a run that failed and will be
	// tried again. By default only a run that its task dies of has this status: samplers
	// that keep traces with errors would otherwise fill up with failures that a retry has
	// mended. The span of every failed run has error.type and an exception event.
	ErrorOnRetry bool
}

// Tracing makes spans as a Config says. It is safe for concurrent use.
type Tracing struct {
	cfg    Config
	fields []string // the keys that the propagator writes
	cached atomic.Pointer[cachedTracer]
}

// New returns a Tracing. ManagerConfig.Listeners takes its Listener.
func New(cfg Config) *Tracing {
	if cfg.Propagator == nil {
		cfg.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
	return &Tracing{cfg: cfg, fields: cfg.Propagator.Fields()}
}

// Listener returns a listener for one manager. Other managers need listeners of their
// own.
func (t *Tracing) Listener() *observe.Listener {
	return (&listener{Tracing: t}).functions()
}

// A listener makes the spans of one manager and its pools.
type listener struct {
	*Tracing
	queues queueTable
	runs   recentRuns
}

func (l *listener) functions() *observe.Listener {
	return &observe.Listener{
		QueueOpened:  l.queues.opened,
		QueueClosed:  l.queues.closed,
		EnqueueStart: l.enqueueStart,
		EnqueueEnd:   l.enqueueEnd,
		RunStart:     l.runStart,
		RunEnd:       l.runEnd,
		Settled:      l.settled,
		LeaseLost:    l.leaseLost,
	}
}

// cachedTracer is the tracer of a provider that can be compared.
type cachedTracer struct {
	provider trace.TracerProvider
	tracer   trace.Tracer
}

// tracer returns the tracer of the provider in use. It is cached, because an SDK takes a
// lock to look it up.
func (t *Tracing) tracer() trace.Tracer {
	provider := t.cfg.TracerProvider
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	if c := t.cached.Load(); c != nil && c.provider == provider {
		return c.tracer
	}
	tracer := provider.Tracer(scope, trace.WithSchemaURL(SchemaURL))
	if reflect.ValueOf(provider).Comparable() {
		t.cached.Store(&cachedTracer{provider, tracer})
	}
	return tracer
}
