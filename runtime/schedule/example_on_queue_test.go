package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A scheduler without a store leaves delays to the broker, and refuses what that cannot do.
func ExampleOnQueue() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.OnQueue(m)
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	reader := "ada"

	id, err := schedule.Add(ctx, s, schedule.In(time.Hour), spec, &reader)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("cancelled", s.Cancel(ctx, id))
	_, err = schedule.Add(ctx, s, schedule.Every(time.Hour), spec, &reader)
	fmt.Println("needs a store:", errors.Is(err, runtime.ErrUnsupported))
	// Output:
	// cancelled <nil>
	// needs a store: true
}
