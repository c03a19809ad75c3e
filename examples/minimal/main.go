// Minimal is a worker in about thirty lines that operators can see: its configuration gives it
// metrics, health, traces, a place in the fleet, and a history.
//
//taskgen:queue name=greetings
package main

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/metrics" // the section metrics
	_ "github.com/taskgen/taskgen/config/redis"   // redis://…
	_ "github.com/taskgen/taskgen/config/traces"  // the section traces
	"github.com/taskgen/taskgen/runtime"
)

//go:generate go tool taskgen

// GreetTask greets somebody.
//
//taskgen:task queue=greetings timeout=1m
//taskgen:retry max=3 base=100ms
type GreetTask struct {
	Name string `json:"name"`
}

func greet(ctx context.Context, t GreetTask) error {
	if task, _ := runtime.TaskFromContext(ctx); task.Attempt == 1 {
		return errors.New("nobody opens the door")
	}
	slog.InfoContext(ctx, "hello", "name", t.Name)
	return nil
}

func run(ctx context.Context) error {
	c, err := config.Load("config.yaml")
	if err != nil {
		return err
	}
	handlers := func(r *runtime.Router) { RegisterGreet(r, GreetHandlerFunc(greet)) }
	program, err := c.Build(ctx, config.Code{Queues: Queues(), Handlers: handlers})
	if err != nil {
		return err
	}
	if _, err := EnqueueGreet(ctx, program.Manager, GreetTask{Name: "Ada"}); err != nil {
		return err
	}
	return program.Run(ctx)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}
