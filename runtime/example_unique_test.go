package runtime_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// While a task with a unique key is on its queue, another one with that key is not
// enqueued, which is no error.
func ExampleWithUnique() {
	spec := &runtime.Spec[string]{Type: "reindex", Queue: "search"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "search"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	for _, id := range []string{"first", "second"} {
		document := "docs/readme"
		// 0: the key is taken until the task is completed or dead.
		sent, err := runtime.Enqueue(ctx, m, spec, &document, runtime.WithID(id), runtime.WithUnique(document, 0))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: duplicate: %t, on the queue: %s\n", id, sent.Duplicate, sent.ID)
	}
	// Output:
	// first: duplicate: false, on the queue: first
	// second: duplicate: true, on the queue: first
}

// A key of several fields is made by KeyOf, which generated specs do with the fields
// that an annotation names.
func ExampleKeyOf() {
	type invoice struct {
		Customer string `json:"customer"`
		Month    int    `json:"month"`
		Note     string `json:"note"`
	}
	spec := &runtime.Spec[invoice]{
		Type: "invoice", Queue: "billing",
		UniqueKey: func(p *invoice) string { return runtime.KeyOf(p.Customer, p.Month) },
		UniqueFor: 24 * time.Hour,
	}
	one := spec.UniqueKey(&invoice{Customer: "acme", Month: 3, Note: "first"})
	again := spec.UniqueKey(&invoice{Customer: "acme", Month: 3, Note: "second"})
	other := spec.UniqueKey(&invoice{Customer: "acme", Month: 4})
	fmt.Println(one == again, one == other, len(one))
	// Output: true false 43
}
