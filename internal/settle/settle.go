// Package settle decides what becomes of a delivery, and records it in the task: whether a
// task may be run at all, that a run failed and is tried again, that the task dies. The pool
// calls it for handlers in its process, and the server for workers that reach it over the
// wire, so that a task has the same records whoever runs it.
package settle

import (
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Suspicion says how many deliveries of a task ended without an outcome, and how many make
// it a suspect. limit is the MaxDeliveries of the queue, and excused how many of the
// deliveries are known to have had an outcome.
//
// If crashes are charged as failures, they have no count of their own. Charges beyond the
// retries of a task cannot be failures, because the task would have died of them.
func Suspicion(d *driver.Delivery, limit int, forgives bool, excused int) (ends, suspicion int) {
	suspicion = (limit + 1) / 2
	if t := d.Task; !forgives && t.RetryCount > t.MaxRetries {
		return t.RetryCount, max(suspicion, t.MaxRetries+1)
	}
	if d.Crashes == 0 {
		return 0, suspicion
	}
	return max(0, d.Crashes-excused), suspicion
}

// Expired returns why a task is too old to be run; nil if it is not.
func Expired(cfg *driver.QueueConfig, t *driver.Task, now time.Time) error {
	// A redriven task is wanted, however old it is.
	if cfg.Retention <= 0 || t.Metadata[driver.MetaRedriveCount] != "" {
		return nil
	}
	due := t.DueAt()
	if again, err := time.Parse(time.RFC3339Nano, t.Metadata[driver.MetaDue]); err == nil && again.After(due) {
		due = again
	}
	if age := now.Sub(due); age > cfg.Retention {
		return fmt.Errorf("%w: it has been due for %s, and queue %q keeps tasks for %s", driver.ErrTaskExpired, age, cfg.Name, cfg.Retention)
	}
	return nil
}

// A Run is a run that has ended.
type Run struct {
	Attempt int
	Worker  string
	At      time.Time // when it ended, by the manager's clock
	Took    time.Duration
}

// Retry records that a run failed and the task is tried again.
func Retry(t *driver.Task, r Run, cause error) {
	driver.RecordAttempt(t, r.Attempt, r.Worker, r.At, r.Took, cause)
	t.RetryCount++
}

// Die records that the task dies of its last run, or of the run that it is refused, on a queue.
func Die(t *driver.Task, r Run, queue string, cause error) {
	driver.RecordAttempt(t, r.Attempt, r.Worker, r.At, r.Took, cause)
	driver.RecordDeath(t, origin(queue, t), r.At, cause)
}

// origin is the queue that a task dies on. For a task on a dead letter queue that is its
// original queue: a redrive needs that name.
func origin(queue string, t *driver.Task) string {
	if first := t.Metadata[driver.MetaOriginalQueue]; first != "" && t.Queue != queue {
		return first
	}
	return queue
}

// Delay records when a task that goes back to its queue is due, for Expired. Without a delay,
// or on a queue that keeps tasks for ever, there is nothing to record.
func Delay(cfg *driver.QueueConfig, t *driver.Task, delay time.Duration, now time.Time) {
	if Delays(cfg, delay) {
		driver.SetMeta(t, driver.MetaDue, now.Add(delay).UTC().Format(time.RFC3339Nano))
	}
}

// Delays reports whether Delay changes the task.
func Delays(cfg *driver.QueueConfig, delay time.Duration) bool { return delay > 0 && cfg.Retention > 0 }
