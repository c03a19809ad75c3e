package runtime_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A handler is given the decoded payload, and the task itself by its context.
func ExampleRegister() {
	type welcome struct {
		To string `json:"to"`
	}
	spec := &runtime.Spec[welcome]{Type: "welcome", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	r := runtime.NewRouter()
	runtime.Register(r, spec, func(ctx context.Context, w welcome) error {
		info, _ := runtime.TaskFromContext(ctx)
		fmt.Printf("welcome, %s (task %s, attempt %d)\n", w.To, info.ID, info.Attempt)
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := runtime.Enqueue(ctx, m, spec, &welcome{To: "ada"}, runtime.WithID("7")); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: welcome, ada (task 7, attempt 1)
}
