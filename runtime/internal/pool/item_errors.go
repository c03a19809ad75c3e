package pool

import (
	"errors"

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
