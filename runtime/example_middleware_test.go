package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A middleware stands around every run of every handler. It can tell what the pool will
// make of an error.
func ExampleMiddleware() {
	count := make(map[runtime.Outcome]int)
	var observe runtime.Middleware = func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
			err := next.Handle(ctx, t)
			outcome := runtime.OutcomeOf(ctx, err)
			count[outcome]++ // the pool of this program has one worker
			info, _ := runtime.TaskFromContext(ctx)
			fmt.Printf("%s, retried %d times at most: %s\n", t.Type, info.Policy.Retry.Max, outcome)
			return err
		})
	}
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail", Retry: runtime.RetryPolicy{Max: 3}}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	r.Use(observe)
	runtime.Register(r, spec, func(_ context.Context, to string) error {
		if to == "" {
			return runtime.Skip(errors.New("nobody to write to"))
		}
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := runtime.EnqueueBatch(ctx, m, spec, []string{"ada", "", "grace"}); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(count[runtime.Completed], "completed,", count[runtime.Died], "dead")
	// Output:
	// welcome, retried 3 times at most: completed
	// welcome, retried 3 times at most: dead
	// welcome, retried 3 times at most: completed
	// 2 completed, 1 dead
}
