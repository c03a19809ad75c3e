package main

import (
	"context"
	"fmt"
	"log"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"

	"github.com/taskgen/taskgen/examples/quickstart/tasks"
)

// handlers does the work. Take a method away and the program does not compile.
type handlers struct{}

func (handlers) HandleWelcome(ctx context.Context, task tasks.WelcomeTask) error {
	fmt.Printf("a welcome mail to %s\n", task.Email)
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	provider := memory.New()
	defer provider.Close()
	manager := runtime.NewManager(runtime.ManagerConfig{})
	if err := manager.Open(ctx, provider, tasks.Queues()...); err != nil {
		return err
	}

	router := runtime.NewRouter()
	tasks.RegisterHandlers(router, handlers{})
	pool, err := runtime.NewPool(manager, router, runtime.PoolConfig{})
	if err != nil {
		return err
	}

	task := tasks.WelcomeTask{UserID: 7, Email: "gopher@example.com"}
	if _, err := tasks.EnqueueWelcome(ctx, manager, task); err != nil {
		return err
	}
	// Drain runs what is due and returns. A server calls pool.Run(ctx), which
	// goes on until ctx ends.
	_, err = pool.Drain(ctx)
	return err
}
