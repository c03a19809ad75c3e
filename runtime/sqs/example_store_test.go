package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// A folder keeps payloads in files. A program has a bucket of S3 in its place, whose
// objects expire after 14 days.
type folder struct{ *os.Root }

func (f folder) Put(_ context.Context, key string, data []byte) error {
	if err := f.MkdirAll(path.Dir(key), 0o700); err != nil {
		return err
	}
	return f.WriteFile(key, data, 0o600)
}

func (f folder) Get(_ context.Context, key string) ([]byte, error) {
	data, err := f.ReadFile(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", sqs.ErrNotStored, key)
	}
	return data, err
}

func (f folder) Delete(_ context.Context, key string) error {
	if err := f.Remove(key); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Payloads that are too large for a message are kept in a store.
func ExampleWithStore() {
	dir, err := os.MkdirTemp("", "payloads")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	s := newServer()
	defer s.Stop()
	var store sqs.Store = folder{root}
	p, err := sqs.New(s.Client(), sqs.WithCloseWait(0), sqs.WithStore(store))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	ctx := context.Background()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "reports"})
	if err != nil {
		log.Fatal(err)
	}
	large := `"` + strings.Repeat("x", 2<<20) + `"`
	if _, err := q.Enqueue(ctx, []*runtime.Task{{ID: "1", Type: "report", Queue: "reports", Payload: []byte(large)}}); err != nil {
		log.Fatal(err)
	}
	files := func() int {
		all, err := fs.Glob(root.FS(), "*/*")
		if err != nil {
			log.Fatal(err)
		}
		return len(all)
	}
	fmt.Println("in the store:", files())
	ds, err := q.Dequeue(ctx, 1, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("bytes:", len(ds[0].Task.Payload))
	if err := q.Complete(ctx, ds); err != nil {
		log.Fatal(err)
	}
	fmt.Println("in the store:", files())
	// Output:
	// in the store: 1
	// bytes: 2097154
	// in the store: 0
}
