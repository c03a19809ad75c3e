package runtime_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A middleware of the manager sees every task that is enqueued, whoever enqueues it, and
// passes on changed copies.
func ExampleEnqueueMiddleware() {
	stamp := func(next runtime.Enqueuer) runtime.Enqueuer {
		return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
			stamped := make([]*runtime.Task, len(tasks))
			for i, t := range tasks {
				stamped[i] = t.Clone()
				if stamped[i].Metadata == nil {
					stamped[i].Metadata = make(map[string]string)
				}
				stamped[i].Metadata["build"] = "v1.4.0"
			}
			return next.Enqueue(ctx, stamped)
		})
	}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{stamp}})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(ctx context.Context, to string) error {
		info, _ := runtime.TaskFromContext(ctx)
		fmt.Println(to, "was sent by", info.Metadata["build"])
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: ada was sent by v1.4.0
}
