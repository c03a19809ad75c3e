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

// Workers that track jobs tell what became of their tasks.
func ExampleTrack() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	jobs := memory.NewJobs()
	r := runtime.NewRouter()
	r.Use(schedule.Track(jobs, "worker-1", nil))
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	runtime.Register(r, spec, func(ctx context.Context, reader string) error {
		runtime.Progress(ctx, 1, 2, "the figures are in")
		return runtime.Skip(errors.New("the printer is gone"))
	})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	s := schedule.New(jobs, m, schedule.Config{})
	reader := "ada"
	id, err := schedule.Add(ctx, s, schedule.At(time.Now()), spec, &reader)
	if err != nil {
		log.Fatal(err)
	}

	// A program has s.Run and pool.Run do this all the time.
	if _, err := s.FireDue(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	job, err := s.Status(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	last := job.Last
	fmt.Printf("%s on %s: %s\n", job.State, last.Worker, last.Error)
	fmt.Printf("%d of %d: %s\n", last.Progress.Done, last.Progress.Total, last.Progress.Note)
	// Output:
	// dead on worker-1: the printer is gone
	// 1 of 2: the figures are in
}
