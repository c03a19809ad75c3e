package drivertest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

var addresses atomic.Int64

// memoryHarness is the one of the reference provider.
func memoryHarness() Harness {
	return Harness{
		Name: "memory",
		Home: InProcess,
		Data: func(testing.TB) string { return fmt.Sprint(addresses.Add(1)) },
		Open: func(_ string, clock driver.Clock) (runtime.Provider, error) {
			return memory.New(memory.WithClock(clock)), nil
		},
		UsesClock: true,
		Large:     64 << 10,
		Downgrades: map[Law]string{
			Contract:           "the tasks live in the process and end with the provider: closing beside work is not survived",
			NothingIsLost:      "the tasks live in the process: a kill takes them along",
			PublishBeforeAck:   "the tasks live in the process: a kill takes both places along",
			PoisonDoesNotLoop:  "the tasks live in the process: a handler that kills it kills them",
			DiesOfItsOwnRuns:   "the tasks live in the process: whoever kills it kills them",
			AcksSurviveTrouble: "there is no backend to be cut off from; a provider that fails for a time stands in",
		},
	}
}

func TestMemoryKeepsTheLaws(t *testing.T) {
	t.Parallel()
	Run(t, memoryHarness())
}
