package schedule_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// What no service was there for is made up for once, each time, or not at all.
func ExampleWithMissed() {
	ctx := context.Background()
	clock := tasktest.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	m := runtime.NewManager(runtime.ManagerConfig{Clock: clock})
	if err := m.Open(ctx, memory.New(memory.WithClock(clock)), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(memory.WithClock(clock)), m, schedule.Config{})
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	for _, missed := range []schedule.Missed{schedule.FireOnce, schedule.FireAll, schedule.FireNone} {
		payload := string(missed)
		_, err := schedule.Add(ctx, s, schedule.Every(24*time.Hour), spec, &payload,
			schedule.WithID(schedule.JobID(missed)), schedule.WithMissed(missed, 0))
		if err != nil {
			log.Fatal(err)
		}
	}

	clock.Advance(3*24*time.Hour + time.Hour) // the program is down
	fired, err := s.FireDue(ctx)
	fmt.Println("tasks:", fired, err)
	for job, err := range schedule.All(ctx, s, schedule.Filter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: fired %d, skipped %d\n", job.ID, job.Fired, job.Skipped)
	}
	// Output:
	// tasks: 4 <nil>
	// all: fired 3, skipped 0
	// once: fired 1, skipped 2
	// skip: fired 0, skipped 3
}
