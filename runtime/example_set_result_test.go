package runtime_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A handler of plain tasks sets its result itself.
func ExampleSetResult() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "prices"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	policy := runtime.Policy{Type: "quote", Queue: "prices", Result: true}
	r.Handle(policy, runtime.HandlerFunc(func(ctx context.Context, _ *runtime.Task) error {
		return runtime.SetResult(ctx, []byte(`{"cents":4200}`))
	}))
	results := memory.NewResults()
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Results: results})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := m.Enqueue(ctx, []*runtime.Task{{ID: "7", Type: "quote", Queue: "prices", Payload: []byte(`"lamp"`)}}); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	result, err := results.Await(ctx, "7")
	fmt.Println(string(result), err)
	// Output: {"cents":4200} <nil>
}
