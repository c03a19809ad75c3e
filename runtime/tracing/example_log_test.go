package tracing_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime/tracing"
)

// inSpan is a context with a span, as handlers of tasks get one.
func inSpan() context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 0xf9, 0x2f, 15: 0x36}, SpanID: trace.SpanID{0xf0, 7: 0xb7}, TraceFlags: trace.FlagsSampled,
	}))
}

// The logger of a program, and of its pools by PoolConfig.Logger, says to which span a
// record belongs.
func ExampleNewLogHandler() {
	text := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})
	logger := slog.New(tracing.NewLogHandler(text))
	logger.WithGroup("mail").InfoContext(inSpan(), "sent", "to", "ada")
	logger.Info("no span")
	// Output:
	// level=INFO msg=sent mail.to=ada trace_id=4bf92f00000000000000000000000036 span_id=f0000000000000b7
	// level=INFO msg="no span"
}

// The labels fit the exemplars of Prometheus: a dashboard leads from a slow run to its
// trace.
func ExampleExemplar() {
	labels := tracing.Exemplar(inSpan())
	fmt.Println(labels["trace_id"], labels["span_id"])
	fmt.Println(tracing.Exemplar(context.Background()) == nil)
	// Output:
	// 4bf92f00000000000000000000000036 f0000000000000b7
	// true
}

// A history records the trace of each run: it is the TraceID of history.Config.
func ExampleTraceID() {
	fmt.Println(tracing.TraceID(inSpan()))
	fmt.Printf("%q\n", tracing.TraceID(context.Background()))
	// Output:
	// 4bf92f00000000000000000000000036
	// ""
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
