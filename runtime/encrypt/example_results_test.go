package encrypt_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/memory"
)

// Results of handlers are encrypted in the result store, and decrypted for the code that
// awaits them through the ring.
func ExampleKeyRing_Results() {
	key := []byte(strings.Repeat("k", encrypt.KeySize)) // read from a secret store
	ring, err := encrypt.NewKeyRing("2030-01", map[string][]byte{"2030-01": key})
	if err != nil {
		log.Fatal(err)
	}
	store := memory.NewResults()
	results := ring.Results(store)
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{
		Middleware: []runtime.EnqueueMiddleware{ring.Enqueue},
		Results:    results, // Manager.Lookup shows results in clear
	})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "prices"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "quote", Queue: "prices"}
	r := runtime.NewRouter()
	r.Use(ring.Handle)
	runtime.RegisterWithResult(r, spec, func(_ context.Context, item string) (int, error) { return 4200, nil })
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
	cents, err := runtime.Await[string, int](ctx, results, spec, sent.ID)
	fmt.Println(cents, err)
	_, err = runtime.Await[string, int](ctx, store, spec, sent.ID)
	fmt.Println("readable without the ring:", err == nil)
	// Output:
	// 4200 <nil>
	// readable without the ring: false
}
