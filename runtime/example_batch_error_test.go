package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A BatchError lists the items that failed. The others are done and must not be sent again.
func ExampleBatchError() {
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail", Capacity: 2}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	people := []string{"ada", "grace", "katherine"}
	_, err := runtime.EnqueueBatch(ctx, m, spec, people)
	var batch *runtime.BatchError
	if errors.As(err, &batch) {
		for _, item := range batch.Items {
			fmt.Printf("%s: queue full: %t\n", people[item.Index], errors.Is(item.Err, runtime.ErrQueueFull))
		}
	}
	// Output: katherine: queue full: true
}
