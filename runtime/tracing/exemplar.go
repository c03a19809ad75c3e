package tracing

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// Exemplar returns labels that lead from a measurement to the span in ctx: trace_id and
// span_id, in hexadecimal. It returns nil if there is no span, or if it is not sampled,
// so that no exemplar leads to a trace that was not kept.
func Exemplar(ctx context.Context) map[string]string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() || !span.IsSampled() {
		return nil
	}
	return map[string]string{LogTraceID: span.TraceID().String(), LogSpanID: span.SpanID().String()}
}

// TraceID returns the ID of the trace of the span in ctx, as 32 hexadecimal digits: for
// the records of package history. It returns "" if there is no span, or if it is not
// sampled, so that no record leads to a trace that was not kept.
func TraceID(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() || !span.IsSampled() {
		return ""
	}
	return span.TraceID().String()
}
