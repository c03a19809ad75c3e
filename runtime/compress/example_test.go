package compress_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/compress"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// Payloads from a threshold up are compressed on the queue. Handlers get the originals.
func ExampleNew() {
	c, err := compress.New(compress.Config{Threshold: 4 << 10})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{c.Enqueue}})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "letter", Queue: "mail"}
	r := runtime.NewRouter()
	r.Use(c.Handle)
	runtime.Register(r, spec, func(_ context.Context, text string) error {
		fmt.Println("a letter of", len(text), "bytes")
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"hello", strings.Repeat("hello ", 2000)} {
		if _, err := runtime.Enqueue(ctx, m, spec, &text); err != nil {
			log.Fatal(err)
		}
	}
	q, err := m.Queue("mail")
	if err != nil {
		log.Fatal(err)
	}
	for t, err := range driver.BrowseAll(ctx, q, driver.Ready) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("encoding %q, below 1 KiB: %t\n", t.Encoding, len(t.Payload) < 1<<10)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// encoding "", below 1 KiB: true
	// encoding "zstd", below 1 KiB: true
	// a letter of 5 bytes
	// a letter of 12000 bytes
}
