package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A queue without manager and pool: a task is enqueued, leased and completed.
func ExampleNew() {
	ctx := context.Background()
	provider := memory.New()
	defer provider.Close()
	queue, err := provider.Open(ctx, runtime.QueueConfig{Name: "mail"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = queue.Enqueue(ctx, []*runtime.Task{{ID: "1", Type: "welcome", Queue: "mail", Payload: []byte(`{"to":"ada"}`)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	deliveries, err := queue.Dequeue(ctx, 10, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range deliveries {
		fmt.Println(d.Task.Type, string(d.Task.Payload), "attempt", d.Attempt())
	}
	fmt.Println(queue.Complete(ctx, deliveries))
	// Output:
	// welcome {"to":"ada"} attempt 1
	// <nil>
}

// A result is awaited before it is there.
func ExampleNewResults() {
	ctx := context.Background()
	results := memory.NewResults()
	go func() {
		_ = results.PutResult(ctx, "task-1", []byte(`42`), "", time.Hour)
	}()
	value, err := results.Await(ctx, "task-1")
	fmt.Println(string(value), err)
	// Output: 42 <nil>
}
