package memory_test

import (
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/drivertest/fleetstoretest"
	"github.com/taskgen/taskgen/runtime/fleet/fleetstore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestFleetKeepsWhatAStoreOfWorkersPromises(t *testing.T) {
	fleetstoretest.Run(t, func(testing.TB) fleetstoretest.Place {
		clock := tasktest.NewClock(time.Now())
		s := memory.NewFleet(memory.WithClock(clock))
		return fleetstoretest.Place{Open: func() fleetstore.Store { return s }, Pass: clock.Advance}
	})
}
