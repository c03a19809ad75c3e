package memory_test

import (
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/queuetest"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/storetest"
)

func TestJobsKeepTheContractOfAStore(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Place {
		clock := queuetest.NewClock(time.Now())
		s := memory.NewJobs(memory.WithClock(clock))
		return storetest.Place{Open: func() schedule.Store { return s }, Now: clock.Now, Pass: clock.Advance}
	})
}
