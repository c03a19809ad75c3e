package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A task with an ID of the program's own may be sent again after an error that leaves
// open whether it arrived: the queue refuses the second.
func ExampleWithID() {
	spec := &runtime.Spec[string]{Type: "refund", Queue: "payments"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "payments"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	for range 2 {
		order := "1001"
		_, err := runtime.Enqueue(ctx, m, spec, &order, runtime.WithID("refund-"+order))
		if errors.Is(err, runtime.ErrDuplicate) {
			fmt.Println("it is there already")
			continue
		}
		fmt.Println("sent", err)
	}
	// Output:
	// sent <nil>
	// it is there already
}
