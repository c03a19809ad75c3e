package measure

import (
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// Wait returns how long a task was due when its run began; false if the run is not its
// first one: later waits say nothing about the queue.
func Wait(r *observe.Run) (time.Duration, bool) {
	if r.Attempt != 1 || r.Crashes > 0 || redriven(r.Task) {
		return 0, false
	}
	return max(r.At.Sub(r.Task.DueAt()), 0), true
}

// EndToEnd returns how long it took from when a task was due to the end of its last run;
// false if this is not its last one, or if the task was dead before. A task that was
// retried counts from when it was created: when it was due first is no longer known.
func EndToEnd(r *observe.Run) (time.Duration, bool) {
	if !Ends(r.Outcome) || redriven(r.Task) {
		return 0, false
	}
	from := r.Task.DueAt()
	if r.Attempt > 1 {
		from = r.Task.CreatedAt
	}
	return max(r.At.Add(r.Took).Sub(from), 0), true
}

// Settled are the outcomes of tasks that their queue has settled.
var Settled = []driver.Outcome{driver.Completed, driver.Retried, driver.Died, driver.Snoozed, driver.Released, driver.Cancelled}

// Ends reports whether a task ends with an outcome.
func Ends(o driver.Outcome) bool { return o == driver.Completed || o == driver.Died }

// Lag returns how long after its time a schedule fired a task; false if no schedule fired
// it, or if the task is put back on its queue.
func Lag(t *driver.Task) (time.Duration, bool) {
	firing, ok := t.Metadata[driver.MetaFiring]
	if !ok || redriven(t) || t.RetryCount > 0 {
		return 0, false
	}
	at, err := time.Parse(time.RFC3339Nano, firing)
	if err != nil {
		return 0, false
	}
	return max(t.CreatedAt.Sub(at), 0), true
}

func redriven(t *driver.Task) bool { return t.Metadata[driver.MetaRedriveCount] != "" }
