package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

// Queues, jobs, results and dead letters are in one file. A program that can bear to lose
// the last commits in a power cut need not wait for the disk.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	p, err := sqlite.Open(ctx, filepath.Join(dir, "tasks.db"), sqlite.WithSynchronous(sqlite.Normal))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "prices"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	spec := &runtime.Spec[string]{Type: "quote", Queue: "prices"}
	r := runtime.NewRouter()
	runtime.RegisterWithResult(r, spec, func(_ context.Context, item string) (int, error) { return 4200, nil })
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Results: p.Results()})
	if err != nil {
		log.Fatal(err)
	}
	s := schedule.New(p.Jobs(), m, schedule.Config{})
	item := "lamp"
	id, err := schedule.Add(ctx, s, schedule.At(time.Now()), spec, &item)
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
	cents, err := runtime.Await[string, int](ctx, p.Results(), spec, job.Last.TaskID)
	fmt.Println(cents, err)

	letters, _, err := dlq.OpenStore(m, p.Letters(), dlq.Config{Router: r}).List(ctx, dlq.Filter{}, "", 10)
	fmt.Println(len(letters), "dead", err)
	// Output:
	// 4200 <nil>
	// 0 dead <nil>
}
