package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path"

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
	root, err := os.OpenRoot("/var/lib/shop/payloads")
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	var store sqs.Store = folder{root}
	p, err := sqs.Open(context.Background(), "sqs://eu-central-1", sqs.WithStore(store))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
