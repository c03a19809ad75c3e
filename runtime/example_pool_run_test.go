package runtime_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A worker's program runs its pool until it is stopped, usually by a signal:
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
func ExamplePool_Run() {
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, to string) error {
		fmt.Println("welcome,", to)
		stop() // stands for the signal
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}

	// Handlers that run when ctx ends may finish within PoolConfig.Grace.
	fmt.Println(p.Run(ctx))
	// Output:
	// welcome, ada
	// <nil>
}
