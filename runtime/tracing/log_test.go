package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime"
)

// withSpan handles records as if a span were in their context.
type withSpan struct {
	slog.Handler
	span trace.SpanContext
}

func (h withSpan) Handle(ctx context.Context, r slog.Record) error {
	return h.Handler.Handle(trace.ContextWithSpanContext(ctx, h.span), r)
}

func (h withSpan) WithAttrs(as []slog.Attr) slog.Handler {
	return withSpan{h.Handler.WithAttrs(as), h.span}
}

func (h withSpan) WithGroup(name string) slog.Handler {
	return withSpan{h.Handler.WithGroup(name), h.span}
}

var someSpan = trace.NewSpanContext(trace.SpanContextConfig{
	TraceID: trace.TraceID{0x4b, 15: 0x36}, SpanID: trace.SpanID{0xf0, 7: 0xb7},
})

func lines(t *testing.T, out *bytes.Buffer) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out.String()) {
		m := make(map[string]any)
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		all = append(all, m)
	}
	return all
}

func TestTheLogHandlerKeepsTheRulesOfSlog(t *testing.T) {
	for name, span := range map[string]trace.SpanContext{"without a span": {}, "with a span": someSpan} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			slogtest.Run(t, func(*testing.T) slog.Handler {
				out.Reset()
				return withSpan{NewLogHandler(slog.NewJSONHandler(&out, nil)), span}
			}, func(t *testing.T) map[string]any {
				all := lines(t, &out)
				require.Len(t, all, 1)
				if span.IsValid() {
					assert.Equal(t, span.TraceID().String(), all[0]["trace_id"])
					assert.Equal(t, span.SpanID().String(), all[0]["span_id"])
				} else {
					assert.NotContains(t, all[0], "trace_id")
				}
				return all[0]
			})
		})
	}
}

func TestTheIDsAreAtTheTopWhateverGroupsAreOpen(t *testing.T) {
	var out bytes.Buffer
	base := slog.New(NewLogHandler(slog.NewJSONHandler(&out, nil))).With("a", 1)
	one := base.WithGroup("g").With("b", 2)
	left := one.With("c", 3).WithGroup("h").With("d", 4) // loggers of one origin do not mix
	right := one.With("c", 30)
	ctx := trace.ContextWithSpanContext(t.Context(), someSpan)
	left.InfoContext(ctx, "left", "e", 5)
	right.InfoContext(ctx, "right", slog.Group("h", "e", 50))
	one.WithGroup("empty").InfoContext(ctx, "empty")
	left.Info("no span", "e", 5)
	want := []string{
		`{"level":"INFO","msg":"left","a":1,"g":{"b":2,"c":3,"h":{"d":4,"e":5}},"trace_id":"T","span_id":"S"}`,
		`{"level":"INFO","msg":"right","a":1,"g":{"b":2,"c":30,"h":{"e":50}},"trace_id":"T","span_id":"S"}`,
		`{"level":"INFO","msg":"empty","a":1,"g":{"b":2},"trace_id":"T","span_id":"S"}`,
		`{"level":"INFO","msg":"no span","a":1,"g":{"b":2,"c":3,"h":{"d":4,"e":5}}}`,
	}
	ids := strings.NewReplacer(`"T"`, `"`+someSpan.TraceID().String()+`"`, `"S"`, `"`+someSpan.SpanID().String()+`"`)
	for i, got := range lines(t, &out) {
		delete(got, "time")
		text, err := json.Marshal(got)
		require.NoError(t, err)
		assert.JSONEq(t, ids.Replace(want[i]), string(text))
	}
}

func TestLoggersOfOneOriginDoNotMix(t *testing.T) {
	var out bytes.Buffer
	ctx := trace.ContextWithSpanContext(t.Context(), someSpan)
	l := slog.New(NewLogHandler(slog.NewJSONHandler(&out, nil))).WithGroup("g")
	for i := range 20 { // with and without room behind what they share
		one, two := l.With("mine", 1), l.With("mine", 2)
		deep, deeper := l.WithGroup("one"), l.WithGroup("two")
		out.Reset()
		for _, l := range []*slog.Logger{one, two, deep, deeper} {
			l.InfoContext(ctx, "hello", "x", 0)
		}
		text := out.String()
		assert.Equal(t, 1, strings.Count(text, `"mine":1`))
		assert.Equal(t, 1, strings.Count(text, `"mine":2`))
		assert.Equal(t, 1, strings.Count(text, `"one":{"x":0}`))
		assert.Equal(t, 1, strings.Count(text, `"two":{"x":0}`))
		if l = l.With("n", i); i%7 == 6 {
			l = l.WithGroup("g")
		}
	}
}

// A handler that has several passes the same record to each.
func TestARecordIsLeftAsItIs(t *testing.T) {
	ctx := trace.ContextWithSpanContext(t.Context(), someSpan)
	for n := range 20 {
		r := slog.NewRecord(time.Now(), slog.LevelInfo, "hello", 0)
		for range n {
			r.AddAttrs(slog.Int("n", n))
		}
		for range 2 {
			var out bytes.Buffer
			require.NoError(t, NewLogHandler(slog.NewTextHandler(&out, nil)).Handle(ctx, r))
			assert.NotContains(t, out.String(), "BUG")
			assert.Equal(t, 1, strings.Count(out.String(), "trace_id="))
		}
		assert.Equal(t, n, r.NumAttrs())
	}
}

func TestTheLogHandlerSaysWhatItsHandlerLogs(t *testing.T) {
	h := NewLogHandler(slog.NewJSONHandler(new(bytes.Buffer), &slog.HandlerOptions{Level: slog.LevelWarn}))
	assert.False(t, h.Enabled(t.Context(), slog.LevelInfo))
	assert.True(t, h.Enabled(t.Context(), slog.LevelWarn))
	assert.Same(t, h, h.WithGroup(""))
	assert.Same(t, h, h.WithAttrs(nil))
}

func TestWhatAPoolAndAHandlerLogOfARunLeadsToItsSpan(t *testing.T) {
	e := newEnv(t, setup{})
	var out bytes.Buffer
	e.log = slog.New(NewLogHandler(slog.NewJSONHandler(&out, nil)))
	e.handle(func(ctx context.Context, attempt int) error {
		e.log.InfoContext(ctx, "hello")
		return errors.New("no answer")
	})
	e.enqueue(t.Context(), runtime.WithMaxRetries(0))
	require.Equal(t, 1, e.drain())
	run := e.span("process").SpanContext
	seen := 0
	for _, line := range lines(t, &out) {
		if msg := line["msg"]; msg == "hello" || msg == "task is dead" {
			seen++
			assert.Equal(t, run.TraceID().String(), line["trace_id"], msg)
			assert.Equal(t, run.SpanID().String(), line["span_id"], msg)
		}
	}
	assert.Equal(t, 2, seen)
}

func TestAnExemplarLeadsToASampledSpan(t *testing.T) {
	assert.Nil(t, Exemplar(t.Context()))
	assert.Nil(t, Exemplar(trace.ContextWithSpanContext(t.Context(), someSpan)), "it is not sampled")
	assert.Empty(t, TraceID(t.Context()))
	assert.Empty(t, TraceID(trace.ContextWithSpanContext(t.Context(), someSpan)))
	assert.Equal(t, someSpan.TraceID().String(), TraceID(trace.ContextWithSpanContext(t.Context(), someSpan.WithTraceFlags(trace.FlagsSampled))))
	got := Exemplar(trace.ContextWithSpanContext(t.Context(), someSpan.WithTraceFlags(trace.FlagsSampled)))
	assert.Equal(t, map[string]string{"trace_id": someSpan.TraceID().String(), "span_id": someSpan.SpanID().String()}, got)
	runes := 0
	for k, v := range got {
		runes += len(k) + len(v)
	}
	assert.LessOrEqual(t, runes, 128, "an exemplar of Prometheus has no room for more")
}
