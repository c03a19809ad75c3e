package tracing_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/tracing"
)

// discard is an exporter in an SDK whose spans cost what they cost up to there.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

func sampled(b *testing.B, sampler sdktrace.Sampler) trace.TracerProvider {
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discard{}), sdktrace.WithSampler(sampler))
	b.Cleanup(func() { require.NoError(b, p.Shutdown(context.Background())) })
	return p
}

// benchmark enqueues b.N tasks, a batch at a time, and then runs them. A nil provider: no
// listener.
func benchmark(b *testing.B, provider trace.TracerProvider) {
	var listeners []*observe.Listener
	if provider != nil {
		listeners = append(listeners, tracing.New(tracing.Config{TracerProvider: provider}).Listener())
	}
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: listeners})
	require.NoError(b, m.Open(b.Context(), memory.New(), runtime.QueueConfig{Name: "q", Capacity: 1 << 22}))
	defer m.Close()
	s := &runtime.Spec[string]{Type: "job", Queue: "q"}
	r := runtime.NewRouter()
	runtime.Register(r, s, func(context.Context, string) error { return nil })
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 4, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	payloads := make([]string, 256)
	b.ReportAllocs()
	for left := b.N; left > 0; left -= len(payloads) {
		_, err := runtime.EnqueueBatch(b.Context(), m, s, payloads[:min(left, len(payloads))])
		require.NoError(b, err)
	}
	runs, err := p.Drain(b.Context())
	require.NoError(b, err)
	require.Equal(b, b.N, runs)
}

func BenchmarkPoolWithoutListener(b *testing.B) { benchmark(b, nil) }
func BenchmarkPoolNoOp(b *testing.B)            { benchmark(b, noop.NewTracerProvider()) }
func BenchmarkPoolNeverSampled(b *testing.B)    { benchmark(b, sampled(b, sdktrace.NeverSample())) }
func BenchmarkPoolOnePercent(b *testing.B) {
	benchmark(b, sampled(b, sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01))))
}
func BenchmarkPoolAlwaysSampled(b *testing.B) { benchmark(b, sampled(b, sdktrace.AlwaysSample())) }
