package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A hook is called for each task of a type that dies, with its payload. Generated OnDead…
// functions call OnDead.
func ExampleOnDead() {
	type refund struct {
		Order string `json:"order"`
	}
	spec := &runtime.Spec[refund]{Type: "refund", Queue: "payments"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "payments"}); err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	r := runtime.NewRouter()
	runtime.Register(r, spec, func(context.Context, refund) error {
		return runtime.Skip(errors.New("the account is closed"))
	})
	runtime.OnDead(r, spec, func(ctx context.Context, p refund, cause error) error {
		info, _ := runtime.TaskFromContext(ctx)
		fmt.Printf("order %s is not refunded (task %s): %v\n", p.Order, info.ID, cause)
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := runtime.Enqueue(ctx, m, spec, &refund{Order: "1001"}, runtime.WithID("7")); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := p.Drain(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: order 1001 is not refunded (task 7): the account is closed
}
