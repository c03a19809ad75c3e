package tracing

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A life is the spans of a task that failed once and was completed then.
type life struct {
	send, first, release, second, ack tracetest.SpanStub
	caller                            trace.SpanContext // of the span that enqueued it
	settled                           []observe.Settlement
}

// live enqueues a task, whose runs take a second and two.
func live(t *testing.T, cfg Config) (l life) {
	t.Helper()
	e := newEnv(t, setup{Config: cfg, listeners: []*observe.Listener{{
		Settled: func(s *observe.Settlement) { l.settled = append(l.settled, *s) },
	}}})
	e.handle(func(_ context.Context, attempt int) error {
		time.Sleep(time.Duration(attempt) * time.Second)
		if attempt == 1 {
			return runtime.RetryAfter(0, errors.New("the mail server is busy"))
		}
		return nil
	})
	ctx, caller := e.tracer.Start(t.Context(), "a request")
	l.caller = caller.SpanContext()
	e.enqueue(ctx, runtime.WithID("task-1"))
	caller.End()
	require.Equal(t, 2, e.drain())
	runs := e.spans("process")
	require.Len(t, runs, 2)
	require.Len(t, e.spans(""), 5)
	l.send, l.first, l.release, l.second, l.ack = e.span("send mail"), runs[0], e.span("release mail"), runs[1], e.span("ack mail")
	return l
}

func TestATaskIsTracedFromEnqueueThroughTwoRunsToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, Config{})
		assert.Equal(t, trace.SpanKindProducer, l.send.SpanKind)
		assert.Equal(t, l.caller.SpanID(), l.send.Parent.SpanID(), "the send span is a child of what called Enqueue")
		assert.Equal(t, map[string]string{
			"messaging.system": "memory", "messaging.operation.name": "send", "messaging.operation.type": "send",
			"messaging.destination.name": "mail", "messaging.message.id": "task-1", "taskgen.task.type": "welcome",
		}, attrs(l.send.Attributes))

		for i, run := range []tracetest.SpanStub{l.first, l.second} {
			assert.Equal(t, "process mail", run.Name)
			assert.Equal(t, trace.SpanKindConsumer, run.SpanKind)
			assert.False(t, run.Parent.IsValid(), "a run begins a trace")
			assert.NotEqual(t, l.send.SpanContext.TraceID(), run.SpanContext.TraceID())
			assert.Equal(t, time.Duration(i+1)*time.Second, run.EndTime.Sub(run.StartTime))
		}
		assert.NotEqual(t, l.first.SpanContext.TraceID(), l.second.SpanContext.TraceID())
		linksTo(t, l.first, "producer", l.send)
		linksTo(t, l.second, "producer", l.send, "previous_attempt", l.first)
		assert.True(t, l.second.Links[0].SpanContext.IsRemote())

		process := func(attempt, outcome string) map[string]string {
			return map[string]string{
				"messaging.system": "memory", "messaging.operation.name": "process", "messaging.operation.type": "process",
				"messaging.destination.name": "mail", "messaging.message.id": "task-1", "messaging.client.id": "tester",
				"taskgen.task.type": "welcome", "taskgen.task.attempt": attempt, "taskgen.task.outcome": outcome,
			}
		}
		failed := process("1", "retried")
		failed["error.type"] = "_OTHER"
		assert.Equal(t, failed, attrs(l.first.Attributes))
		assert.Equal(t, map[string]string{"exception.type": "_OTHER", "exception.message": "the mail server is busy"}, event(t, l.first))
		assert.Equal(t, codes.Unset, l.first.Status.Code, "a retry may mend it")
		assert.Equal(t, process("2", "completed"), attrs(l.second.Attributes))
		assert.Equal(t, codes.Unset, l.second.Status.Code)
		assert.Empty(t, l.second.Events)
	})
}

func TestASettleSpanHasTheTimesOfTheCallAndLinksToTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, Config{})
		require.Len(t, l.settled, 2)
		for i, span := range []tracetest.SpanStub{l.release, l.ack} {
			assert.Equal(t, trace.SpanKindClient, span.SpanKind)
			assert.False(t, span.Parent.IsValid())
			assert.True(t, l.settled[i].Began.Equal(span.StartTime))
			assert.True(t, l.settled[i].Began.Add(l.settled[i].Took).Equal(span.EndTime))
			assert.Equal(t, map[string]string{
				"messaging.system": "memory", "messaging.operation.name": []string{"release", "ack"}[i], "messaging.operation.type": "settle",
				"messaging.destination.name": "mail", "messaging.message.id": "task-1", "messaging.client.id": "tester",
			}, attrs(span.Attributes))
		}
		linksTo(t, l.release, "attempt", l.first)
		linksTo(t, l.ack, "attempt", l.second)
		assert.Equal(t, "task-1", attrs(l.ack.Links[0].Attributes)["messaging.message.id"])
	})
}

// The times are those of the pool, which logs and metrics have, too.
func TestARunSpanHasTheTimesOfTheRun(t *testing.T) {
	e := newEnv(t, setup{})
	l := &listener{Tracing: New(Config{TracerProvider: e.provider})}
	began := time.Now().Add(-time.Hour)
	run := &observe.Run{Pool: &observe.Pool{}, Queue: &observe.Queue{Name: "mail"}, Task: sendTask("a", "welcome", "mail"), Began: began}
	ctx := l.runStart(t.Context(), run)
	run.Took, run.Outcome = 3*time.Second, driver.Completed
	l.runEnd(ctx, run)
	span := e.span("process mail")
	assert.True(t, began.Equal(span.StartTime))
	assert.Equal(t, 3*time.Second, span.EndTime.Sub(span.StartTime))
}

func TestARunWithoutAPoolHasTheNameOfItsWorker(t *testing.T) {
	e := newEnv(t, setup{})
	l := &listener{Tracing: New(Config{TracerProvider: e.provider})}
	run := &observe.Run{Worker: "shop", Queue: &observe.Queue{Name: "mail"}, Task: sendTask("a", "welcome", "mail"), Began: time.Now()}
	ctx := l.runStart(t.Context(), run)
	run.Outcome = driver.Completed
	l.runEnd(ctx, run)
	assert.Equal(t, "shop", attrs(e.span("process mail").Attributes)["messaging.client.id"])
}

func TestASpanAroundAPoolIsNotTakenForTheProducer(t *testing.T) {
	for _, parent := range []bool{false, true} {
		e := newEnv(t, setup{Config: Config{ParentFromProducer: parent}})
		l := &listener{Tracing: New(Config{TracerProvider: e.provider, ParentFromProducer: parent})}
		ctx, around := e.tracer.Start(t.Context(), "main")
		task := sendTask("a", "welcome", "mail")
		task.Metadata = map[string]string{MetaBaggage: "tenant=a7", MetaTraceParent: "garbled"}
		run := &observe.Run{Pool: &observe.Pool{}, Queue: &observe.Queue{Name: "mail"}, Task: task, Began: time.Now()}
		l.runEnd(l.runStart(ctx, run), run)
		span := e.span("process mail")
		assert.Empty(t, span.Links)
		assert.NotEqual(t, around.SpanContext().TraceID(), span.SpanContext.TraceID())
	}
}

func TestOnRequestTheProducerIsTheParentOfEachRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, Config{ParentFromProducer: true})
		for _, run := range []tracetest.SpanStub{l.first, l.second} {
			assert.Equal(t, l.caller.TraceID(), run.SpanContext.TraceID())
			assert.Equal(t, l.send.SpanContext.SpanID(), run.Parent.SpanID())
			assert.True(t, run.Parent.IsRemote())
		}
		linksTo(t, l.first, "producer", l.send)
		linksTo(t, l.second, "producer", l.send, "previous_attempt", l.first)
	})
}

func TestOnRequestARunThatIsTriedAgainHasTheStatusError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, Config{ErrorOnRetry: true})
		assert.Equal(t, codes.Error, l.first.Status.Code)
		assert.Equal(t, "the mail server is busy", l.first.Status.Description)
		assert.Equal(t, codes.Unset, l.second.Status.Code)
	})
}

func TestATaskEnqueuedByAHandlerHangsUnderTheRun(t *testing.T) {
	e := newEnv(t, setup{})
	e.handle(func(ctx context.Context, attempt int) error {
		if info, _ := runtime.TaskFromContext(ctx); info.Task.ID == "outer" {
			e.enqueue(ctx, runtime.WithID("inner"))
		}
		return nil
	})
	e.enqueue(t.Context(), runtime.WithID("outer"))
	require.Equal(t, 2, e.drain())
	sends, runs := e.spans("send"), e.spans("process")
	require.Len(t, sends, 2)
	require.Len(t, runs, 2)
	assert.Equal(t, "outer", attrs(runs[0].Attributes)["messaging.message.id"])
	assert.Equal(t, runs[0].SpanContext.SpanID(), sends[1].Parent.SpanID())
	assert.Equal(t, runs[0].SpanContext.TraceID(), sends[1].SpanContext.TraceID())
	linksTo(t, runs[1], "producer", sends[1])
}

func TestBaggageReachesTheHandler(t *testing.T) {
	for _, parent := range []bool{false, true} {
		e := newEnv(t, setup{Config: Config{ParentFromProducer: parent}})
		seen := ""
		e.handle(func(ctx context.Context, _ int) error {
			seen = baggage.FromContext(ctx).Member("tenant").Value()
			return nil
		})
		tenant, err := baggage.NewMember("tenant", "a7")
		require.NoError(t, err)
		bag, err := baggage.New(tenant)
		require.NoError(t, err)
		e.enqueue(baggage.ContextWithBaggage(t.Context(), bag))
		require.Equal(t, 1, e.drain())
		assert.Equal(t, "a7", seen)
	}
}

// A dead task keeps the span that it died in, so that the first run after a redrive leads
// to it.
func TestTheFirstRunAfterARedriveLinksToTheOneThatTheTaskDiedIn(t *testing.T) {
	e := newEnv(t, setup{})
	dies := true
	e.handle(func(context.Context, int) error {
		if dies {
			return runtime.Skip(errors.New("no such mailbox"))
		}
		return nil
	})
	e.enqueue(t.Context())
	require.Equal(t, 1, e.drain())
	died := e.span("process")
	assert.Equal(t, codes.Error, died.Status.Code)
	assert.Equal(t, "dead", attrs(died.Attributes)["taskgen.task.outcome"])
	linksTo(t, e.span("dead_letter mail"), "attempt", died)

	dies = false
	q, err := e.m.Queue("mail")
	require.NoError(t, err)
	_, err = q.(driver.Redriver).Redrive(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, e.drain())
	linksTo(t, e.spans("process")[1], "producer", e.span("send"), "previous_attempt", died)
}

func TestASnoozedRunIsNoFailureAndTheNextOneLinksToIt(t *testing.T) {
	e := newEnv(t, setup{})
	runs := 0
	e.handle(func(context.Context, int) error {
		if runs++; runs == 1 {
			return runtime.Snooze(0)
		}
		return nil
	})
	e.enqueue(t.Context())
	require.Equal(t, 2, e.drain())
	spans := e.spans("process")
	require.Len(t, spans, 2)
	assert.Equal(t, "snoozed", attrs(spans[0].Attributes)["taskgen.task.outcome"])
	assert.NotContains(t, attrs(spans[0].Attributes), "error.type")
	assert.Empty(t, spans[0].Events)
	linksTo(t, spans[1], "producer", e.span("send"), "previous_attempt", spans[0])
}
