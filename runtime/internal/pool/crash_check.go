package pool

import (
	"fmt"

	"github.com/taskgen/taskgen/internal/settle"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A crashCheck says what a queue's counts of crashes prove against its tasks.
type crashCheck struct {
	queue    string
	limit    int      // MaxDeliveries of the queue
	forgives bool     // see Capabilities
	excused  *excuses // the crashes that were none
}

// suspected reports whether a delivery may have killed its workers. One at the limit is
// not run any more, and does no harm.
func (c *crashCheck) suspected(d *driver.Delivery) bool {
	ends, point := c.ends(d)
	return ends >= point && ends < point+c.limit
}

// ends is how many deliveries of a task ended without an outcome, by the queue's count less
// those of which this process knows the outcome, and how many of them make it a suspect.
func (c *crashCheck) ends(d *driver.Delivery) (ends, suspicion int) {
	excused := 0
	if d.Crashes > 0 {
		excused = c.excused.count(taskKey{c.queue, d.Task.ID})
	}
	return settle.Suspicion(d, c.limit, c.forgives, excused)
}

// refuse returns why a delivery must not be run any more; nil if it may.
func (c *crashCheck) refuse(d *driver.Delivery) error {
	ends, suspicion := c.ends(d)
	if c.limit <= 0 || ends < suspicion+c.limit {
		return nil
	}
	return fmt.Errorf("%w: %d deliveries ended without an outcome from their worker, the last %d of them while the task ran alone, and queue %q allows max_deliveries=%d of those", driver.ErrMaxDeliveries, ends, ends-suspicion, c.queue, c.limit)
}
