package pool

import (
	"errors"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// itemErrors splits the error of a batch call by item, in constant time each.
func itemErrors(err error, n int) func(i int) error {
	var be *driver.BatchError
	if !errors.As(err, &be) {
		return func(int) error { return err }
	}
	errs := make([]error, n)
	for _, it := range be.Items {
		if it.Index >= 0 && it.Index < n {
			errs[it.Index] = it.Err
		}
	}
	return func(i int) error { return errs[i] }
}

// wasSettledLocked reports whether ErrLeaseLost means that an earlier call, whose
// answer was lost, has settled the item: no other worker can have had the task while
// its lease holds. Leases that are bound to a connection may have ended with it.
func (it *item) wasSettledLocked(freeLeases bool, now time.Time) bool {
	return it.doubt && freeLeases && it.d.LeaseUntil.After(now)
}
