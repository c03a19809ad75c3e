// Producer takes the orders of a shop by HTTP, and enqueues what is to be done about them. See
// ../shop/README.md.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/metrics" // the section metrics
	_ "github.com/taskgen/taskgen/config/redis"   // redis://…
	_ "github.com/taskgen/taskgen/config/traces"  // the section traces

	"github.com/taskgen/taskgen/examples/shop/tasks"
)

// shutdownTime is how long requests may take that are being answered when the program
// begins to stop.
const shutdownTime = 10 * time.Second

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
	program, err := c.Build(ctx, config.Code{Queues: tasks.Queues()})
	if err != nil {
		return err
	}
	if program.Logger != nil {
		slog.SetDefault(program.Logger)
	}

	// The program, with its connections, metrics and health, ends behind the last request.
	ctx, failed := context.WithCancelCause(ctx)
	running, endProgram := context.WithCancel(context.WithoutCancel(ctx))
	defer endProgram()
	ended := make(chan error, 1)
	go func() {
		err := program.Run(running)
		failed(err)
		ended <- err
	}()
	err = serve(ctx, &orders{program.Manager})
	endProgram()
	return errors.Join(err, <-ended)
}

// serve takes orders until ctx ends, and answers those that have come by then.
func serve(ctx context.Context, o *orders) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", o.take)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(os.Getenv("ORDERS_LISTEN"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	slog.Info("orders are taken", "address", l.Addr().String())
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	return server.Shutdown(within)
}
