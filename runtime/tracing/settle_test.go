package tracing

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A settler is a listener with runs that await their settlement.
type settler struct {
	*env
	*listener
	q *observe.Queue
}

func newSettler(t *testing.T, sampler ...sdktrace.Sampler) *settler {
	e := newEnv(t, setup{sampler: append(sampler, sdktrace.AlwaysSample())[0]})
	s := &settler{env: e, listener: &listener{Tracing: New(Config{TracerProvider: e.provider})}, q: &observe.Queue{Name: "mail", Provider: "nats"}}
	s.queues.opened(s.q)
	return s
}

// ran lets n tasks run, and returns how they were settled.
func (s *settler) ran(n int, outcome driver.Outcome) []observe.Settled {
	items := make([]observe.Settled, n)
	for i := range items {
		run := &observe.Run{Pool: &observe.Pool{}, Queue: s.q, Task: sendTask(fmt.Sprintf("%s-%d", outcome, i), "welcome", "mail"), Began: time.Now()}
		ctx := s.runStart(s.env.t.Context(), run)
		run.Outcome, run.Err = outcome, errors.New("no answer")
		s.runEnd(ctx, run)
		items[i] = observe.Settled{Task: run.Task, Outcome: outcome, Ran: true}
	}
	return items
}

func (s *settler) settle(items ...observe.Settled) {
	s.settled(&observe.Settlement{Queue: s.q, Worker: "tester", Items: items, Began: time.Now(), Took: time.Millisecond})
}

func TestACallThatSettlesManyTasksIsOneSpanOfBoundedSize(t *testing.T) {
	begunWith := 0
	s := newSettler(t, sampleBy(func(p sdktrace.SamplingParameters) bool {
		begunWith = len(p.Links)
		return true
	}))
	s.settle(s.ran(maxLinks+50, driver.Completed)...)
	assert.Equal(t, maxLinks, begunWith, "it is not the SDK that drops the rest")
	ack := s.span("ack mail")
	assert.Len(t, ack.Links, maxLinks)
	assert.Equal(t, "178", attrs(ack.Attributes)["messaging.batch.message_count"])
	assert.NotContains(t, attrs(ack.Attributes), "messaging.message.id")
	assert.Equal(t, "nats", attrs(ack.Attributes)["messaging.system"])
	assert.Equal(t, time.Millisecond, ack.EndTime.Sub(ack.StartTime))
	assert.True(t, s.runs.empty(), "also those without a link are settled")
}

func TestEachOperationOfASettlementIsASpan(t *testing.T) {
	s := newSettler(t)
	items := append(s.ran(1, driver.Completed), s.ran(2, driver.Died)...)
	items = append(items, s.ran(1, driver.Cancelled)...) // its queue is told that it is done
	items = append(items, s.ran(1, driver.Retried)...)
	items = append(items, s.ran(1, driver.Snoozed)...)
	items = append(items, s.ran(1, driver.Released)...)
	items = append(items, observe.Settled{Task: sendTask("unrun", "welcome", "mail"), Outcome: driver.Released})
	s.settle(items...)
	assert.Len(t, s.span("ack mail").Links, 2)
	assert.Len(t, s.span("dead_letter mail").Links, 2)
	release := s.span("release mail")
	assert.Len(t, release.Links, 3)
	assert.Equal(t, "4", attrs(release.Attributes)["messaging.batch.message_count"])
}

func TestASettleSpanHasTheErrorOfATaskThatCouldNotBeSettled(t *testing.T) {
	s := newSettler(t)
	items := s.ran(2, driver.Completed)
	items[1].Err = driver.ErrUnavailable
	s.settle(items...)
	ack := s.span("ack")
	assert.Equal(t, codes.Error, ack.Status.Code)
	assert.Equal(t, "unavailable", attrs(ack.Attributes)["error.type"])
	event(t, ack)
}

func TestASettlementOfRunsWithoutASpanHasNone(t *testing.T) {
	s := newSettler(t)
	unrun := observe.Settled{Task: sendTask("a", "welcome", "mail"), Outcome: driver.Released}
	s.settle(unrun)
	lost := s.ran(1, driver.Completed)
	s.leaseLost(s.q, lost[0].Task)
	s.settle(lost...)
	waiting := s.ran(1, driver.Died)
	again := waiting[0]
	again.Ran = false // but in an earlier delivery
	s.settle(again, unrun, observe.Settled{Task: sendTask("b", "welcome", "mail"), Outcome: driver.Completed, Ran: true})
	assert.Len(t, s.spans(""), 2, "the two runs")
	s.settle(waiting...)
	s.span("dead_letter")
}

func TestTheSamplerDecidesOnASettleSpanAnew(t *testing.T) {
	e := newEnv(t, setup{sampler: sampleBy(func(p sdktrace.SamplingParameters) bool { return p.Name != "ack mail" })})
	e.handle(func(context.Context, int) error { return nil })
	e.enqueue(t.Context())
	require.Equal(t, 1, e.drain())
	assert.Len(t, e.spans("process"), 1)
	assert.Empty(t, e.spans("ack"))
}

func TestSpansOfAClosedQueueAreMadeAsBefore(t *testing.T) {
	s := newSettler(t)
	items := s.ran(1, driver.Completed)
	s.queues.closed(s.q)
	s.settle(items...)
	assert.Equal(t, "nats", attrs(s.span("ack mail").Attributes)["messaging.system"])
	assert.Empty(t, s.queues.ofName("mail").system, "it is not open")
}

func TestRunsThatWaitTooLongForTheirSettlementAreForgotten(t *testing.T) {
	var r recentRuns
	span := func(i int) trace.SpanContext {
		return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{byte(i), byte(i >> 8), 1}, SpanID: trace.SpanID{1}})
	}
	tasks := make([]observe.Task, 3*maxRecent-1)
	for i := range tasks {
		r.put(&tasks[i], span(i))
	}
	assert.LessOrEqual(t, len(r.young)+len(r.old), 2*maxRecent)
	_, ok := r.take(&tasks[0])
	assert.False(t, ok)
	for _, i := range []int{len(tasks) - maxRecent, len(tasks) - 1} {
		got, ok := r.take(&tasks[i])
		require.True(t, ok, i)
		assert.Equal(t, span(i), got)
		_, ok = r.take(&tasks[i])
		assert.False(t, ok, "it is taken")
	}
}

// A task that goes back may run again before the listener hears that it went back.
func TestTwoDeliveriesOfATaskAreTwoRuns(t *testing.T) {
	s := newSettler(t)
	first, second := s.ran(1, driver.Retried), s.ran(1, driver.Retried)
	require.Equal(t, first[0].Task.ID, second[0].Task.ID)
	s.settle(first...)
	s.settle(second...)
	runs, releases := s.spans("process"), s.spans("release")
	for i, span := range releases {
		linksTo(t, span, "attempt", runs[i])
	}
	assert.Len(t, releases, 2)
}

// Nobody waits for a settlement when a pool has stopped.
func TestNothingIsKeptOfTasksThatAreSettled(t *testing.T) {
	e := newEnv(t, setup{})
	l := &listener{Tracing: New(Config{TracerProvider: e.provider})}
	e.handle(func(_ context.Context, attempt int) error {
		if attempt == 1 {
			return runtime.RetryAfter(0, errors.New("no answer"))
		}
		return nil
	})
	e.replace(l.functions(), runtime.QueueConfig{})
	for range 20 {
		e.enqueue(t.Context())
	}
	require.Equal(t, 40, e.drain())
	assert.Len(t, e.spans("process"), 40)
	assert.True(t, l.runs.empty())
}
