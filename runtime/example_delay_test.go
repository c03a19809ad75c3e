package runtime_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A delayed task waits on its queue until it is due.
func ExampleWithDelay() {
	spec := &runtime.Spec[string]{Type: "reminder", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	to := "ada"
	sent, err := runtime.Enqueue(ctx, m, spec, &to, runtime.WithDelay(48*time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	status, err := m.Lookup(ctx, sent.ID)
	fmt.Println(status.State, status.DueAt.After(time.Now().Add(47*time.Hour)), err)
	// Output: scheduled true <nil>
}

// A task may be due at a time of day, too.
func ExampleWithTime() {
	spec := &runtime.Spec[string]{Type: "reminder", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	to, newYear := "ada", time.Date(2100, 1, 1, 9, 0, 0, 0, time.UTC)
	sent, err := runtime.Enqueue(ctx, m, spec, &to, runtime.WithTime(newYear))
	fmt.Println(sent.DueAt.Format(time.DateTime), err)
	// Output: 2100-01-01 09:00:00 <nil>
}
