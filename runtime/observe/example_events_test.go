package observe_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"sync"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
)

// welcome runs one task of type welcome on a program with these listeners.
func welcome(listeners ...*observe.Listener) {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: listeners})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(context.Context, string) error { return nil })
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Name: "worker-1", Workers: 2})
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
}

// The provider's calls show how many round trips the tasks took.
func ExampleCall() {
	var mu sync.Mutex // pools call from many goroutines
	tasks := make(map[observe.Op]int)
	welcome(&observe.Listener{Called: func(c *observe.Call) {
		mu.Lock()
		defer mu.Unlock()
		tasks[c.Op] += c.Tasks
	}})
	fmt.Println(tasks[observe.OpEnqueue], "enqueued,", tasks[observe.OpDequeue], "dequeued,", tasks[observe.OpComplete], "completed")
	// Output: 1 enqueued, 1 dequeued, 1 completed
}

// An enqueue may be for several queues, and some of its tasks may be refused.
func ExampleEnqueue() {
	welcome(&observe.Listener{EnqueueEnd: func(_ context.Context, e *observe.Enqueue) {
		for i, t := range e.Tasks {
			fmt.Println(t.Type, "on", e.Queue(t.Queue).Provider, "error:", runtime.ErrorAt(e.Err, i))
		}
	}})
	// Output: welcome on memory error: <nil>
}

// A pool tells its listeners what it works on, and takes Orders from them.
func ExamplePool() {
	var orders observe.Orders
	welcome(&observe.Listener{PoolStarted: func(p *observe.Pool) {
		orders = p.Orders
		fmt.Println(p.Name, "has", p.Workers, "workers for", p.Queues[0].Name)
		for _, t := range p.Types {
			describe(t)
		}
	}})
	fmt.Println("it runs the task 42:", orders.Cancel("42"))
	// Output:
	// worker-1 has 2 workers for mail
	// welcome is retried 0 times
	// it runs the task 42: false
}

func describe(t observe.Type) { fmt.Println(t.Name, "is retried", t.MaxRetries, "times") }

// Join makes one listener of several, for a package that offers both metrics and logs, say.
func ExampleJoin() {
	logs := &observe.Listener{Dequeued: func(q *observe.Queue, ds []*observe.Delivery) {
		fmt.Println("leased", len(ds), "of", q.Name)
	}}
	names := &observe.Listener{Dequeued: func(_ *observe.Queue, ds []*observe.Delivery) {
		types := make([]string, len(ds))
		for i, d := range ds {
			types[i] = nameOf(d)
		}
		fmt.Println(slices.Compact(types))
	}}
	welcome(observe.Join(logs, names))
	// Output:
	// leased 1 of mail
	// [welcome]
}

func nameOf(d *observe.Delivery) string { return d.Task.Type }
