package memory_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// A test moves the time by hand: manager and provider go by the same clock.
func ExampleWithClock() {
	ctx := context.Background()
	clock := tasktest.NewClock(time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC))
	m := runtime.NewManager(runtime.ManagerConfig{Clock: clock})
	if err := m.Open(ctx, memory.New(memory.WithClock(clock)), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "reminder", Queue: "mail"}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, to string) error {
		fmt.Println(to, "is reminded at", clock.Now().Format(time.DateTime))
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to, runtime.WithDelay(48*time.Hour)); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		clock.Advance(24 * time.Hour)
		runs, err := p.Drain(ctx)
		fmt.Println("runs:", runs, err)
	}
	// Output:
	// runs: 0 <nil>
	// ada is reminded at 2030-01-03 09:00:00
	// runs: 1 <nil>
}
