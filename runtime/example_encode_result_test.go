package runtime_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A middleware encodes results on their way to the store, and those who await them undo it.
// Package encrypt does so; this one shows how with base64.
func ExampleEncodeResult() {
	const encoding = "base64"
	encode := func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
			runtime.EncodeResult(ctx, func(result *runtime.Task) *runtime.Task {
				return result.Encoded(encoding, []byte(base64.StdEncoding.EncodeToString(result.Payload)))
			})
			return next.Handle(ctx, t)
		})
	}
	decode := func(result *runtime.Task) (*runtime.Task, error) {
		if result.LastEncoding() != encoding {
			return result, nil
		}
		plain, err := base64.StdEncoding.DecodeString(string(result.Payload))
		if err != nil {
			return nil, err
		}
		return result.Decoded(plain), nil
	}

	spec := &runtime.Spec[string]{Type: "quote", Queue: "prices"}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "prices"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	r.Use(encode)
	runtime.RegisterWithResult(r, spec, func(context.Context, string) (int, error) { return 4200, nil })
	store := memory.NewResults()
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Results: store})
	if err != nil {
		log.Fatal(err)
	}
	item := "lamp"
	sent, err := runtime.Enqueue(ctx, m, spec, &item)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	cents, err := runtime.Await[string, int](ctx, driver.DecodeResults(store, decode), spec, sent.ID)
	fmt.Println(cents, err)
	// Output: 4200 <nil>
}
