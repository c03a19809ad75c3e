package tracing

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A runContext is the context of a run with its span. Every run has one: without a span of
// its own it must not find that of a run around it, whose handler drains a pool.
type runContext struct {
	context.Context
	l    *listener
	span trace.Span // nil: not recorded
}

// runKey finds the runContext of a listener.
type runKey struct{ *listener }

func (c *runContext) Value(key any) any {
	if k, ok := key.(runKey); ok && k.listener == c.l {
		return c
	}
	return c.Context.Value(key)
}

// spanOf is the span of a run; nil if it is not recorded.
func (l *listener) spanOf(ctx context.Context) trace.Span {
	c, ok := ctx.(*runContext)
	if !ok || c.l != l { // another listener has put something around it
		if c, ok = ctx.Value(runKey{l}).(*runContext); !ok {
			return nil
		}
	}
	return c.span
}

// runStart begins the span of a run. The context that it returns has the span, and the
// baggage that came with the task.
func (l *listener) runStart(ctx context.Context, r *observe.Run) context.Context {
	kind := l.processKind(r)
	opts := append(kind.start(3), trace.WithTimestamp(r.Began))
	inner, producer := l.arrived(ctx, r.Task)
	var links []trace.Link
	if producer.IsValid() {
		links = append(links, link(producer, linkProducer, r.Task.ID))
	}
	if last := lastAttempt(r.Task); last.IsValid() {
		links = append(links, link(last, linkPrevious, r.Task.ID))
	}
	if len(links) > 0 {
		opts = append(opts, trace.WithLinks(links...))
	}
	if !l.cfg.ParentFromProducer || !producer.IsValid() {
		opts = append(opts, trace.WithNewRoot())
	}
	inner, span := l.tracer().Start(inner, kind.name, opts...)
	c := &runContext{Context: inner, l: l}
	if span.IsRecording() {
		c.span = span
		span.SetAttributes(keyMessageID.String(r.Task.ID), keyClientID.String(r.Worker))
		if r.Crashes > 0 {
			span.SetAttributes(keyCrashes.Int(r.Crashes))
		}
	}
	return c
}

var firstAttempt = []attribute.KeyValue{keyAttempt.Int(1)}

// processKind is how the span of a run begins. That of a first run is prepared.
func (l *listener) processKind(r *observe.Run) *spanKind {
	process := &l.queues.of(r.Queue).process
	if r.Attempt == 1 {
		return process.of(r.Type, firstAttempt...)
	}
	kind := process.make(keyTaskType.String(r.Type), keyAttempt.Int(r.Attempt))
	return &kind
}

// arrived returns ctx with what the metadata of a task adds to it, and the context of the
// task's send span; that is not valid if the task has none that can be read.
func (l *listener) arrived(ctx context.Context, t *observe.Task) (context.Context, trace.SpanContext) {
	if !l.carries(t) {
		return ctx, trace.SpanContext{}
	}
	inner := l.cfg.Propagator.Extract(ctx, propagation.MapCarrier(t.Metadata))
	producer := trace.SpanContextFromContext(inner)
	if producer.Equal(trace.SpanContextFromContext(ctx)) { // a span around the pool
		return inner, trace.SpanContext{}
	}
	return inner, producer
}

// runEnd ends the span of a run.
func (l *listener) runEnd(ctx context.Context, r *observe.Run) {
	span := l.spanOf(ctx)
	var as trace.SpanContext
	if span != nil {
		as = span.SpanContext()
	}
	switch r.Outcome {
	case driver.Retried, driver.Snoozed, driver.Died:
		setLastAttempt(r.Task, as)
	}
	if span == nil {
		return
	}
	span.SetAttributes(keyOutcome.String(string(r.Outcome)))
	switch r.Outcome {
	case driver.Died:
		fail(span, r.Err, true)
	case driver.Retried:
		fail(span, r.Err, l.cfg.ErrorOnRetry)
	case driver.Abandoned:
		fail(span, abandoned(r.Err), l.cfg.ErrorOnRetry) // it will run again, too
	}
	if as.IsSampled() && r.Outcome != driver.Abandoned {
		l.runs.put(r.Task, as)
	}
	span.End(trace.WithTimestamp(r.Began.Add(r.Took)))
}

// abandoned is the error of a run whose lease was lost, whatever its handler returned.
func abandoned(err error) error {
	if err == nil || errors.Is(err, driver.ErrLeaseLost) {
		return driver.ErrLeaseLost
	}
	return fmt.Errorf("%w: %w", driver.ErrLeaseLost, err)
}
