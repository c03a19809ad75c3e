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

// A job is paused and resumed, run out of turn, and cancelled by its ID.
func ExampleScheduler() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, reader string) error {
		fmt.Println("a report for", reader)
		return nil
	})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}

	var s schedule.Scheduler = schedule.New(memory.NewJobs(), m, schedule.Config{})
	reader := "ada"
	id, err := schedule.Add(ctx, s, schedule.Every(24*time.Hour), spec, &reader)
	if err != nil {
		log.Fatal(err)
	}
	show := func() {
		job, err := s.Status(ctx, id)
		fmt.Printf("%s, paused: %t, due: %t, %v\n", job.State, job.Paused, !job.Next.IsZero(), err)
	}
	show()
	if err := s.Pause(ctx, id); err != nil {
		log.Fatal(err)
	}
	show()
	if _, err := s.RunNow(ctx, id); err != nil { // a paused job, too
		log.Fatal(err)
	}
	if _, err := pool.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	if err := s.Resume(ctx, id); err != nil {
		log.Fatal(err)
	}
	if err := s.Cancel(ctx, id); err != nil {
		log.Fatal(err)
	}
	show()
	fmt.Println(errors.Is(s.Pause(ctx, "no-such-job"), schedule.ErrJobNotFound))
	// Output:
	// scheduled, paused: false, due: true, <nil>
	// scheduled, paused: true, due: true, <nil>
	// a report for ada
	// cancelled, paused: false, due: false, <nil>
	// true
}
