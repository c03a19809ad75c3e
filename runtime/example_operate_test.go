package runtime_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// What a queue can do beyond the contract it has as methods of small interfaces, and says
// in its capabilities.
func ExampleManager_Queue() {
	spec := &runtime.Spec[string]{Type: "reminder", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for _, to := range []string{"ada", "grace", "katherine"} {
		if _, err := runtime.Enqueue(ctx, m, spec, &to, runtime.WithID(to), runtime.WithDelay(time.Hour)); err != nil {
			log.Fatal(err)
		}
	}
	q, err := m.Queue("mail")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("can pause:", q.Capabilities().Pause)

	if p, ok := q.(driver.Pauser); ok {
		end := time.Now().Add(time.Hour)
		fmt.Println("pause", p.Pause(ctx, end))
		pause, err := p.Paused(ctx)
		fmt.Println("paused:", pause.Paused, "until then:", pause.Until.Equal(end), err)
		fmt.Println("resume", p.Resume(ctx))
	}
	if c, ok := q.(driver.Canceller); ok {
		cancelled, err := c.Cancel(ctx, []string{"ada"})
		fmt.Println("cancelled", cancelled, err)
	}
	if s, ok := q.(driver.Rescheduler); ok {
		fmt.Println("sooner", s.Reschedule(ctx, "grace", time.Now()))
	}
	stats, err := q.Stats(ctx)
	fmt.Println(stats.Ready, "ready,", stats.Scheduled, "scheduled", err)
	if p, ok := q.(driver.Purger); ok {
		n, err := p.Purge(ctx)
		fmt.Println("purged", n, err)
	}
	// Output:
	// can pause: true
	// pause <nil>
	// paused: true until then: true <nil>
	// resume <nil>
	// cancelled [ada] <nil>
	// sooner <nil>
	// 1 ready, 1 scheduled <nil>
	// purged 2 <nil>
}
