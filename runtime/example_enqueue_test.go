package runtime_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A payload goes on the queue that its spec names. The generator writes the spec, and a
// function EnqueueWelcome that calls Enqueue.
func ExampleEnqueue() {
	type welcome struct {
		To string `json:"to"`
	}
	spec := &runtime.Spec[welcome]{Type: "welcome", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	sent, err := runtime.Enqueue(ctx, m, spec, &welcome{To: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("on queue", sent.Queue, "under an ID of", len(sent.ID), "characters")
	// Output: on queue mail under an ID of 36 characters
}
