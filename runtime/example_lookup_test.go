package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A program says where a task is by its ID alone: while it waits, and once it is done.
func ExampleManager_Lookup() {
	spec := &runtime.Spec[string]{Type: "greet", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	runtime.RegisterWithResult(r, spec, func(_ context.Context, to string) (string, error) {
		return "hello, " + to, nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Results: memory.NewResults()})
	if err != nil {
		log.Fatal(err)
	}
	show := func(id string) {
		status, err := m.Lookup(ctx, id)
		switch {
		case errors.Is(err, runtime.ErrTaskNotFound):
			fmt.Println(id, "is not known")
		case err != nil:
			log.Fatal(err)
		case status.State == driver.Done:
			fmt.Println(id, "is done:", string(status.Result))
		default:
			fmt.Println(id, "is", status.State, "on", status.Queue)
		}
	}

	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to, runtime.WithID("7")); err != nil {
		log.Fatal(err)
	}
	show("7")
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	show("7")
	show("8")
	// Output:
	// 7 is ready on mail
	// 7 is done: "hello, ada"
	// 8 is not known
}
