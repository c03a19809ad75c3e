package runtime_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

func ExamplePool_Drain() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "welcome", Queue: "mail"}, runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		info, _ := runtime.TaskFromContext(ctx)
		fmt.Printf("attempt %d: %s\n", info.Attempt, t.Payload)
		if info.Attempt == 1 {
			return runtime.RetryAfter(0, errors.New("the mail server is busy"))
		}
		return nil
	}))
	_, err := m.Enqueue(ctx, []*runtime.Task{{Type: "welcome", Queue: "mail", Payload: []byte(`{"to":"ann"}`), MaxRetries: 3}})
	if err != nil {
		fmt.Println(err)
		return
	}

	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	runs, err := p.Drain(ctx)
	fmt.Println(runs, "runs,", err)
	// Output:
	// attempt 1: {"to":"ann"}
	// attempt 2: {"to":"ann"}
	// 2 runs, <nil>
}
