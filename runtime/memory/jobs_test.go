package memory_test

import (
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/drivertest/jobstoretest"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestJobsKeepTheContractOfAStore(t *testing.T) {
	jobstoretest.Run(t, func(testing.TB) jobstoretest.Place {
		clock := tasktest.NewClock(time.Now())
		s := memory.NewJobs(memory.WithClock(clock))
		return jobstoretest.Place{Open: func() schedule.Store { return s }, Now: clock.Now, Pass: clock.Advance}
	})
}
