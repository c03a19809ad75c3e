package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// Of a batch the payloads that can be enqueued are, and the error says which were not.
func ExampleEnqueueBatch() {
	type welcome struct {
		To string `json:"to"`
	}
	spec := &runtime.Spec[welcome]{
		Type: "welcome", Queue: "mail",
		Validate: func(w *welcome) error {
			if w.To == "" {
				return errors.New("nobody to welcome")
			}
			return nil
		},
	}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	people := []welcome{{To: "ada"}, {}, {To: "grace"}}
	sent, err := runtime.EnqueueBatch(ctx, m, spec, people)
	for i := range people {
		if failed := runtime.ErrorAt(err, i); failed != nil {
			fmt.Println(i, "failed:", failed)
			continue
		}
		fmt.Println(i, "is on queue", sent[i].Queue)
	}
	fmt.Println("worth another try:", !errors.Is(err, runtime.ErrInvalidTask))
	// Output:
	// 0 is on queue mail
	// 1 failed: taskgen: invalid task: a task of type welcome: nobody to welcome
	// 2 is on queue mail
	// worth another try: false
}
