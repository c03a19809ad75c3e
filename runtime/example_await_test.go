package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// Whoever enqueued a task may wait for what its handler returns. Generated code has a
// function AwaitQuote that calls Await.
func ExampleAwait() {
	type quote struct {
		Cents int `json:"cents"`
	}
	spec := &runtime.Spec[string]{Type: "quote", Queue: "prices"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "prices"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	runtime.RegisterWithResult(r, spec, func(_ context.Context, item string) (quote, error) {
		if item == "unicorn" {
			return quote{}, runtime.Skip(errors.New("not for sale"))
		}
		return quote{Cents: 4200}, nil
	})
	results := memory.NewResults()
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Results: results})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer p.Stop(ctx)

	for _, item := range []string{"lamp", "unicorn"} {
		sent, err := runtime.Enqueue(ctx, m, spec, &item)
		if err != nil {
			log.Fatal(err)
		}
		q, err := runtime.Await[string, quote](ctx, results, spec, sent.ID)
		fmt.Println(item, q.Cents, errors.Is(err, runtime.ErrTaskFailed))
	}
	// Output:
	// lamp 4200 false
	// unicorn 0 true
}
