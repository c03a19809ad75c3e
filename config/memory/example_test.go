package memory_test

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/config"
	memoryconfig "github.com/taskgen/taskgen/config/memory"
)

// There is nothing to set.
func ExampleOptions() {
	p, err := config.OpenProvider(context.Background(), "memory:", config.WithOptions(memoryconfig.Options{}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(p.Name())
	// Output:
	// memory
}
