package runtime_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A handler says how far it has come, and a middleware listens. For the tasks of jobs that
// middleware is there: schedule.Track.
func ExampleProgress() {
	listen := func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
			return next.Handle(driver.WithProgress(ctx, func(p driver.ProgressReport) {
				fmt.Printf("%s: %d of %d %s\n", t.Type, p.Done, p.Total, p.Note)
			}), t)
		})
	}
	spec := &runtime.Spec[[]string]{Type: "index", Queue: "search"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "search"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	r.Use(listen)
	runtime.Register(r, spec, func(ctx context.Context, documents []string) error {
		for i, d := range documents {
			runtime.Progress(ctx, int64(i+1), int64(len(documents)), d)
		}
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := runtime.Enqueue(ctx, m, spec, &[]string{"readme", "license"}); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// index: 1 of 2 readme
	// index: 2 of 2 license
}
