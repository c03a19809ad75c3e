package schedule_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// An operator sees when a job will be due before it is.
func ExampleStatus_Upcoming() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(), m, schedule.Config{})
	reader := "ada"
	id, err := schedule.Add(ctx, s, schedule.Cron("30 7 * * mon", "Europe/Berlin"), &runtime.Spec[string]{Type: "report", Queue: "reports"}, &reader)
	if err != nil {
		log.Fatal(err)
	}
	job, err := s.Status(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	upcoming, err := job.Upcoming(3)
	if err != nil {
		log.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		log.Fatal(err)
	}
	for _, at := range upcoming {
		fmt.Println(at.In(berlin).Format("Monday 15:04"))
	}
	// Output:
	// Monday 07:30
	// Monday 07:30
	// Monday 07:30
}
