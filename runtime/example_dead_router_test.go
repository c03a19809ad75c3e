package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A hook of plain tasks is also called for those whose payload no handler can read.
func ExampleRouter_OnDead() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "payments"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[int]{Type: "refund", Queue: "payments"}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(context.Context, int) error { return nil })
	tell := func(_ context.Context, t *runtime.Task, cause error) error {
		fmt.Printf("%s %s cannot be read: %t\n", t.Type, t.Payload, errors.Is(cause, runtime.ErrInvalidTask))
		return nil
	}
	r.OnDead("refund", tell)
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	// Another program has enqueued this.
	if _, err := m.Enqueue(ctx, []*runtime.Task{{Type: "refund", Queue: "payments", Payload: []byte(`"order 1001"`)}}); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: refund "order 1001" cannot be read: true
}
