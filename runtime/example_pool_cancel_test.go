package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// An operator cancels a task that runs. It is not retried, whatever its policy says.
func ExamplePool_Cancel() {
	spec := &runtime.Spec[string]{Type: "encode", Queue: "videos", Retry: runtime.RetryPolicy{Max: 5}}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "videos"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	begun, cause := make(chan struct{}), make(chan error, 1)
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(ctx context.Context, _ string) error {
		close(begun)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return ctx.Err()
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	video := "holiday"
	sent, err := runtime.Enqueue(ctx, m, spec, &video)
	if err != nil {
		log.Fatal(err)
	}
	<-begun
	fmt.Println("the pool has it:", p.Cancel(sent.ID))
	fmt.Println("cancelled:", errors.Is(<-cause, driver.ErrCancelled))
	if err := p.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	q, err := m.Queue("videos")
	if err != nil {
		log.Fatal(err)
	}
	stats, err := q.Stats(ctx)
	fmt.Println("ready:", stats.Ready, "dead:", stats.Dead, err)
	// Output:
	// the pool has it: true
	// cancelled: true
	// ready: 0 dead: 0 <nil>
}

// A quiet pool fetches nothing until it is resumed.
func ExamplePool_Quiet() {
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	sent := make(chan string)
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, to string) error {
		sent <- to
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	p.Quiet() // the mail server is down
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	p.Resume()
	fmt.Println(<-sent)
	if err := p.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: ada
}
