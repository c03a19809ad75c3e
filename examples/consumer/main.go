// Consumer does the background work of a shop: it sends what ../producer and ../scheduler
// enqueue. See ../shop/README.md.
package main

import (
	"context"
	"flag"
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

	"github.com/taskgen/taskgen/examples/shop/tasks"
)

func main() {
	file := flag.String("config", "config.yaml", "the configuration")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, func() {
		slog.Info("stopping")
		stop() // so that a second signal ends the process at once
	})
	if err := run(ctx, *file); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, file string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	h := &handlers{mail: mailer{url: os.Getenv("MAIL_URL")}}
	program, err := c.Build(ctx, config.Code{
		Queues:   tasks.Queues(),
		Handlers: func(r *runtime.Router) { tasks.RegisterHandlers(r, h) },
	})
	if err != nil {
		return err
	}
	if program.Logger != nil {
		slog.SetDefault(program.Logger) // for the handlers: their records have the IDs of the trace
	}
	return program.Run(ctx)
}
