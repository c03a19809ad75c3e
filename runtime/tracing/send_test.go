package tracing

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// sendTask is a task as programs make one without a spec.
func sendTask(id, typ, queue string) *runtime.Task {
	return &runtime.Task{ID: id, Type: typ, Queue: queue, Payload: []byte(`"ada"`)}
}

func TestABatchIsOneSpanOfEachQueue(t *testing.T) {
	e := newEnv(t, setup{})
	ctx, caller := e.tracer.Start(t.Context(), "a request")
	tasks := []*runtime.Task{
		sendTask("a", "welcome", "mail"), sendTask("b", "sales", "reports"), sendTask("c", "goodbye", "mail"),
		sendTask("d", "sales", "reports"), sendTask("e", "sales", "reports"),
	}
	_, err := e.m.Enqueue(ctx, tasks)
	require.NoError(t, err)
	mail, reports := e.span("send mail"), e.span("send reports")
	for _, s := range e.spans("send") {
		assert.Equal(t, caller.SpanContext().SpanID(), s.Parent.SpanID())
		assert.NotContains(t, attrs(s.Attributes), "messaging.message.id")
	}
	assert.Equal(t, "2", attrs(mail.Attributes)["messaging.batch.message_count"])
	assert.NotContains(t, attrs(mail.Attributes), "taskgen.task.type", "there are two")
	assert.Equal(t, "3", attrs(reports.Attributes)["messaging.batch.message_count"])
	assert.Equal(t, "sales", attrs(reports.Attributes)["taskgen.task.type"])
	for _, task := range tasks {
		span := mail
		if task.Queue == "reports" {
			span = reports
		}
		assert.Equal(t, "00-"+span.SpanContext.TraceID().String()+"-"+span.SpanContext.SpanID().String()+"-01", task.Metadata[MetaTraceParent])
	}
}

// What a provider's client does is seen below the send span.
func TestTheSendSpanIsInTheContextOfAnEnqueueOnOneQueue(t *testing.T) {
	var inner []trace.SpanContext
	e := newEnv(t, setup{middleware: []runtime.EnqueueMiddleware{func(next runtime.Enqueuer) runtime.Enqueuer {
		return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
			inner = append(inner, trace.SpanContextFromContext(ctx))
			return next.Enqueue(ctx, tasks)
		})
	}}})
	ctx, caller := e.tracer.Start(t.Context(), "a request")
	e.enqueue(ctx)
	_, err := e.m.Enqueue(ctx, []*runtime.Task{sendTask("a", "welcome", "mail"), sendTask("b", "sales", "reports")})
	require.NoError(t, err)
	assert.Equal(t, []trace.SpanContext{e.spans("send mail")[0].SpanContext, caller.SpanContext()}, inner)
}

func TestASendSpanHasTheErrorsOfItsQueueAlone(t *testing.T) {
	e := newEnv(t, setup{})
	_, err := e.m.Enqueue(t.Context(), []*runtime.Task{
		sendTask("a", "welcome", "mail"), nil, sendTask("b", "sales", "reports"), sendTask("a", "welcome", "mail"), sendTask("c", "x", "lost"),
	})
	require.ErrorIs(t, err, driver.ErrDuplicate)
	mail := e.span("send mail")
	assert.Equal(t, codes.Error, mail.Status.Code)
	assert.Equal(t, "duplicate", attrs(mail.Attributes)["error.type"])
	assert.Contains(t, event(t, mail)["exception.message"], "1 of 2 tasks failed, the first with: ")
	assert.Equal(t, codes.Unset, e.span("send reports").Status.Code)
	lost := e.span("send lost")
	assert.Equal(t, "unknown_queue", attrs(lost.Attributes)["error.type"])
	assert.NotContains(t, attrs(lost.Attributes), "messaging.system", "there is no provider")
}

func TestAnErrorOfTheWholeEnqueueIsOnEachSpan(t *testing.T) {
	e := newEnv(t, setup{middleware: []runtime.EnqueueMiddleware{func(runtime.Enqueuer) runtime.Enqueuer {
		return runtime.EnqueuerFunc(func(context.Context, []*runtime.Task) ([]runtime.Enqueued, error) {
			return nil, errors.New("no keys")
		})
	}}})
	_, err := e.m.Enqueue(t.Context(), []*runtime.Task{sendTask("a", "welcome", "mail"), sendTask("b", "sales", "reports")})
	require.EqualError(t, err, "no keys")
	require.Len(t, e.spans("send"), 2)
	for _, span := range e.spans("send") {
		assert.Equal(t, codes.Error, span.Status.Code)
		assert.Equal(t, "no keys", event(t, span)["exception.message"])
	}
}

func TestAnEnqueueOfNothingHasNoSpan(t *testing.T) {
	e := newEnv(t, setup{})
	_, _ = e.m.Enqueue(t.Context(), []*runtime.Task{nil})
	_, _ = e.m.Enqueue(t.Context(), nil)
	assert.Empty(t, e.spans(""))
}

// An enqueue in the middleware of another one must not end the other's span.
func TestAnEnqueueWithinAnEnqueueEndsItsOwnSpan(t *testing.T) {
	var e *env
	deep := false
	e = newEnv(t, setup{middleware: []runtime.EnqueueMiddleware{func(next runtime.Enqueuer) runtime.Enqueuer {
		return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
			if !deep {
				deep = true
				_, err := e.m.Enqueue(ctx, []*runtime.Task{nil}) // which has no span
				assert.Error(t, err)
				assert.Empty(t, e.spans("send"))
				e.enqueue(ctx, runtime.WithID("inner"))
				assert.Len(t, e.spans("send"), 1)
			}
			return next.Enqueue(ctx, tasks)
		})
	}}})
	e.enqueue(t.Context(), runtime.WithID("outer"))
	sends := e.spans("send")
	require.Len(t, sends, 2)
	assert.Equal(t, "inner", attrs(sends[0].Attributes)["messaging.message.id"])
	assert.Equal(t, "outer", attrs(sends[1].Attributes)["messaging.message.id"])
	assert.Equal(t, sends[1].SpanContext.SpanID(), sends[0].Parent.SpanID())
}

const (
	foreignTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	foreignParent = "00-" + foreignTrace + "-00f067aa0ba902b7-01"
)

// A task that comes from elsewhere says where.
func TestATaskThatCarriesAContextKeepsIt(t *testing.T) {
	e := newEnv(t, setup{})
	e.handle(func(context.Context, int) error { return nil })
	tasks := []*runtime.Task{sendTask("a", "welcome", "mail"), sendTask("b", "welcome", "mail"), sendTask("c", "welcome", "mail")}
	tasks[1].Metadata = map[string]string{MetaTraceParent: foreignParent, MetaTraceState: "vendor=1", "mine": "x"}
	_, err := e.m.Enqueue(t.Context(), tasks)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{MetaTraceParent: foreignParent, MetaTraceState: "vendor=1", "mine": "x"}, tasks[1].Metadata)
	send := e.span("send")
	require.Len(t, send.Links, 1)
	assert.Equal(t, foreignTrace, send.Links[0].SpanContext.TraceID().String())
	assert.Equal(t, map[string]string{"taskgen.link": "producer", "messaging.message.id": "b"}, attrs(send.Links[0].Attributes))
	require.Equal(t, 3, e.drain())
	for _, run := range e.spans("process") {
		want := send.SpanContext.TraceID().String()
		if attrs(run.Attributes)["messaging.message.id"] == "b" {
			want = foreignTrace
			assert.Equal(t, "vendor=1", run.Links[0].SpanContext.TraceState().String())
		}
		require.Len(t, run.Links, 1)
		assert.Equal(t, want, run.Links[0].SpanContext.TraceID().String())
	}
}

func TestAGarbledContextIsReplacedByAnEnqueueAndIgnoredByARun(t *testing.T) {
	for name, garbled := range map[string]string{
		"text": "hello", "zeros": "00-00000000000000000000000000000000-0000000000000000-01", "version": "ff-" + foreignTrace + "-00f067aa0ba902b7-01",
		"upper": strings.ToUpper(foreignParent), "long": foreignParent + "-" + strings.Repeat("x", 1<<16), "binary": "00-\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, setup{})
			e.handle(func(context.Context, int) error { return nil })
			shared := map[string]string{MetaTraceParent: garbled, MetaTraceState: "vendor=1", "mine": "x"}
			task := sendTask("a", "welcome", "mail")
			task.Metadata = shared
			_, err := e.m.Enqueue(t.Context(), []*runtime.Task{task})
			require.NoError(t, err)
			send := e.span("send")
			assert.Empty(t, send.Links)
			assert.Contains(t, task.Metadata[MetaTraceParent], send.SpanContext.TraceID().String())
			assert.NotContains(t, task.Metadata, MetaTraceState, "it belonged to the other")
			assert.Equal(t, "x", task.Metadata["mine"])
			assert.Equal(t, garbled, shared[MetaTraceParent], "tasks may share a map")

			q, err := e.m.Queue("mail") // as a program without tracing enqueues
			require.NoError(t, err)
			foreign := sendTask("b", "welcome", "mail")
			foreign.Metadata = map[string]string{MetaTraceParent: garbled, MetaLastAttempt: garbled, MetaBaggage: "\x00=;;"}
			driver.Stamp(foreign, driver.SystemClock.Now())
			_, err = q.Enqueue(t.Context(), []*runtime.Task{foreign})
			require.NoError(t, err)
			require.Equal(t, 2, e.drain())
			run := e.spans("process")[1]
			assert.Empty(t, run.Links)
			assert.False(t, run.Parent.IsValid())
		})
	}
}

func TestAnEnqueueWhileAQueueIsBeingOpenedHasItsSystemAtTheEnd(t *testing.T) {
	e := newEnv(t, setup{})
	l := &listener{Tracing: New(Config{TracerProvider: e.provider})} // which never heard of the queue
	task := sendTask("a", "welcome", "mail")
	ctx := l.enqueueStart(t.Context(), []*observe.Task{task})
	l.enqueueEnd(ctx, &observe.Enqueue{Tasks: []*observe.Task{task}, Queue: func(name string) *observe.Queue {
		return &observe.Queue{Name: name, Provider: "sqs"}
	}})
	assert.Equal(t, "aws_sqs", attrs(e.span("send mail").Attributes)["messaging.system"])
}

func TestACarrierLeavesOutWhatWouldHarmTheTask(t *testing.T) {
	var c carrier
	c.Set("long", strings.Repeat("x", maxValue+1))
	c.Set("invalid", "a\xff")
	c.Set("invalid\xff", "a")
	c.Set("good", strings.Repeat("x", maxValue))
	assert.Equal(t, []string{"good"}, c.Keys())
	assert.Len(t, c.Get("good"), maxValue)
	assert.Empty(t, c.Get("long"))
}
