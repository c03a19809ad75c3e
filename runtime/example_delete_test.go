package runtime_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A queue that nobody needs any more is deleted with everything that is on it.
func ExampleManager_Delete() {
	spec := &runtime.Spec[string]{Type: "reminder", Queue: "mail"}
	ctx := context.Background()
	p := memory.New()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	fmt.Println("delete", m.Delete(ctx, "mail"))
	fmt.Println("open are", m.Queues())

	// Its name is free.
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	q, err := m.Queue("mail")
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx)
	fmt.Println(stats.Ready, "ready", err)
	// Output:
	// delete <nil>
	// open are []
	// 0 ready <nil>
}
