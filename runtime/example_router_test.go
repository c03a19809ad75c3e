package runtime_test

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// Types that no Go struct stands for are handled as they come: the payload is JSON.
func ExampleRouter() {
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{
		Type: "order.made", Aliases: []string{"order_made"}, Queue: "orders",
		Timeout: time.Minute,
	}, runtime.HandlerFunc(func(_ context.Context, t *runtime.Task) error {
		fmt.Printf("%s\n", t.Payload)
		return nil
	}))
	fmt.Println(r.Types())
	policy, ok := r.Policy("order_made")
	fmt.Println(policy.Type, policy.Timeout, ok)

	// Mistakes are kept for NewPool, which refuses a router with any.
	r.Handle(runtime.Policy{Type: "order.made"}, nil)
	fmt.Println(r.Err() != nil)
	// Output:
	// [order.made order_made]
	// order.made 1m0s true
	// true
}
