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
			drivertest.Contract:           "tasks live in the provider: none survives closing and reopening it",
			drivertest.NothingIsLost:      "tasks live in the process and die with it",
			drivertest.PublishBeforeAck:   "tasks live in the process and die with it, in both places",
			drivertest.PoisonDoesNotLoop:  "tasks live in the process and die with it when a handler kills it",
			drivertest.DiesOfItsOwnRuns:   "tasks live in the process and die with it",
			drivertest.AcksSurviveTrouble: "there is no backend that could be away; the suite uses a provider that fails for a time",
		},
	})
}
