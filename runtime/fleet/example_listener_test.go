package fleet_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

// The pools of a manager with the listener are workers of the fleet. Operators of other
// processes see them with a store that these share: Provider.Fleet of SQLite, Redis or
// NATS in place of the one in memory.
func ExampleFleet_Listener() {
	ctx := context.Background()
	workers := fleet.New(memory.NewFleet(), fleet.Config{})
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{workers.Listener()}})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	runtime.Register(r, &runtime.Spec[string]{Type: "welcome", Queue: "mail"}, func(context.Context, string) error { return nil })
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: "mailer-1", Workers: 4})
	if err != nil {
		log.Fatal(err)
	}
	if err := pool.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer pool.Stop(ctx)

	var all []*fleet.Worker
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for len(all) == 0 { // it registers behind Start
		<-look.C
		if all, err = workers.List(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for _, w := range all {
		fmt.Printf("%s runs %d of at most %d tasks of %v\n", w.Name, w.Busy, w.Slots, w.Types)
	}
	// Output: mailer-1 runs 0 of at most 4 tasks of [welcome]
}
