package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// awayCases: law 15 when the backend cannot be reached. That a call whose connection is
// cut or dies says the same is checked by the tests that do so, see known.
func awayCases() []testCase {
	return []testCase{
		{law: DrainsInTrouble, name: testAway, requires: []requirement{meddling}, real: true, run: awayCalls},
	}
}

const testAway = "each call reports that the backend is away, and can be repeated"

// awayLimit is the time of a call while the backend is away.
const awayLimit = 800 * time.Millisecond

// outcomes are the errors of the contract: what became of a call is known, or it is
// ErrUnavailable.
var outcomes = []error{
	driver.ErrUnavailable, driver.ErrNoTasks, driver.ErrLeaseLost, driver.ErrClosed, driver.ErrDuplicate, driver.ErrQueueFull,
	driver.ErrUnsupported, driver.ErrTaskNotFound, driver.ErrUnknownQueue, driver.ErrQueueMismatch, driver.ErrInvalidQueue,
	driver.ErrInvalidTask, driver.ErrPayloadTooLarge,
}

// known reports whether an error, or each item's of a batch, is one of the contract's.
func known(err error) bool {
	var be *runtime.BatchError
	if errors.As(err, &be) {
		return !slices.ContainsFunc(be.Items, func(it driver.ItemError) bool { return !known(it.Err) })
	}
	return err == nil || slices.ContainsFunc(outcomes, func(o error) bool { return errors.Is(err, o) })
}

// awayCalls makes each call while no connection can be made, and again when the backend is
// back.
func awayCalls(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	w.put(q, frozenLeases)
	ds := w.take(q, frozenLeases, long)
	ts := w.tasks(q, 3)
	calls := append(frozenOperations(w, q, ds), frozenCall{"Enqueue", func(ctx context.Context) error {
		_, err := q.Enqueue(ctx, ts)
		return err
	}})
	if !q.Capabilities().FreeLeases {
		// Its tasks may be back with the broker, and nothing is asked of it.
		calls = slices.DeleteFunc(calls, func(c frozenCall) bool {
			return slices.Contains([]string{"Complete", "Release", "DeadLetter"}, c.name)
		})
	}
	net.Cut()
	said := make([]string, len(calls))
	var all sync.WaitGroup
	for i, c := range calls {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(w.ctx, awayLimit)
			defer cancel()
			err := c.do(ctx)
			if errors.Is(err, driver.ErrNoTasks) && c.name == "Dequeue" {
				return // it has waited for the backend until its context ended
			}
			if !errors.Is(err, driver.ErrUnavailable) {
				said[i] = fmt.Sprintf("%s: %v", c.name, err)
			}
		})
	}
	all.Wait()
	net.Heal()
	said = slices.DeleteFunc(said, func(s string) bool { return s == "" })
	w.check(len(said) == 0, "while the backend was away these were not ErrUnavailable: %v", said)
	w.enqueueRepeatedly(q, ts)
}
