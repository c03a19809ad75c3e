package history_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

// The pools of a manager with the listener record what they run. Tools in other processes
// read it with a store that these share: Provider.History of SQLite or Redis in place of the
// one in memory.
func ExampleHistory_Listener() {
	ctx := context.Background()
	past := history.New(memory.NewHistory(), history.Config{})
	defer past.Close(ctx)
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{past.Listener()}})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail", Retry: runtime.RetryPolicy{Max: 1}}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(ctx context.Context, _ string) error {
		if info, _ := runtime.TaskFromContext(ctx); info.Attempt == 1 {
			return runtime.RetryAfter(0, errors.New("the mail server is busy"))
		}
		return nil
	})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: "mailer-1", Workers: 4})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to, runtime.WithID("t1")); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	runs, err := past.Task(ctx, "t1") // did it run?
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range runs {
		fmt.Printf("run %d on %s: %s %q\n", r.Attempt, r.Worker, r.Outcome, r.Error)
	}
	fmt.Println("dropped:", past.Dropped())
	// Output:
	// run 1 on mailer-1: retried "the mail server is busy"
	// run 2 on mailer-1: completed ""
	// dropped: 0
}
