package tracingtest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/compress"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A process is a manager with a provider and spans of its own, as another program has.
type process struct {
	m     *runtime.Manager
	spans *tracetest.InMemoryExporter
}

func newProcess(t *testing.T, p driver.Provider, middleware ...runtime.EnqueueMiddleware) *process {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	tr := tracing.New(tracing.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))})
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{tr.Listener()}, Middleware: middleware})
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	require.NoError(t, m.Open(t.Context(), p, runtime.QueueConfig{Name: "mail"}))
	return &process{m, spans}
}

func (p *process) named(prefix string) []tracetest.SpanStub {
	return slices.DeleteFunc(p.spans.GetSpans(), func(s tracetest.SpanStub) bool { return !strings.HasPrefix(s.Name, prefix) })
}

var letter = &runtime.Spec[string]{Type: "letter", Queue: "mail", Retry: runtime.RetryPolicy{Max: 1}}

// work runs a pool until the letter was tried twice and is settled. The first run fails.
func (p *process) work(t *testing.T, text string, middleware ...func(runtime.Handler) runtime.Handler) {
	t.Helper()
	r := runtime.NewRouter()
	for _, m := range middleware {
		r.Use(m)
	}
	done := make(chan struct{})
	runtime.Register(r, letter, func(ctx context.Context, got string) error {
		assert.Equal(t, text, got)
		if info, _ := runtime.TaskFromContext(ctx); info.Attempt == 1 {
			return runtime.RetryAfter(0, errors.New("no answer"))
		}
		close(done)
		return nil
	})
	pool, err := runtime.NewPool(p.m, r, runtime.PoolConfig{Workers: 2, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, pool.Start(t.Context()))
	select {
	case <-done:
	case <-time.After(time.Minute):
		assert.Fail(t, "the letter is not run twice")
	}
	require.NoError(t, pool.Stop(t.Context()))
}

// requireLinked requires the two runs of a letter to lead to its enqueue, and the second
// to the first.
func requireLinked(t *testing.T, producer, consumer *process, system string) {
	t.Helper()
	sends, runs := producer.named("send mail"), consumer.named("process mail")
	require.Len(t, sends, 1)
	require.Len(t, runs, 2)
	for i, run := range runs {
		require.Len(t, run.Links, i+1)
		assert.Equal(t, sends[0].SpanContext.SpanID(), run.Links[0].SpanContext.SpanID())
		assert.Equal(t, sends[0].SpanContext.TraceID(), run.Links[0].SpanContext.TraceID())
		found := false
		for _, kv := range run.Attributes {
			found = found || kv.Key == "messaging.system" && kv.Value.AsString() == system
		}
		assert.True(t, found, "messaging.system=%s", system)
	}
	assert.Equal(t, runs[0].SpanContext.SpanID(), runs[1].Links[1].SpanContext.SpanID())
	for i, name := range []string{"release mail", "ack mail"} {
		settled := consumer.named(name)
		require.Len(t, settled, 1)
		require.Len(t, settled[0].Links, 1)
		assert.Equal(t, runs[i].SpanContext.SpanID(), settled[0].Links[0].SpanContext.SpanID())
	}
}

func TestTheContextTravelsThroughRedis(t *testing.T) {
	s, err := testserver.Redis()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	travels(t, "redis", func() driver.Provider {
		p, err := redis.Open(t.Context(), s.URL)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, p.Close()) })
		return p
	})
}

func TestTheContextTravelsThroughNATS(t *testing.T) {
	s, err := testserver.NATS()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	travels(t, "nats", func() driver.Provider {
		p, err := nats.Open(t.Context(), s.URL)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, p.Close()) })
		return p
	})
}

// travels sends a letter from one process to another.
func travels(t *testing.T, system string, open func() driver.Provider) {
	producer, consumer := newProcess(t, open()), newProcess(t, open())
	text := "dear ada"
	_, err := runtime.Enqueue(t.Context(), producer.m, letter, &text)
	require.NoError(t, err)
	consumer.work(t, text)
	requireLinked(t, producer, consumer, system)
}

// The metadata of an encrypted task is in clear, and so is the context.
func TestTracesGoThroughEncryptionAndCompression(t *testing.T) {
	const canary = "canary-7Qx9"
	ring, err := encrypt.NewKeyRing("k", map[string][]byte{"k": []byte(strings.Repeat("k", encrypt.KeySize))}, encrypt.RequireAll())
	require.NoError(t, err)
	c, err := compress.New(compress.Config{})
	require.NoError(t, err)
	provider := memory.New()
	t.Cleanup(func() { assert.NoError(t, provider.Close()) })
	p := newProcess(t, provider, c.Enqueue, ring.Enqueue)
	text := strings.Repeat(canary, 1000)
	_, err = runtime.Enqueue(t.Context(), p.m, letter, &text)
	require.NoError(t, err)
	q, err := p.m.Queue("mail")
	require.NoError(t, err)
	for task, err := range driver.BrowseAll(t.Context(), q, driver.Ready) {
		require.NoError(t, err)
		assert.Equal(t, "zstd,aes-gcm", task.Encoding)
		assert.NotEmpty(t, task.Metadata[tracing.MetaTraceParent])
	}
	p.work(t, text, ring.Handle, c.Handle)
	requireLinked(t, p, p, "memory")
	for _, span := range p.spans.GetSpans() {
		for _, kv := range span.Attributes {
			assert.NotContains(t, kv.Value.String(), canary)
		}
	}
}
