package memory_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestTheProviderKeepsTheLaws(t *testing.T) {
	var addresses atomic.Int64
	drivertest.Run(t, drivertest.Harness{
		Name: "memory",
		Home: drivertest.InProcess,
		Data: func(testing.TB) string { return fmt.Sprint(addresses.Add(1)) },
		Open: func(_ string, clock driver.Clock) (driver.Provider, error) {
			return memory.New(memory.WithClock(clock)), nil
		},
		UsesClock: true,
		Large:     64 << 10,
		Downgrades: map[drivertest.Law]string{
			drivertest.Contract:           "tasks end with the provider: closing it and opening it again is not survived",
			drivertest.NothingIsLost:      "tasks live in the process: a kill takes them along",
			drivertest.PublishBeforeAck:   "tasks live in the process: a kill takes both places along",
			drivertest.PoisonDoesNotLoop:  "tasks live in the process: a handler that kills it takes them along",
			drivertest.DiesOfItsOwnRuns:   "tasks live in the process: whoever kills it takes them along",
			drivertest.AcksSurviveTrouble: "there is no backend to be cut off from; a provider that fails for a time stands in",
		},
	})
}
