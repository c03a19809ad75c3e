package tracing

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A sent is the part of an enqueue that concerns one queue.
type sent struct {
	queue  string
	tasks  int
	first  *observe.Task
	mixed  bool // the tasks are of more than one type
	system string
	span   trace.Span
	// What failed: how many tasks, and the first error.
	failed int
	err    error
}

// sendKey finds the send spans of a listener in the context of an enqueue.
type sendKey struct{ *listener }

// enqueueStart begins a span for each queue, and writes its context into the tasks.
func (l *listener) enqueueStart(ctx context.Context, tasks []*observe.Task) context.Context {
	var room [1]sent
	parts := split(tasks, room[:0])
	inner, recording := ctx, false
	for i := range parts {
		s := &parts[i]
		started := l.startSend(ctx, s, tasks)
		if s.span.SpanContext().IsValid() && len(parts) == 1 {
			inner = started
		}
		recording = recording || s.span.IsRecording()
	}
	switch {
	case recording:
		return context.WithValue(inner, sendKey{l}, slices.Clone(parts))
	case ctx.Value(sendKey{l}) != nil: // of an enqueue around this one
		return context.WithValue(inner, sendKey{l}, []sent(nil))
	}
	return inner
}

// split sorts tasks by queue, in the order in which the queues occur.
func split(tasks []*observe.Task, parts []sent) []sent {
	last := -1
	for _, t := range tasks {
		if t == nil {
			continue
		}
		if last < 0 || parts[last].queue != t.Queue {
			last = slices.IndexFunc(parts, func(s sent) bool { return s.queue == t.Queue })
		}
		if last < 0 {
			parts = append(parts, sent{queue: t.Queue, first: t})
			last = len(parts) - 1
		}
		s := &parts[last]
		s.tasks++
		s.mixed = s.mixed || t.Type != s.first.Type
	}
	return parts
}

// startSend begins the span of one queue's part, and returns its context.
func (l *listener) startSend(ctx context.Context, s *sent, tasks []*observe.Task) context.Context {
	spans := l.queues.ofName(s.queue)
	s.system = spans.system
	kind := spans.send.of(s.first.Type)
	if s.mixed {
		plain := spans.send.make()
		kind = &plain
	}
	opts := kind.start(1)
	if links := l.created(s, tasks); len(links) > 0 {
		opts = append(opts, trace.WithLinks(links...))
	}
	ctx, s.span = l.tracer().Start(ctx, kind.name, opts...)
	if s.span.IsRecording() {
		if s.tasks == 1 {
			s.span.SetAttributes(keyMessageID.String(s.first.ID))
		} else {
			s.span.SetAttributes(keyBatchCount.Int(s.tasks))
		}
	}
	l.inject(ctx, s, tasks)
	return ctx
}

// inject writes the context of a send span into its tasks. Without ParentFromProducer a
// context that is not sampled stays here: a link to it leads nowhere, and each task would
// be larger.
func (l *listener) inject(ctx context.Context, s *sent, tasks []*observe.Task) {
	if !s.span.SpanContext().IsSampled() && !l.cfg.ParentFromProducer {
		ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	}
	var c carrier
	if l.cfg.Propagator.Inject(ctx, &c); len(c.entries) == 0 {
		return
	}
	for _, t := range tasks {
		if t != nil && t.Queue == s.queue && !l.creation(t).IsValid() {
			c.writeTo(t)
		}
	}
}

// created returns links to the contexts that tasks of a part carry already, from an
// enqueue elsewhere. They stay: they are where the tasks come from.
func (l *listener) created(s *sent, tasks []*observe.Task) (links []trace.Link) {
	for _, t := range tasks {
		if t == nil || t.Queue != s.queue || len(links) == maxLinks {
			continue
		}
		if from := l.creation(t); from.IsValid() {
			links = append(links, link(from, linkProducer, t.ID))
		}
	}
	return links
}

// enqueueEnd ends the spans of an enqueue.
func (l *listener) enqueueEnd(ctx context.Context, e *observe.Enqueue) {
	parts, _ := ctx.Value(sendKey{l}).([]sent)
	if len(parts) == 0 {
		return
	}
	share(e, parts)
	for i := range parts {
		s := &parts[i]
		if q := e.Queue(s.queue); q != nil && s.system == "" { // it was just being opened
			s.span.SetAttributes(keySystem.String(systemOf(q.Provider)))
		}
		if s.err != nil {
			fail(s.span, s.summary(), true)
		}
		s.span.End()
	}
}

// share gives each part the errors of its tasks.
func share(e *observe.Enqueue, parts []sent) {
	if e.Err == nil {
		return
	}
	var batch *driver.BatchError
	if !errors.As(e.Err, &batch) {
		for i := range parts {
			parts[i].failed, parts[i].err = parts[i].tasks, e.Err
		}
		return
	}
	for _, item := range batch.Items {
		if item.Index < 0 || item.Index >= len(e.Tasks) || e.Tasks[item.Index] == nil {
			continue // of no queue
		}
		at := slices.IndexFunc(parts, func(s sent) bool { return s.queue == e.Tasks[item.Index].Queue })
		if at < 0 {
			continue
		}
		if parts[at].failed++; parts[at].err == nil {
			parts[at].err = item.Err
		}
	}
}

// summary is the error of a part: the first one, for all.
func (s *sent) summary() error {
	if s.failed == s.tasks {
		return s.err
	}
	return fmt.Errorf("%d of %d tasks failed, the first with: %w", s.failed, s.tasks, s.err)
}

// link leads to a span that has to do with a task.
func link(to trace.SpanContext, what, task string) trace.Link {
	return trace.Link{SpanContext: to, Attributes: []attribute.KeyValue{keyLink.String(what), keyMessageID.String(task)}}
}
