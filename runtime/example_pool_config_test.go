package runtime_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// Queues share the workers of a pool by weight, within limits of their own.
func ExamplePoolConfig() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}, runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	mail := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	report := &runtime.Spec[string]{
		Type: "report", Queue: "reports",
		Concurrency: 2, // of this type at a time in each pool, whatever its queue allows
	}
	r := runtime.NewRouter()
	handle := func(_ context.Context, name string) error { fmt.Println(name); return nil }
	runtime.Register(r, mail, handle)
	runtime.Register(r, report, handle)

	p, err := runtime.NewPool(m, r, runtime.PoolConfig{
		Workers: 20,
		Queues: []runtime.PoolQueue{
			// The mail server takes no more than 100 a second.
			{Name: "mail", Weight: 3, Rate: runtime.Rate{Limit: 100, Per: time.Second}},
			{Name: "reports", Weight: 1, Concurrency: 5},
		},
		Grace: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, mail, &to); err != nil {
		log.Fatal(err)
	}
	runs, err := p.Drain(ctx)
	fmt.Println(runs, err)
	// Output:
	// ada
	// 1 <nil>
}
