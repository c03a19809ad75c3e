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

// A service fires jobs beside the pool that runs their tasks. Any number of processes may
// do so on one store: Provider.Jobs of SQLite or Redis in place of the one in memory.
func ExampleService_Run() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	done := make(chan string)
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, reader string) error {
		done <- reader
		return nil
	})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if err := pool.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer pool.Stop(context.Background())

	s := schedule.New(memory.NewJobs(), m, schedule.Config{})
	over := make(chan error)
	go func() { over <- s.Run(ctx) }()

	reader := "ada"
	if _, err := schedule.Add(ctx, s, schedule.At(time.Now()), spec, &reader); err != nil {
		log.Fatal(err)
	}
	fmt.Println("a report for", <-done)
	stop()
	fmt.Println(<-over)
	// Output:
	// a report for ada
	// <nil>
}

// Schedule keeps a job that is written out, where Add takes a spec and options.
func ExampleService_Schedule() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(), m, schedule.Config{})

	id, err := s.Schedule(ctx, schedule.Job{
		ID:     "sales-for-ada",
		When:   schedule.Cron("0 6 * * mon-fri", "Europe/Berlin"),
		Task:   &runtime.Task{Type: "report", Queue: "reports", Payload: []byte(`"ada"`)},
		Missed: schedule.FireNone,
		Jitter: 5 * time.Minute,
	})
	fmt.Println(id, err)
	// Output: sales-for-ada <nil>
}
