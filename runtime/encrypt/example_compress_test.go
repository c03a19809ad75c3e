package encrypt_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/compress"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/memory"
)

// With package compress, compress first: the manager lists the compressor before the
// ring, and the router the ring before the compressor.
func ExampleKeyRing_Enqueue() {
	key := []byte(strings.Repeat("k", encrypt.KeySize)) // read from a secret store
	ring, err := encrypt.NewKeyRing("2030-01", map[string][]byte{"2030-01": key})
	if err != nil {
		log.Fatal(err)
	}
	c, err := compress.New(compress.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{c.Enqueue, ring.Enqueue}})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "letter", Queue: "mail"}
	r := runtime.NewRouter()
	r.Use(ring.Handle, c.Handle)
	runtime.Register(r, spec, func(ctx context.Context, text string) error {
		fmt.Println("a letter of", len(text), "bytes")
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	text := strings.Repeat("hello ", 2000)
	sent, err := runtime.Enqueue(ctx, m, spec, &text)
	if err != nil {
		log.Fatal(err)
	}
	q, err := m.Queue(sent.Queue)
	if err != nil {
		log.Fatal(err)
	}
	for t, err := range driver.BrowseAll(ctx, q, driver.Ready) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Encoding)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// zstd,aes-gcm
	// a letter of 12000 bytes
}
