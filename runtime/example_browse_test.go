package runtime_test

import (
	"context"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// The tasks of a queue are looped over without a page or a cursor in sight.
func ExampleBrowseAll() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	for i, to := range []string{"Ada", "Grace", "Katherine"} {
		_, err := runtime.Enqueue(ctx, m, spec, &to, runtime.WithID(to), runtime.WithDelay(time.Duration(i+1)*time.Hour))
		if err != nil {
			fmt.Println(err)
			return
		}
	}

	q, err := m.Queue("mail")
	if err != nil {
		fmt.Println(err)
		return
	}
	for t, err := range driver.BrowseAll(ctx, q, driver.Scheduled) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(t.Type, t.ID)
	}
	// Output:
	// welcome Ada
	// welcome Grace
	// welcome Katherine
}

// Any call that returns pages becomes an iterator.
func ExamplePaged() {
	pages := map[string][]string{"": {"a", "b"}, "b": {"c"}}
	list := func(cursor string) (page []string, next string, err error) {
		if cursor == "" {
			next = "b"
		}
		return pages[cursor], next, nil
	}
	for item, err := range driver.Paged(list) {
		fmt.Println(item, err)
	}
	// Output:
	// a <nil>
	// b <nil>
	// c <nil>
}
