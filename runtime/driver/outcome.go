package driver

// Outcome is the fate of a task after one run of its handler.
type Outcome string

// The outcomes of a run.
const (
	Completed Outcome = "completed" // the handler returned nil
	Retried   Outcome = "retried"   // it failed and will be tried again
	Died      Outcome = "dead"      // it failed for good: to the dead letter queue
	Snoozed   Outcome = "snoozed"   // it asked to be run later, uncharged
	Released  Outcome = "released"  // the pool stopped it: back on the queue, uncharged
	Abandoned Outcome = "abandoned" // its lease was lost: the task is another worker's
	Cancelled Outcome = "cancelled" // an operator cancelled it: off the queue for good
)
