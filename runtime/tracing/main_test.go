package tracing

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An env is a manager with queues in memory whose spans are kept.
type env struct {
	t        testing.TB
	exporter *tracetest.InMemoryExporter
	provider trace.TracerProvider
	tracer   trace.Tracer // of the program itself
	m        *runtime.Manager
	r        *runtime.Router
	log      *slog.Logger
}

// A setup is what an env can be given.
type setup struct {
	Config
	sampler    sdktrace.Sampler    // nil: all spans
	listeners  []*observe.Listener // behind the tracing
	middleware []runtime.EnqueueMiddleware
}

func newEnv(t testing.TB, s setup) *env {
	t.Helper()
	e := &env{t: t, exporter: tracetest.NewInMemoryExporter(), r: runtime.NewRouter(), log: slog.New(slog.DiscardHandler)}
	opts := []sdktrace.TracerProviderOption{sdktrace.WithSyncer(e.exporter)}
	if s.sampler != nil {
		opts = append(opts, sdktrace.WithSampler(s.sampler))
	}
	provider := sdktrace.NewTracerProvider(opts...)
	e.provider, e.tracer = provider, provider.Tracer("the program")
	if s.TracerProvider == nil {
		s.TracerProvider = provider
	}
	e.m = runtime.NewManager(runtime.ManagerConfig{
		Listeners:  append([]*observe.Listener{New(s.Config).Listener()}, s.listeners...),
		Middleware: s.middleware,
	})
	m, p := e.m, newMemory(t)
	t.Cleanup(func() {
		assert.NoError(t, m.Close())
		for _, span := range e.spans("") {
			checkByTable(t, span)
		}
	})
	require.NoError(t, e.m.Open(t.Context(), p, runtime.QueueConfig{Name: "mail"}, runtime.QueueConfig{Name: "reports"}))
	return e
}

// replace gives the env another manager, with the queue mail.
func (e *env) replace(l *observe.Listener, cfg runtime.QueueConfig) {
	e.t.Helper()
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{l}})
	p := newMemory(e.t)
	e.t.Cleanup(func() { assert.NoError(e.t, m.Close()) })
	cfg.Name = "mail"
	require.NoError(e.t, m.Open(e.t.Context(), p, cfg))
	e.m = m
}

func newMemory(t testing.TB) *memory.Provider {
	p := memory.New()
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

// spec is of a type whose handler gets a text, and whose tasks are tried three times.
func spec(typ, queue string) *runtime.Spec[string] {
	return &runtime.Spec[string]{Type: typ, Queue: queue, Retry: runtime.RetryPolicy{Max: 2}}
}

// handle registers a handler for welcome tasks, which are on the queue mail.
func (e *env) handle(h func(ctx context.Context, attempt int) error) {
	runtime.Register(e.r, spec("welcome", "mail"), func(ctx context.Context, _ string) error {
		info, _ := runtime.TaskFromContext(ctx)
		return h(ctx, info.Attempt)
	})
}

// enqueue enqueues a welcome task.
func (e *env) enqueue(ctx context.Context, opts ...runtime.EnqueueOption) {
	e.t.Helper()
	to := "ada"
	_, err := runtime.Enqueue(ctx, e.m, spec("welcome", "mail"), &to, opts...)
	require.NoError(e.t, err)
}

// drain runs all tasks, and returns the runs.
func (e *env) drain() int {
	e.t.Helper()
	p, err := runtime.NewPool(e.m, e.r, runtime.PoolConfig{Name: "tester", Workers: 1, Logger: e.log})
	require.NoError(e.t, err)
	runs, err := p.Drain(e.t.Context())
	require.NoError(e.t, err)
	return runs
}

// spans are the spans of the listener whose name begins with a prefix, in the order in
// which they ended.
func (e *env) spans(prefix string) []tracetest.SpanStub {
	return slices.DeleteFunc(e.exporter.GetSpans(), func(s tracetest.SpanStub) bool {
		return s.InstrumentationScope.Name != scope || !strings.HasPrefix(s.Name, prefix)
	})
}

// span is the only such span.
func (e *env) span(prefix string) tracetest.SpanStub {
	e.t.Helper()
	spans := e.spans(prefix)
	require.Len(e.t, spans, 1, "spans named %s…", prefix)
	return spans[0]
}

// attrs are attributes as texts.
func attrs(kvs []attribute.KeyValue) map[string]string {
	m := make(map[string]string)
	for _, kv := range kvs {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

// linksTo requires the links of a span to be those to the given spans, with what they
// are, in this order.
func linksTo(t testing.TB, span tracetest.SpanStub, want ...any) {
	t.Helper()
	require.Len(t, span.Links, len(want)/2, "links of %s", span.Name)
	for i, l := range span.Links {
		to := want[2*i+1].(tracetest.SpanStub)
		assert.Equal(t, want[2*i], attrs(l.Attributes)["taskgen.link"])
		assert.Equal(t, to.SpanContext.TraceID(), l.SpanContext.TraceID(), "trace of link %d of %s", i, span.Name)
		assert.Equal(t, to.SpanContext.SpanID(), l.SpanContext.SpanID(), "span of link %d of %s", i, span.Name)
	}
}

// event is the only event of a span.
func event(t testing.TB, span tracetest.SpanStub) map[string]string {
	t.Helper()
	require.Len(t, span.Events, 1, "events of %s", span.Name)
	assert.Equal(t, "exception", span.Events[0].Name)
	return attrs(span.Events[0].Attributes)
}

// checkByTable holds a span to the table of names.
func checkByTable(t testing.TB, span tracetest.SpanStub) {
	t.Helper()
	assert.Equal(t, SchemaURL, span.InstrumentationScope.SchemaURL)
	name, queue, _ := strings.Cut(span.Name, " ")
	at := slices.IndexFunc(operations, func(op *operation) bool { return op.name == name })
	if !assert.GreaterOrEqual(t, at, 0, "%s is no operation", name) {
		return
	}
	op := operations[at]
	has := attrs(span.Attributes)
	assert.Equal(t, op.kind, span.SpanKind)
	assert.Equal(t, op.name, has["messaging.operation.name"])
	assert.Equal(t, op.typ, has["messaging.operation.type"])
	assert.Equal(t, queue, has["messaging.destination.name"])
	place := map[string]places{"send": onSend, "process": onProcess, "settle": onSettle}[op.typ]
	inTable(t, span.Attributes, place)
	for _, l := range span.Links {
		inTable(t, l.Attributes, onLink)
	}
	for _, e := range span.Events {
		assert.Equal(t, eventException, e.Name)
		inTable(t, e.Attributes, onEvent)
	}
}

func inTable(t testing.TB, kvs []attribute.KeyValue, on places) {
	t.Helper()
	for _, kv := range kvs {
		listed := slices.ContainsFunc(attributes, func(e entry) bool { return e.key == kv.Key && e.on&on != 0 })
		assert.True(t, listed, "the table does not have %s there", kv.Key)
	}
}
