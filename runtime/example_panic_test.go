package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A handler that panics has failed. The stack goes along with the error.
func ExamplePanicStack() {
	spec := &runtime.Spec[map[string]int]{Type: "count", Queue: "stats"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "stats"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, counts map[string]int) error {
		counts["ada"]++ // of a nil map
		return nil
	})
	runtime.OnDead(r, spec, func(_ context.Context, _ map[string]int, cause error) error {
		fmt.Println(cause)
		fmt.Println("panic:", errors.Is(cause, runtime.ErrPanic))
		fmt.Println("stack:", strings.Contains(driver.PanicStack(cause), "example_panic_test.go"))
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := runtime.Enqueue(ctx, m, spec, new(map[string]int)); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// taskgen: the handler panicked: assignment to entry in nil map
	// panic: true
	// stack: true
}
