package tracing

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// Keys of what NewLogHandler adds to log records, and of the labels of Exemplar.
const (
	LogTraceID = "trace_id"
	LogSpanID  = "span_id"
)

// NewLogHandler returns a handler that adds the IDs of the trace and the span in the
// record's context, in hexadecimal, and passes the record on to next. They are at the top
// of a record, also for a logger with groups. A record without a span is passed on as it
// is. A pool logs runs with the context of the run; a handler of tasks has to use the
// methods that take a context, such as InfoContext.
func NewLogHandler(next slog.Handler) slog.Handler {
	return &logHandler{next: next, top: next}
}

type logHandler struct {
	next slog.Handler // with all groups and attributes
	// top is next before its first group, and groups is what came then: with them a record
	// gets attributes outside of all groups.
	top    slog.Handler
	groups []logGroup
}

type logGroup struct {
	name  string
	attrs []slog.Attr
}

func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return h.next.Handle(ctx, r)
	}
	if len(h.groups) > 0 {
		r = grouped(r, h.groups)
	} else {
		r = r.Clone()
	}
	r.AddAttrs(slog.String(LogTraceID, span.TraceID().String()), slog.String(LogSpanID, span.SpanID().String()))
	return h.top.Handle(ctx, r)
}

// grouped is a record with its attributes in groups, the first of which is the outermost.
func grouped(r slog.Record, groups []logGroup) slog.Record {
	var inner []slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		inner = append(inner, a)
		return true
	})
	for i := len(groups) - 1; i >= 0; i-- {
		g := groups[i]
		attrs := append(slices.Clip(g.attrs), inner...)
		inner = []slog.Attr{slog.GroupAttrs(g.name, attrs...)}
	}
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	out.AddAttrs(inner...)
	return out
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	n := &logHandler{next: h.next.WithAttrs(attrs), top: h.top}
	if len(h.groups) == 0 {
		n.top = n.next
		return n
	}
	n.groups = slices.Clone(h.groups)
	last := &n.groups[len(n.groups)-1]
	last.attrs = append(slices.Clip(last.attrs), attrs...)
	return n
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &logHandler{next: h.next.WithGroup(name), top: h.top, groups: append(slices.Clip(h.groups), logGroup{name: name})}
}
