package otelmetrics

import (
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

const (
	scope = "github.com/taskgen/taskgen/runtime/metrics/otelmetrics"
	// schemaURL names the version of the conventions that the messaging. instruments and
	// attributes follow.
	schemaURL = "https://opentelemetry.io/schemas/1.45.0"
)

// Attributes of the conventions, and two of our own.
const (
	system        = attribute.Key("messaging.system")
	destination   = attribute.Key("messaging.destination.name")
	operationName = attribute.Key("messaging.operation.name")
	operationType = attribute.Key("messaging.operation.type")
	errorType     = attribute.Key("error.type")
	taskType      = attribute.Key("taskgen.task.type")
	taskOutcome   = attribute.Key("taskgen.task.outcome")
	queueState    = attribute.Key("taskgen.queue.state")
)

// An instrument is a name and what it means.
type instrument struct{ name, unit, description string }

// The instruments. docs/observability.md has them as a table.
var (
	sentMessages      = instrument{"messaging.client.sent.messages", "{message}", "Tasks that this process tried to enqueue; error.type says why one was refused."}
	consumedMessages  = instrument{"messaging.client.consumed.messages", "{message}", "Tasks that this process received from a queue."}
	operationDuration = instrument{"messaging.client.operation.duration", "s", "Time that a call to a provider took. A dequeue includes its wait for tasks; those that found none are left out."}
	processDuration   = instrument{"messaging.process.duration", "s", "Time that a run took: the handler and its middleware. error.type says why it failed."}

	tasksCompleted = instrument{"taskgen.tasks.completed", "{task}", "Tasks that their queue settled, by taskgen.task.outcome: completed, retried, dead, snoozed, released or cancelled."}
	taskWait       = instrument{"taskgen.task.wait.duration", "s", "Time between a task being due and its first run."}
	taskEndToEnd   = instrument{"taskgen.task.end_to_end.duration", "s", "Time between a task being due and its end, completed or dead."}
	taskAttempts   = instrument{"taskgen.task.attempts", "{run}", "Charged runs of a task when it ended, completed or dead."}
	taskPayload    = instrument{"taskgen.task.payload.size", "By", "Size of the payloads that were enqueued."}
	leaseLosses    = instrument{"taskgen.lease.losses", "{lease}", "Leases that ended while this process held them."}
	schedulerLag   = instrument{"taskgen.scheduler.lag", "s", "Time between a firing of a schedule and the creation of its task."}
	workerSlots    = instrument{"taskgen.worker.slots", "{worker}", "Workers of the pools that run in this process."}
	workersBusy    = instrument{"taskgen.worker.busy", "{worker}", "Workers of this process that run a task, by its queue."}
	queueDepth     = instrument{"taskgen.queue.depth", "{task}", "Tasks on a queue by taskgen.queue.state: ready, scheduled or leased, in all processes."}
	dlqDepth       = instrument{"taskgen.dlq.depth", "{task}", "Dead tasks of a queue."}
	queueAge       = instrument{"taskgen.queue.oldest_age", "s", "Time that the oldest ready task of a queue has been due."}
	queueStatsUp   = instrument{"taskgen.queue.stats.up", "1", "1 if the broker counted the tasks of a queue, 0 if not."}

	instruments = []instrument{
		sentMessages, consumedMessages, operationDuration, processDuration, tasksCompleted, taskWait, taskEndToEnd, taskAttempts,
		taskPayload, leaseLosses, schedulerLag, workerSlots, workersBusy, queueDepth, dlqDepth, queueAge, queueStatsUp,
	}
)

// Buckets. Those of calls are what the conventions advise; those of tasks reach further. A
// view of the SDK replaces them.
var (
	callBuckets    = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	taskBuckets    = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
	attemptBuckets = []float64{1, 2, 3, 4, 5, 7, 10, 15, 25, 50}
	payloadBuckets = []float64{64, 256, 1024, 4096, 16384, 65536, 262144, 1048576}
)

// meters are the instruments as the SDK keeps them.
type meters struct {
	sent, consumed, completed, losses   metric.Int64Counter
	calls, process, wait, endToEnd, lag metric.Float64Histogram
	attempts, payload                   metric.Int64Histogram
	slots, busy                         metric.Int64UpDownCounter
	depth, dead, statsUp                metric.Int64ObservableGauge
	age                                 metric.Float64ObservableGauge
}

// A maker makes instruments and collects their errors.
type maker struct {
	meter metric.Meter
	errs  []error
}

func made[T any](m *maker, instrument T, err error) T {
	m.errs = append(m.errs, err)
	return instrument
}

func (m *maker) counter(i instrument) metric.Int64Counter {
	c, err := m.meter.Int64Counter(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.description))
	return made(m, c, err)
}

func (m *maker) upDown(i instrument) metric.Int64UpDownCounter {
	c, err := m.meter.Int64UpDownCounter(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.description))
	return made(m, c, err)
}

func (m *maker) seconds(i instrument, buckets []float64) metric.Float64Histogram {
	h, err := m.meter.Float64Histogram(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.description), metric.WithExplicitBucketBoundaries(buckets...))
	return made(m, h, err)
}

func (m *maker) numbers(i instrument, buckets []float64) metric.Int64Histogram {
	h, err := m.meter.Int64Histogram(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.description), metric.WithExplicitBucketBoundaries(buckets...))
	return made(m, h, err)
}

func (m *maker) gauge(i instrument) metric.Int64ObservableGauge {
	g, err := m.meter.Int64ObservableGauge(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.description))
	return made(m, g, err)
}

func (m *maker) secondsGauge(i instrument) metric.Float64ObservableGauge {
	g, err := m.meter.Float64ObservableGauge(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.description))
	return made(m, g, err)
}

func newMeters(meter metric.Meter) (meters, error) {
	m := &maker{meter: meter}
	all := meters{
		sent: m.counter(sentMessages), consumed: m.counter(consumedMessages), completed: m.counter(tasksCompleted), losses: m.counter(leaseLosses),
		calls: m.seconds(operationDuration, callBuckets), process: m.seconds(processDuration, taskBuckets), wait: m.seconds(taskWait, taskBuckets),
		endToEnd: m.seconds(taskEndToEnd, taskBuckets), lag: m.seconds(schedulerLag, taskBuckets),
		attempts: m.numbers(taskAttempts, attemptBuckets), payload: m.numbers(taskPayload, payloadBuckets),
		slots: m.upDown(workerSlots), busy: m.upDown(workersBusy),
		depth: m.gauge(queueDepth), dead: m.gauge(dlqDepth), statsUp: m.gauge(queueStatsUp), age: m.secondsGauge(queueAge),
	}
	return all, errors.Join(m.errs...)
}
