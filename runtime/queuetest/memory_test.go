package queuetest_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/queuetest"
)

var addresses atomic.Int64

// memoryHarness is the one of the reference provider.
func memoryHarness() queuetest.Harness {
	return queuetest.Harness{
		Name: "memory",
		Home: queuetest.InProcess,
		Data: func(testing.TB) string { return fmt.Sprint(addresses.Add(1)) },
		Open: func(_ string, clock runtime.Clock) (runtime.Provider, error) {
			return memory.New(memory.WithClock(clock)), nil
		},
		UsesClock: true,
		Downgrades: map[queuetest.Law]string{
			queuetest.Contract:           "the tasks live in the process and end with the provider: closing beside work is not survived",
			queuetest.NothingIsLost:      "the tasks live in the process: a kill takes them along",
			queuetest.PublishBeforeAck:   "the tasks live in the process: a kill takes both places along",
			queuetest.PoisonDoesNotLoop:  "the tasks live in the process: a handler that kills it kills them",
			queuetest.AcksSurviveTrouble: "there is no backend to be cut off from; a provider that fails for a time stands in",
		},
	}
}

func TestMemoryKeepsTheLaws(t *testing.T) { queuetest.Run(t, memoryHarness()) }
