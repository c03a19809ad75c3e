package runtime_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A task whose time has not come is put back. That is no failure: it costs no retry.
func ExampleSnooze() {
	spec := &runtime.Spec[string]{Type: "publish", Queue: "reports"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, report string) error {
		fmt.Println("the figures for", report, "are not there yet")
		return runtime.Snooze(10 * time.Minute)
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	report := "March"
	sent, err := runtime.Enqueue(ctx, m, spec, &report)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	status, err := m.Lookup(ctx, sent.ID)
	fmt.Println(status.State, "after", status.Attempts, "charged attempts", err)
	// Output:
	// the figures for March are not there yet
	// scheduled after 0 charged attempts <nil>
}
