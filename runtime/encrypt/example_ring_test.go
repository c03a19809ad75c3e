package encrypt_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/memory"
)

// The ring of a program encrypts the payloads that its manager enqueues and decrypts them
// for the handlers of its router. They cannot be read on the queue.
func ExampleKeyRing() {
	// A program reads the key from its environment: openssl rand -base64 32 makes one.
	key, err := encrypt.ParseKey(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", encrypt.KeySize))))
	if err != nil {
		log.Fatal(err)
	}
	ring, err := encrypt.NewKeyRing("2030-01", map[string][]byte{"2030-01": key}, encrypt.RequireAll())
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{ring.Enqueue}})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	r := runtime.NewRouter()
	r.Use(ring.Handle)
	runtime.Register(r, spec, func(_ context.Context, to string) error {
		fmt.Println("welcome,", to)
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}

	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	q, err := m.Queue("mail")
	if err != nil {
		log.Fatal(err)
	}
	for t, err := range driver.BrowseAll(ctx, q, driver.Ready) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Encoding, "readable:", strings.Contains(string(t.Payload), "ada"))
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}

	// The ring refuses a task that it did not encrypt.
	_, err = ring.Decrypt(&runtime.Task{ID: "7", Type: "welcome", Queue: "mail", Payload: []byte(`"eve"`)})
	fmt.Println("in clear:", errors.Is(err, encrypt.ErrNotEncrypted))
	// Output:
	// aes-gcm readable: false
	// welcome, ada
	// in clear: true
}
