package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A job with an ID of the program's own is there once, however often the program starts.
// Generated code has a function ScheduleReport that calls Add.
func ExampleAdd() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(), m, schedule.Config{})
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}

	for range 2 {
		reader := "ada"
		id, err := schedule.Add(ctx, s, schedule.Every(24*time.Hour), spec, &reader,
			schedule.WithID("report-for-ada"),
			schedule.WithOverlap(schedule.SkipOverlap), // not while the last one runs
			schedule.WithEnqueue(runtime.WithMaxRetries(2)),
		)
		switch {
		case errors.Is(err, schedule.ErrJobExists):
			fmt.Println("it is there already")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println("scheduled", id)
		}
	}
	// Output:
	// scheduled report-for-ada
	// it is there already
}

// ModifyPayload gives a job another payload and, by an option, another time. Its ID stays.
func ExampleModifyPayload() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(), m, schedule.Config{})
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	reader := "ada"
	id, err := schedule.Add(ctx, s, schedule.Every(time.Hour), spec, &reader)
	if err != nil {
		log.Fatal(err)
	}

	reader = "grace"
	if err := schedule.ModifyPayload(ctx, s, id, spec, &reader, schedule.WithWhen(schedule.Every(24*time.Hour))); err != nil {
		log.Fatal(err)
	}
	// What has no payload to do with is changed by Modify.
	if err := s.Modify(ctx, id, schedule.Change{Missed: schedule.FireAll, MaxMissed: 7}); err != nil {
		log.Fatal(err)
	}
	job, err := s.Status(ctx, id)
	fmt.Println(string(job.Task.Payload), job.When, job.Missed, err)
	// Output: "grace" every 24h0m0s all <nil>
}
