package observe_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A listener sees each run of a task, and what its queue then did with the task. The next
// run may begin before the listener hears the latter.
func ExampleListener() {
	var settled []string // written by the one goroutine that settles the queue's tasks
	listener := &observe.Listener{
		RunEnd: func(_ context.Context, r *observe.Run) {
			fmt.Printf("run %d of %s: %s, error: %v\n", r.Attempt, r.Type, r.Outcome, r.Err)
		},
		Settled: func(s *observe.Settlement) {
			for _, it := range s.Items {
				settled = append(settled, fmt.Sprintf("%s on %s is %s", it.Task.Type, s.Queue.Name, it.Outcome))
			}
		},
	}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{listener}})
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
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Join(settled, "\n"))
	// Output:
	// run 1 of welcome: retried, error: the mail server is busy
	// run 2 of welcome: completed, error: <nil>
	// welcome on mail is retried
	// welcome on mail is completed
}
