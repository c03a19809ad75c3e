package schedule_test

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A loop over jobs may change each as it comes to it.
func ExampleAll() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(), m, schedule.Config{})
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	for _, reader := range []string{"ada", "grace"} {
		_, err := schedule.Add(ctx, s, schedule.Every(time.Hour), spec, &reader, schedule.WithID(schedule.JobID("for-"+reader)))
		if err != nil {
			fmt.Println(err)
			return
		}
	}

	for job, err := range schedule.All(ctx, s, schedule.Filter{Type: "report"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("pause", job.ID, job.When)
		if err := s.Pause(ctx, job.ID); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// pause for-ada every 1h0m0s
	// pause for-grace every 1h0m0s
}
