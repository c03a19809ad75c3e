package runtime_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// Dead tasks are listed, redriven and discarded through the queue that they died
// on.
func ExampleRedriver() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	r := runtime.NewRouter()
	broken := true
	r.Handle(runtime.Policy{Type: "welcome", Queue: "mail"}, runtime.HandlerFunc(func(_ context.Context, t *runtime.Task) error {
		if broken {
			return runtime.Skip(errors.New("the template is missing"))
		}
		fmt.Printf("task %s is done\n", t.ID)
		return nil
	}))
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, id := range []string{"1", "2"} {
		if _, err := m.Enqueue(ctx, []*runtime.Task{{ID: id, Type: "welcome", Queue: "mail", Payload: []byte(`{}`)}}); err != nil {
			fmt.Println(err)
			return
		}
	}
	drain := func() {
		if _, err := p.Drain(ctx); err != nil {
			fmt.Println(err)
		}
	}
	drain()

	q, err := m.Queue("mail")
	if err != nil {
		fmt.Println(err)
		return
	}
	dead, _, err := q.(driver.Browser).Browse(ctx, driver.Dead, "", 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range dead {
		fmt.Printf("task %s is dead: %s\n", t.ID, t.Metadata[driver.MetaFailureReason])
	}

	gone, err := q.(driver.Discarder).Discard(ctx, []string{"1"})
	fmt.Println("discarded", gone, err)
	broken = false
	back, err := q.(driver.Redriver).Redrive(ctx, nil) // all that are left
	fmt.Println("redriven", back, err)
	drain()
	// Output:
	// task 1 is dead: the template is missing
	// task 2 is dead: the template is missing
	// discarded [1] <nil>
	// redriven [2] <nil>
	// task 2 is done
}
