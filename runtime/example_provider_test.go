package runtime_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// openProvider returns the backend that a URL names.
func openProvider(url string) (runtime.Provider, error) {
	switch scheme, _, _ := strings.Cut(url, "://"); scheme {
	case "memory":
		return memory.New(), nil
	default: // the cases of sqlite, redis, nats, rabbitmq and sqs look alike
		return nil, fmt.Errorf("no provider for %q", url)
	}
}

// Which backend a program has is decided in one place. What it enqueues and handles is the
// same on all.
func ExampleProvider() {
	provider, err := openProvider("memory://") // from the environment, as a rule
	if err != nil {
		log.Fatal(err)
	}
	defer provider.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(context.Background(), provider, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	fmt.Println(provider.Name(), m.Queues())
	// Output: memory [mail]
}
