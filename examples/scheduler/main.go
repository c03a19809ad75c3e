// Scheduler enqueues the work of a shop that is due by the clock. Run it in two processes or
// more: they share the jobs. See ../shop/README.md.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the image has no time zones

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/metrics" // the section metrics
	_ "github.com/taskgen/taskgen/config/redis"   // redis://…
	_ "github.com/taskgen/taskgen/config/traces"  // the section traces

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
	program, err := c.Build(ctx, config.Code{
		Queues:    tasks.Queues(),
		Schedules: []config.Schedules{tasks.RegisterSchedules},
	})
	if err != nil {
		return err
	}
	if program.Logger != nil {
		slog.SetDefault(program.Logger)
	}
	return program.Run(ctx)
}
