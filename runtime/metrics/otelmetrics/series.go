package otelmetrics

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A series is a set of attributes in the form that instruments take, so that an event
// allocates nothing.
type series struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

func seriesOf(attrs ...attribute.KeyValue) series {
	o := metric.WithAttributeSet(attribute.NewSet(attrs...))
	return series{add: []metric.AddOption{o}, record: []metric.RecordOption{o}}
}

// failing are the series of something that may fail, by error.type; "" if it did not.
type failing map[measure.Reason]series

func failingOf(reasons []measure.Reason, attrs []attribute.KeyValue) failing {
	f := failing{"": seriesOf(attrs...)}
	for _, reason := range reasons {
		name := string(reason)
		if reason == measure.HandlerError || reason == measure.OtherReason {
			name = "_OTHER" // what the conventions call it
		}
		f[reason] = seriesOf(append(slices.Clone(attrs), errorType.String(name))...)
	}
	return f
}

// systems are the names of the conventions for providers, where they differ from ours.
var systems = map[string]string{"sqs": "aws_sqs"}

// attributesOf are those that name a queue.
func attributesOf(q *observe.Queue) []attribute.KeyValue {
	name := q.Provider
	if other, ok := systems[name]; ok {
		name = other
	}
	return []attribute.KeyValue{system.String(name), destination.String(q.Name)}
}

// An operation is a kind of call by the conventions, as package tracing names it. They have
// no type for an extension of leases.
type operation struct{ name, typ string }

var (
	send    = operation{"send", "send"}
	receive = operation{"receive", "receive"}
	process = operation{"process", "process"}

	operations = map[observe.Op]operation{
		observe.OpEnqueue: send, observe.OpDequeue: receive, observe.OpComplete: {"ack", "settle"},
		observe.OpRelease: {"release", "settle"}, observe.OpDeadLetter: {"dead_letter", "settle"}, observe.OpExtend: {"extend", ""},
	}
)

// on returns attributes with those of the operation.
func (o operation) on(base []attribute.KeyValue) []attribute.KeyValue {
	attrs := append(slices.Clone(base), operationName.String(o.name))
	if o.typ != "" {
		attrs = append(attrs, operationType.String(o.typ))
	}
	return attrs
}

// queueSeries are the series of one queue.
type queueSeries struct {
	queue series
	calls map[observe.Op]failing
}

func newQueue(q *observe.Queue) queueSeries {
	base := attributesOf(q)
	s := queueSeries{queue: seriesOf(base...), calls: make(map[observe.Op]failing, len(operations))}
	for op, o := range operations {
		s.calls[op] = failingOf([]measure.Reason{measure.Unavailable, measure.OtherReason}, o.on(base))
	}
	return s
}

// typeSeries are the series of one type on one queue.
type typeSeries struct {
	task     series
	consumed series
	sent     failing
	process  failing
	done     map[driver.Outcome]series
}

func newType(q *observe.Queue, label string) typeSeries {
	base := append(attributesOf(q), taskType.String(label))
	s := typeSeries{
		task: seriesOf(base...), consumed: seriesOf(receive.on(base)...),
		sent: failingOf(measure.Refusals, send.on(base)), process: failingOf(measure.Failures, process.on(base)),
		done: make(map[driver.Outcome]series),
	}
	for _, o := range measure.Settled {
		s.done[o] = seriesOf(append(slices.Clone(base), taskOutcome.String(string(o)))...)
	}
	return s
}
