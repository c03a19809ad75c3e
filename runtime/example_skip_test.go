package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A task that no retry can help goes to the dead letter queue at once.
func ExampleSkip() {
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail", Retry: runtime.RetryPolicy{Max: 10}}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(context.Context, string) error {
		return runtime.Skip(errors.New("there is no such mailbox"))
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	to := "nobody"
	sent, err := runtime.Enqueue(ctx, m, spec, &to)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	status, err := m.Lookup(ctx, sent.ID)
	fmt.Printf("%s after %d attempt: %s\n", status.State, status.Attempts, status.Failure)
	fmt.Println(err)
	// Output:
	// dead after 1 attempt: there is no such mailbox
	// <nil>
}
