package metrics

import (
	"context"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

func (m *Metrics) listen() *observe.Listener {
	return &observe.Listener{
		QueueOpened: m.queueOpened, QueueClosed: m.queueClosed,
		PoolStarted: m.poolStarted, PoolStopped: m.removePool,
		EnqueueEnd: m.enqueueEnd, Dequeued: m.dequeuedTasks,
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
	m.addPool(p)
}

func (m *Metrics) enqueueEnd(_ context.Context, e *observe.Enqueue) {
	for q, t := range measure.Enqueued(e) {
		of := m.series.Of(q)
		if t.Refused != "" {
			of.Queue.refused[t.Refused].Inc()
			continue
		}
		s := of.Type(t.Task.Type)
		s.enqueued.Inc()
		s.payload.Observe(float64(len(t.Task.Payload)))
		if lag, ok := measure.Lag(t.Task); ok {
			m.lag.WithLabelValues(q.Name, q.Provider).Observe(lag.Seconds())
		}
	}
}

func (m *Metrics) dequeuedTasks(q *observe.Queue, ds []*observe.Delivery) {
	of := m.series.Of(q)
	for _, d := range ds {
		of.Type(d.Task.Type).dequeued.Inc()
	}
}

func (m *Metrics) runStart(ctx context.Context, r *observe.Run) context.Context {
	of := m.series.Of(r.Queue)
	if r.Pool != nil {
		of.Queue.busy.Inc()
	}
	if wait, ok := measure.Wait(r); ok {
		m.observe(ctx, of.Type(r.Type).wait, wait.Seconds())
	}
	return ctx
}

func (m *Metrics) runEnd(ctx context.Context, r *observe.Run) {
	of := m.series.Of(r.Queue)
	if r.Pool != nil {
		of.Queue.busy.Dec()
	}
	s := of.Type(r.Type)
	reason := measure.Failure(r)
	if reason != "" {
		s.failures[reason].Inc()
	}
	if reason.Ran() {
		m.observe(ctx, s.duration, r.Took.Seconds())
	}
	if measure.Ends(r.Outcome) {
		s.attempts.Observe(float64(r.Attempt))
	}
	if took, ok := measure.EndToEnd(r); ok {
		m.observe(ctx, s.endToEnd, took.Seconds())
	}
}

// observe observes a value, with an exemplar if the context has one.
func (m *Metrics) observe(ctx context.Context, o prometheus.Observer, v float64) {
	if m.cfg.Exemplar != nil {
		if labels := m.cfg.Exemplar(ctx); fits(labels) {
			o.(prometheus.ExemplarObserver).ObserveWithExemplar(v, labels)
			return
		}
	}
	o.Observe(v)
}

// fits reports whether labels can be an exemplar: a listener must not panic, as Prometheus
// does over those that cannot.
func fits(labels map[string]string) bool {
	runes := 0
	for name, value := range labels {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return false
		}
		runes += utf8.RuneCountInString(name) + utf8.RuneCountInString(value)
	}
	return len(labels) > 0 && runes <= prometheus.ExemplarMaxRunes
}

func (m *Metrics) settled(s *observe.Settlement) {
	of := m.series.Of(s.Queue)
	for i := range s.Items {
		if it := &s.Items[i]; it.Err == nil {
			if c := of.Type(it.Task.Type).done[it.Outcome]; c != nil {
				c.Inc()
			}
		}
	}
}

func (m *Metrics) leaseLost(q *observe.Queue, t *observe.Task) {
	m.series.Of(q).Type(t.Type).leaseLosses.Inc()
}

func (m *Metrics) called(c *observe.Call) {
	s, ok := m.series.Of(c.Queue).Queue.calls[c.Op]
	if !ok {
		return // an operation that came later than this package
	}
	if measure.Timed(c) {
		s.duration.Observe(c.Took.Seconds())
	}
	if measure.Failed(c.Err) {
		s.errors.Inc()
	}
}
