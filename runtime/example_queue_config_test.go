package runtime_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// On a queue of type fifo the tasks of one group run one after the other, in the order
// they came. On one of type priority the most urgent run first.
func ExampleQueueConfig() {
	type move struct {
		Account string `json:"account"`
		Cents   int    `json:"cents"`
	}
	moves := &runtime.Spec[move]{
		Type: "move", Queue: "ledger",
		GroupKey: func(p *move) string { return p.Account },
	}
	mail := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	err := m.Open(ctx, memory.New(),
		runtime.QueueConfig{Name: "ledger", Type: runtime.FIFO},
		runtime.QueueConfig{Name: "mail", Type: runtime.Priority, Levels: 3},
	)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	if _, err := runtime.EnqueueBatch(ctx, m, moves, []move{{"acme", 100}, {"acme", -30}, {"acme", 5}}); err != nil {
		log.Fatal(err)
	}
	for level, to := range []string{"ada", "grace", "katherine"} {
		if _, err := runtime.Enqueue(ctx, m, mail, &to, runtime.WithPriority(level)); err != nil {
			log.Fatal(err)
		}
	}
	r := runtime.NewRouter()
	runtime.Register(r, moves, func(_ context.Context, p move) error { fmt.Println(p.Account, p.Cents); return nil })
	runtime.Register(r, mail, func(_ context.Context, to string) error { fmt.Println("welcome,", to); return nil })
	for _, queue := range m.Queues() {
		p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1, Queues: []runtime.PoolQueue{{Name: queue}}})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := p.Drain(ctx); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// acme 100
	// acme -30
	// acme 5
	// welcome, katherine
	// welcome, grace
	// welcome, ada
}
