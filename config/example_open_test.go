package config_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/memory" // registers the URLs that begin with memory:
	"github.com/taskgen/taskgen/runtime"
)

// The environment says where tasks are kept: here in the process, elsewhere on a broker
// whose package is imported, too.
func ExampleOpenProvider() {
	ctx := context.Background()
	url := os.Getenv("TASKS_URL")
	if url == "" {
		url = "memory:"
	}
	p, err := config.OpenProvider(ctx, url, config.WithLogger(slog.Default().With("component", "tasks")))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	m := runtime.NewManager(runtime.ManagerConfig{})
	defer m.Close()
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Name(), m.Queues())
	// Output:
	// memory [mail]
}
