package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A program has one manager with all of its queues. Generated code lists the queues of a
// package in its function Queues.
func ExampleManager() {
	ctx := context.Background()
	provider := memory.New()
	defer provider.Close()
	m := runtime.NewManager(runtime.ManagerConfig{MaxPayload: 64 << 10})
	err := m.Open(ctx, provider,
		runtime.QueueConfig{Name: "mail", Retention: 24 * time.Hour},
		runtime.QueueConfig{Name: "reports", Visibility: 5 * time.Minute, MaxDeliveries: 3},
	)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	fmt.Println(m.Queues())

	q, err := m.Queue("mail")
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx)
	fmt.Println(stats.Ready, "ready,", stats.Dead, "dead,", err)

	cfg, on, err := m.Declared("mail")
	fmt.Println(cfg.DLQ, "on", on, err)

	_, err = m.Queue("post")
	fmt.Println(errors.Is(err, runtime.ErrUnknownQueue))
	// Output:
	// [mail reports]
	// 0 ready, 0 dead, <nil>
	// mail-dlq on memory <nil>
	// true
}
