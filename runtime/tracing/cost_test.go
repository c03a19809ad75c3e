package tracing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/observe"
)

func TestWithoutAnSDKNothingIsWrittenIntoTasks(t *testing.T) {
	e := newEnv(t, setup{Config: Config{TracerProvider: noop.NewTracerProvider()}})
	seen := 0
	e.handle(func(ctx context.Context, attempt int) error {
		info, _ := runtime.TaskFromContext(ctx)
		assert.NotContains(t, info.Metadata, MetaTraceParent)
		assert.NotContains(t, info.Metadata, MetaLastAttempt)
		assert.Nil(t, Exemplar(ctx))
		if seen++; attempt == 1 {
			return runtime.RetryAfter(0, errors.New("no answer"))
		}
		return nil
	})
	e.enqueue(t.Context())
	require.Equal(t, 2, e.drain())
	assert.Equal(t, 2, seen)
}

// A trace goes on behind a program without an SDK.
func TestWithoutAnSDKTheContextOfACallerIsPassedOn(t *testing.T) {
	e := newEnv(t, setup{Config: Config{TracerProvider: noop.NewTracerProvider()}})
	var seen []string
	e.handle(func(ctx context.Context, _ int) error {
		info, _ := runtime.TaskFromContext(ctx)
		if seen = append(seen, info.Metadata[MetaTraceParent]); len(seen) == 1 {
			e.enqueue(ctx)
		}
		return nil
	})
	ctx, caller := e.tracer.Start(t.Context(), "a request")
	e.enqueue(ctx)
	require.Equal(t, 2, e.drain())
	for _, parent := range seen {
		assert.Contains(t, parent, caller.SpanContext().SpanID().String())
	}
	assert.Len(t, seen, 2)
}

// An unsampled context travels, so that consumers that take it as the parent do not sample
// either.
func TestAnUnsampledContextTravelsAndLeavesNoSpan(t *testing.T) {
	e := newEnv(t, setup{Config: Config{ParentFromProducer: true}, sampler: sdktrace.ParentBased(sdktrace.NeverSample())})
	e.handle(func(ctx context.Context, attempt int) error {
		info, _ := runtime.TaskFromContext(ctx)
		assert.True(t, strings.HasSuffix(info.Metadata[MetaTraceParent], "-00"))
		assert.NotContains(t, info.Metadata, MetaLastAttempt)
		span := trace.SpanContextFromContext(ctx)
		assert.True(t, span.IsValid())
		assert.Contains(t, info.Metadata[MetaTraceParent], span.TraceID().String())
		assert.Nil(t, Exemplar(ctx))
		if attempt == 1 {
			return runtime.RetryAfter(0, errors.New("no answer"))
		}
		return nil
	})
	e.enqueue(t.Context())
	require.Equal(t, 2, e.drain())
	assert.Empty(t, e.exporter.GetSpans())
}

// By default the trace of a run is its own, and a link to an unsampled span leads nowhere.
func TestAnUnsampledContextThatIsNobodysParentStaysAndBaggageTravels(t *testing.T) {
	e := newEnv(t, setup{sampler: sdktrace.NeverSample()})
	e.handle(func(ctx context.Context, _ int) error {
		info, _ := runtime.TaskFromContext(ctx)
		assert.Equal(t, map[string]string{MetaBaggage: "tenant=a7", "mine": "x"}, info.Metadata)
		assert.Equal(t, "a7", baggage.FromContext(ctx).Member("tenant").Value())
		return nil
	})
	bag, err := baggage.Parse("tenant=a7")
	require.NoError(t, err)
	ctx, caller := e.tracer.Start(t.Context(), "a request")
	require.True(t, caller.SpanContext().IsValid())
	e.enqueue(baggage.ContextWithBaggage(ctx, bag), runtime.WithMetadata("mine", "x"))
	require.Equal(t, 1, e.drain())
}

func TestTheSpansOfABoundedNumberOfTypesArePrepared(t *testing.T) {
	spans := newQueueSpans("mail", "memory")
	first := spans.process.of("type 0", firstAttempt...)
	for i := range 2 * maxTypes {
		kind := spans.process.of(fmt.Sprint("type ", i), firstAttempt...)
		cfg := trace.NewSpanStartConfig(kind.opts...)
		has := attrs(cfg.Attributes())
		require.Equal(t, fmt.Sprint("type ", i), has["taskgen.task.type"])
		require.Equal(t, "1", has["taskgen.task.attempt"])
		require.Equal(t, "mail", has["messaging.destination.name"])
	}
	assert.Len(t, *spans.process.known.Load(), maxTypes)
	assert.Same(t, first, spans.process.of("type 0", firstAttempt...))
}

// Listeners behind put something around the context.
func TestASpanEndsWhateverIsAroundItsContext(t *testing.T) {
	type key struct{}
	e := newEnv(t, setup{listeners: []*observe.Listener{{
		EnqueueStart: func(ctx context.Context, _ []*runtime.Task) context.Context { return context.WithValue(ctx, key{}, 1) },
		RunStart: func(ctx context.Context, _ *observe.Run) context.Context {
			return trace.ContextWithSpanContext(context.WithValue(ctx, key{}, 1), someSpan)
		},
	}, New(Config{TracerProvider: noop.NewTracerProvider()}).Listener()}})
	e.handle(func(context.Context, int) error { return nil })
	e.enqueue(t.Context())
	require.Equal(t, 1, e.drain())
	assert.Len(t, e.spans(""), 3)
	assert.NotEqual(t, someSpan.TraceID(), e.span("process").SpanContext.TraceID())
}

// A testSampler samples by a function, which is called by one goroutine at a time.
type testSampler struct {
	mu sync.Mutex
	f  func(sdktrace.SamplingParameters) bool
}

func sampleBy(f func(sdktrace.SamplingParameters) bool) *testSampler { return &testSampler{f: f} }

func (s *testSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f(p) {
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
	}
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}
func (*testSampler) Description() string { return "a function" }

func TestARunDoesNotLinkToARunBeforeTheUnsampledOneBeforeIt(t *testing.T) {
	runs := 0
	e := newEnv(t, setup{sampler: sampleBy(func(p sdktrace.SamplingParameters) bool {
		if strings.HasPrefix(p.Name, "process") {
			runs++
		}
		return runs != 2
	})})
	e.handle(func(_ context.Context, attempt int) error {
		if attempt < 3 {
			return runtime.RetryAfter(0, errors.New("no answer"))
		}
		return nil
	})
	e.enqueue(t.Context())
	require.Equal(t, 3, e.drain())
	spans := e.spans("process")
	require.Len(t, spans, 2)
	assert.Equal(t, "3", attrs(spans[1].Attributes)["taskgen.task.attempt"])
	linksTo(t, spans[1], "producer", e.span("send"))
}

// Samplers see what they may decide by when a span begins.
func TestASamplerSeesQueueTypeAndAttempt(t *testing.T) {
	seen := make(map[string]map[string]string)
	e := newEnv(t, setup{sampler: sampleBy(func(p sdktrace.SamplingParameters) bool {
		seen[p.Name] = attrs(p.Attributes)
		return true
	})})
	e.handle(func(context.Context, int) error { return nil })
	e.enqueue(t.Context())
	e.drain()
	for name, keys := range map[string][]string{
		"send mail":    {"messaging.system", "messaging.destination.name", "taskgen.task.type"},
		"process mail": {"messaging.system", "messaging.destination.name", "taskgen.task.type", "taskgen.task.attempt"},
		"ack mail":     {"messaging.system", "messaging.destination.name"},
	} {
		for _, key := range keys {
			assert.Contains(t, seen[name], key, name)
		}
	}
}

// A span of another run or enqueue around an unsampled one is not its own.
func TestAnUnsampledSpanWithinASampledOneEndsNothing(t *testing.T) {
	inner := false
	e := newEnv(t, setup{sampler: sampleBy(func(sdktrace.SamplingParameters) bool { return !inner })})
	l := &listener{Tracing: New(Config{TracerProvider: e.provider})}
	q := &observe.Queue{Name: "mail", Provider: "memory"}
	send := []*observe.Task{sendTask("a", "welcome", "mail")}
	outerSend := l.enqueueStart(t.Context(), send)
	outerRun := l.runStart(t.Context(), &observe.Run{Pool: &observe.Pool{}, Queue: q, Task: send[0]})
	inner = true
	l.enqueueEnd(l.enqueueStart(outerSend, send), &observe.Enqueue{Tasks: send})
	run := &observe.Run{Pool: &observe.Pool{}, Queue: q, Task: sendTask("b", "welcome", "mail")}
	l.runEnd(l.runStart(outerRun, run), run)
	assert.Empty(t, e.spans(""))
	l.enqueueEnd(outerSend, &observe.Enqueue{Tasks: send, Queue: func(string) *observe.Queue { return q }})
	l.runEnd(outerRun, run)
	assert.Len(t, e.spans(""), 2)
}

// An oddProvider cannot be compared.
type oddProvider struct {
	noop.TracerProvider
	asked *int
	_     []int
}

func (p oddProvider) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	*p.asked++
	return p.TracerProvider.Tracer(name, opts...)
}

func TestTheTracerIsThatOfTheGlobalProviderOfTheMoment(t *testing.T) {
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	tr := New(Config{})
	e := newEnv(t, setup{})
	otel.SetTracerProvider(noop.NewTracerProvider())
	_, span := tr.tracer().Start(t.Context(), "send a")
	assert.False(t, span.IsRecording())
	otel.SetTracerProvider(e.provider)
	for range 2 {
		_, span = tr.tracer().Start(t.Context(), "send a")
		assert.True(t, span.IsRecording())
	}
	asked := 0
	otel.SetTracerProvider(oddProvider{asked: &asked})
	for range 2 {
		_, span = tr.tracer().Start(t.Context(), "send a")
		assert.False(t, span.IsRecording())
	}
	assert.Equal(t, 2, asked)
}
