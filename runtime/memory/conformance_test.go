package memory_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/queuetest"
)

func TestTheProviderKeepsTheLaws(t *testing.T) {
	var addresses atomic.Int64
	queuetest.Run(t, queuetest.Harness{
		Name: "memory",
		Home: queuetest.InProcess,
		Data: func(testing.TB) string { return fmt.Sprint(addresses.Add(1)) },
		Open: func(_ string, clock driver.Clock) (driver.Provider, error) {
			return memory.New(memory.WithClock(clock)), nil
		},
		UsesClock: true,
		Large:     64 << 10,
		Downgrades: map[queuetest.Law]string{
			queuetest.Contract:           "tasks end with the provider: closing it and opening it again is not survived",
			queuetest.NothingIsLost:      "tasks live in the process: a kill takes them along",
			queuetest.PublishBeforeAck:   "tasks live in the process: a kill takes both places along",
			queuetest.PoisonDoesNotLoop:  "tasks live in the process: a handler that kills it takes them along",
			queuetest.DiesOfItsOwnRuns:   "tasks live in the process: whoever kills it takes them along",
			queuetest.AcksSurviveTrouble: "there is no backend to be cut off from; a provider that fails for a time stands in",
		},
	})
}
