package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

// queueSeries are the series of one queue.
type queueSeries struct {
	busy, workers prometheus.Gauge
	refused       map[measure.Reason]prometheus.Counter
	calls         map[observe.Op]callSeries
}

type callSeries struct {
	errors   prometheus.Counter
	duration prometheus.Observer
}

func (v *vectors) newQueue(q *observe.Queue) queueSeries {
	s := queueSeries{
		busy: v.busy.WithLabelValues(q.Name, q.Provider), workers: v.workers.WithLabelValues(q.Name, q.Provider),
		refused: labelled(v.refused, measure.Refusals, q.Name, q.Provider),
		calls:   make(map[observe.Op]callSeries, len(operations)),
	}
	for _, op := range operations {
		s.calls[op] = callSeries{
			errors:   v.providerErrors.WithLabelValues(q.Name, q.Provider, string(op)),
			duration: v.calls.WithLabelValues(q.Provider, string(op)),
		}
	}
	return s
}

// typeSeries are the series of one type on one queue.
type typeSeries struct {
	enqueued, dequeued, leaseLosses             prometheus.Counter
	done                                        map[driver.Outcome]prometheus.Counter
	failures                                    map[measure.Reason]prometheus.Counter
	duration, wait, endToEnd, attempts, payload prometheus.Observer
}

func (v *vectors) newType(q *observe.Queue, label string) typeSeries {
	values := []string{q.Name, q.Provider, label}
	return typeSeries{
		enqueued: v.enqueued.WithLabelValues(values...), dequeued: v.dequeued.WithLabelValues(values...),
		leaseLosses: v.leaseLosses.WithLabelValues(values...),
		done:        labelled(v.done, statuses, values...),
		failures:    labelled(v.failures, measure.Failures, values...),
		duration:    v.duration.WithLabelValues(values...), wait: v.wait.WithLabelValues(values...),
		endToEnd: v.endToEnd.WithLabelValues(values...), attempts: v.attempts.WithLabelValues(values...),
		payload: v.payload.WithLabelValues(values...),
	}
}

// labelled are the values of the last label, each with its counter.
func labelled[V ~string](counters *prometheus.CounterVec, values []V, labels ...string) map[V]prometheus.Counter {
	m := make(map[V]prometheus.Counter, len(values))
	for _, v := range values {
		m[v] = counters.WithLabelValues(by(labels, string(v))...)
	}
	return m
}
