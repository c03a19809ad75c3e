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

// When the grace of a stop is over, handlers see their context end. A task whose handler
// then returns an error goes back to its queue, uncharged.
func ExamplePool_Stop() {
	spec := &runtime.Spec[string]{Type: "encode", Queue: "videos"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "videos"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	begun := make(chan struct{})
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(ctx context.Context, _ string) error {
		close(begun)
		<-ctx.Done() // a handler that works looks at ctx now and then
		cause := context.Cause(ctx)
		fmt.Println("the pool stops:", errors.Is(cause, runtime.ErrStopping))
		return cause
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Grace: time.Millisecond})
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

	fmt.Println(p.Stop(ctx))
	status, err := m.Lookup(ctx, sent.ID)
	fmt.Println(status.State, "after", status.Attempts, "charged attempts", err)
	// Output:
	// the pool stops: true
	// <nil>
	// ready after 0 charged attempts <nil>
}
