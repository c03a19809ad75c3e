package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
	"github.com/taskgen/taskgen/runtime/observe"
)

// prefix begins the name of each family.
const prefix = "taskgen_"

// A kind is the type of a family, in the words of Prometheus.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
)

// A family is a metric and what it means.
type family struct {
	name   string // without the prefix
	kind   kind
	labels []string
	help   string
}

var (
	byQueue = []string{"queue", "provider"}
	byType  = append(slices.Clone(byQueue), "type")
)

func by(labels []string, label string) []string { return append(slices.Clone(labels), label) }

// The families. docs/observability.md has them as a table.
var (
	tasksEnqueued = family{"tasks_enqueued_total", counter, byType, "Tasks that this process put on a queue."}
	tasksRefused  = family{"tasks_refused_total", counter, by(byQueue, "reason"), "Tasks that were to be enqueued and were not, by the reason: duplicate (the ID or the unique key is taken), queue_full, payload_too_large, invalid_task, unsupported, unavailable (the broker did not answer, and may have the task) or other."}
	tasksDequeued = family{"tasks_dequeued_total", counter, byType, "Tasks that this process received from a queue. A task that is retried or given back is received again."}
	tasksDone     = family{"tasks_completed_total", counter, by(byType, "status"), "Tasks that their queue settled, by what became of them: completed, retried, dead, snoozed, released (given back uncharged) or cancelled."}
	taskFailures  = family{"task_failures_total", counter, by(byType, "reason"), "Runs that failed, by the reason: error, timeout, panic or invalid_task. For unknown_type, unknown_shape, task_expired and max_deliveries the task died without a run."}
	taskDuration  = family{"task_processing_duration_seconds", histogram, byType, "Time that a run took: the handler and its middleware."}
	taskWait      = family{"task_wait_seconds", histogram, byType, "Time between a task being due and its first run. Redriven tasks are left out."}
	taskEndToEnd  = family{"task_end_to_end_seconds", histogram, byType, "Time between a task being due and its end, completed or dead. A task that was retried counts from when it was created. Redriven tasks are left out."}
	taskAttempts  = family{"task_attempts", histogram, byType, "Charged runs of a task when it ended, completed or dead."}
	taskPayload   = family{"task_payload_bytes", histogram, byType, "Size of the payloads that were enqueued."}
	leaseLosses   = family{"lease_losses_total", counter, byType, "Leases that ended while this process held them. The tasks are delivered again."}

	queueDepth   = family{"queue_depth", gauge, by(byQueue, "state"), "Tasks on a queue that are ready, scheduled (not due yet) or leased (with a worker), in all processes. A state that the provider cannot count is left out."}
	dlqDepth     = family{"dlq_depth", gauge, byQueue, "Dead tasks of a queue."}
	queueAge     = family{"queue_oldest_age_seconds", gauge, byQueue, "Time that the oldest ready task of a queue has been due; 0 if none is ready. Left out if the provider cannot tell."}
	queueStatsUp = family{"queue_stats_up", gauge, byQueue, "1 if the broker counted the tasks of a queue for this scrape; 0 if it failed or did not answer, the other gauges of its tasks are then left out."}

	queueWorkers = family{"queue_workers", gauge, byQueue, "Workers of this process that take tasks from a queue. A worker of a pool on several queues counts for each."}
	workerSlots  = family{"worker_slots", gauge, nil, "Workers of the pools that run in this process: the handlers that can run at a time."}
	workersBusy  = family{"worker_slots_busy", gauge, byQueue, "Workers of this process that run a task, by its queue."}

	providerErrors   = family{"provider_errors_total", counter, by(byQueue, "operation"), "Calls to a provider that failed, by the operation: enqueue, dequeue, complete, release, dead_letter or extend. What a provider says about a task, such as that it is a duplicate, is no failure."}
	providerDuration = family{"provider_call_duration_seconds", histogram, []string{"provider", "operation"}, "Time that a call to a provider took. A dequeue includes its wait for tasks; those that found none are left out."}
	schedulerLag     = family{"scheduler_lag_seconds", histogram, byQueue, "Time between a firing of a schedule and the creation of its task, the jitter of its job included."}

	buildInfo = family{"build_info", gauge, []string{"version", "taskgen", "goversion"}, "1, with the versions of the program, of taskgen and of Go."}
)

// families are all of them, in the order of the table.
var families = []*family{
	&tasksEnqueued, &tasksRefused, &tasksDequeued, &tasksDone, &taskFailures, &taskDuration, &taskWait, &taskEndToEnd,
	&taskAttempts, &taskPayload, &leaseLosses, &queueDepth, &dlqDepth, &queueAge, &queueStatsUp, &queueWorkers, &workerSlots, &workersBusy,
	&providerErrors, &providerDuration, &schedulerLag, &buildInfo,
}

// The values of the labels that have fixed ones.
var (
	statuses   = measure.Settled
	operations = []observe.Op{observe.OpEnqueue, observe.OpDequeue, observe.OpComplete, observe.OpRelease, observe.OpDeadLetter, observe.OpExtend}
)

// Buckets.
var (
	// defaultBuckets reach from a handler that only writes a row to one that runs for ten
	// minutes.
	defaultBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
	attemptBuckets = []float64{1, 2, 3, 4, 5, 7, 10, 15, 25, 50}
	payloadBuckets = prometheus.ExponentialBuckets(64, 4, 8) // to 1 MiB, the limit of SQS
	callBuckets    = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	lagBuckets     = []float64{.01, .05, .1, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
)

// Native histograms need no chosen buckets. Scrapers that ask for them get these.
const (
	nativeFactor  = 1.1 // each bucket is up to this much wider than the one before
	nativeBuckets = 100 // in memory, at most
	nativeReset   = time.Hour
)

func (f *family) fullName() string { return prefix + f.name }

func (f *family) desc() *prometheus.Desc {
	return prometheus.NewDesc(f.fullName(), f.help, f.labels, nil)
}

func (f *family) counters() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.fullName(), Help: f.help}, f.labels)
}

func (f *family) gauges() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: f.fullName(), Help: f.help}, f.labels)
}

func (f *family) histograms(buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: f.fullName(), Help: f.help, Buckets: buckets}, f.labels)
}

// durations are histograms with native buckets besides the given ones.
func (f *family) durations(buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: f.fullName(), Help: f.help, Buckets: buckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets, NativeHistogramMinResetDuration: nativeReset,
	}, f.labels)
}

// vectors are the families that events count, each with its series.
type vectors struct {
	enqueued, refused, dequeued, done, failures, leaseLosses, providerErrors *prometheus.CounterVec
	duration, wait, endToEnd, attempts, payload, calls, lag                  *prometheus.HistogramVec
	workers, slots, busy, build                                              *prometheus.GaugeVec
}

func newVectors(buckets []float64) vectors {
	return vectors{
		enqueued: tasksEnqueued.counters(), refused: tasksRefused.counters(), dequeued: tasksDequeued.counters(), done: tasksDone.counters(),
		failures: taskFailures.counters(), leaseLosses: leaseLosses.counters(), providerErrors: providerErrors.counters(),
		duration: taskDuration.durations(buckets), wait: taskWait.durations(buckets), endToEnd: taskEndToEnd.durations(buckets),
		attempts: taskAttempts.histograms(attemptBuckets), payload: taskPayload.histograms(payloadBuckets),
		calls: providerDuration.histograms(callBuckets), lag: schedulerLag.histograms(lagBuckets),
		workers: queueWorkers.gauges(), slots: workerSlots.gauges(), busy: workersBusy.gauges(), build: buildInfo.gauges(),
	}
}

func (v *vectors) all() []prometheus.Collector {
	return []prometheus.Collector{
		v.enqueued, v.refused, v.dequeued, v.done, v.failures, v.leaseLosses, v.providerErrors,
		v.duration, v.wait, v.endToEnd, v.attempts, v.payload, v.calls, v.lag, v.workers, v.slots, v.busy, v.build,
	}
}
