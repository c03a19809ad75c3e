package otelmetrics

import (
	"context"

	"go.opentelemetry.io/otel/metric"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

// background is the context of events that have none.
var background = context.Background()

func (m *Metrics) listen() *observe.Listener {
	return &observe.Listener{
		QueueOpened: m.queueOpened, QueueClosed: m.queueClosed,
		PoolStarted: m.poolStarted, PoolStopped: m.poolStopped,
		EnqueueEnd: m.enqueueEnd, Dequeued: m.dequeued,
		RunStart: m.runStart, RunEnd: m.runEnd,
		Settled: m.settled, LeaseLost: m.leaseLost, Called: m.called,
		TypesLearned: m.series.OpenTypes,
	}
}

func (m *Metrics) queueOpened(q *observe.Queue) {
	m.series.Open(q)
	m.queues.Open(q)
}

func (m *Metrics) queueClosed(q *observe.Queue) {
	m.queues.Close(q)
	m.series.Close(q)
}

func (m *Metrics) poolStarted(p *observe.Pool) {
	m.series.OpenPool(p)
	m.slots.Add(background, int64(p.Workers))
}

func (m *Metrics) poolStopped(p *observe.Pool) { m.slots.Add(background, -int64(p.Workers)) }

func (m *Metrics) enqueueEnd(ctx context.Context, e *observe.Enqueue) {
	for q, t := range measure.Enqueued(e) {
		of := m.series.Of(q)
		s := of.Type(t.Task.Type)
		m.sent.Add(ctx, 1, s.sent[t.Refused].add...)
		if t.Refused != "" {
			continue
		}
		m.payload.Record(ctx, int64(len(t.Task.Payload)), s.task.record...)
		if lag, ok := measure.Lag(t.Task); ok {
			m.lag.Record(ctx, lag.Seconds(), of.Queue.queue.record...)
		}
	}
}

func (m *Metrics) dequeued(q *observe.Queue, ds []*observe.Delivery) {
	of := m.series.Of(q)
	for _, d := range ds {
		m.consumed.Add(background, 1, of.Type(d.Task.Type).consumed.add...)
	}
}

func (m *Metrics) runStart(ctx context.Context, r *observe.Run) context.Context {
	of := m.series.Of(r.Queue)
	if r.Pool != nil {
		m.busy.Add(ctx, 1, of.Queue.queue.add...)
	}
	if wait, ok := measure.Wait(r); ok {
		m.wait.Record(ctx, wait.Seconds(), of.Type(r.Type).task.record...)
	}
	return ctx
}

func (m *Metrics) runEnd(ctx context.Context, r *observe.Run) {
	of := m.series.Of(r.Queue)
	if r.Pool != nil {
		m.busy.Add(ctx, -1, of.Queue.queue.add...)
	}
	s := of.Type(r.Type)
	m.process.Record(ctx, r.Took.Seconds(), s.process[measure.Failure(r)].record...)
	if measure.Ends(r.Outcome) {
		m.attempts.Record(ctx, int64(r.Attempt), s.task.record...)
	}
	if took, ok := measure.EndToEnd(r); ok {
		m.endToEnd.Record(ctx, took.Seconds(), s.task.record...)
	}
}

func (m *Metrics) settled(s *observe.Settlement) {
	of := m.series.Of(s.Queue)
	for i := range s.Items {
		if it := &s.Items[i]; it.Err == nil {
			if series, ok := of.Type(it.Task.Type).done[it.Outcome]; ok {
				m.completed.Add(background, 1, series.add...)
			}
		}
	}
}

func (m *Metrics) leaseLost(q *observe.Queue, t *observe.Task) {
	m.losses.Add(background, 1, m.series.Of(q).Type(t.Type).task.add...)
}

func (m *Metrics) called(c *observe.Call) {
	if !measure.Timed(c) {
		return
	}
	var reason measure.Reason
	if measure.Failed(c.Err) {
		if reason = measure.Refusal(c.Err); reason != measure.Unavailable {
			reason = measure.OtherReason
		}
	}
	if s, ok := m.series.Of(c.Queue).Queue.calls[c.Op]; ok {
		m.calls.Record(background, c.Took.Seconds(), s[reason].record...)
	}
}

// observeQueues is the callback of the gauges. What a provider cannot count, or does not
// answer, is left out.
func (m *Metrics) observeQueues(_ context.Context, o metric.Observer) error {
	for _, c := range m.queues.Count(measure.ScrapeAge) {
		with := metric.WithAttributes(attributesOf(c.Queue)...)
		if c.Err != nil {
			o.ObserveInt64(m.statsUp, 0, with)
			continue
		}
		o.ObserveInt64(m.statsUp, 1, with)
		depth := func(state driver.State, n int64) {
			o.ObserveInt64(m.depth, n, with, metric.WithAttributes(queueState.String(string(state))))
		}
		depth(driver.Ready, c.Stats.Ready)
		if c.Can.CountsScheduled {
			depth(driver.Scheduled, c.Stats.Scheduled)
		}
		if c.Can.CountsLeased {
			depth(driver.Leased, c.Stats.Leased)
		}
		o.ObserveInt64(m.dead, c.Stats.Dead, with)
		if c.Can.CountsAge {
			o.ObserveFloat64(m.age, c.Stats.OldestAge.Seconds(), with)
		}
	}
	return nil
}
