// Package metrics registers what the section metrics of a file leads to, with package config:
// an HTTP server with /metrics for Prometheus, and /livez and /readyz.
//
//	import _ "github.com/taskgen/taskgen/config/metrics"
package metrics

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/metrics"
)

// How long the server waits for a request to be read, and for those that it still answers
// when it shuts down.
const (
	headerTime   = 10 * time.Second
	shutdownTime = 2 * time.Second
)

func init() { config.RegisterMetrics(build) }

// A Server is the HTTP server of a program. It is safe for concurrent use.
type Server struct {
	// Mux is what the server serves. Handlers that are added before the program runs are
	// served beside /metrics, /livez and /readyz.
	Mux *http.ServeMux
	// Metrics are the metrics that it serves. They can also be registered elsewhere.
	Metrics *metrics.Metrics
	// Addr is the address that it listens on.
	Addr net.Addr

	listener net.Listener
	log      *slog.Logger
}

// Of returns the server of a program, or nil if the program has none.
func Of(p *config.Program) *Server {
	if p.Metrics == nil {
		return nil
	}
	s, _ := p.Metrics.Made.(*Server)
	return s
}

func build(ctx context.Context, c config.MetricsConfig, traces *config.Telemetry, deps config.Deps) (*config.Telemetry, error) {
	cfg := metrics.Config{Logger: deps.Logger}
	if traces != nil {
		cfg.Exemplar = traces.Exemplar
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, err
	}
	s := &Server{Mux: http.NewServeMux(), Metrics: metrics.New(cfg), Addr: l.Addr(), listener: l, log: cmp.Or(deps.Logger, slog.Default())}
	s.Mux.Handle("/metrics", s.Metrics.Handler())
	s.Mux.Handle("/livez", s.Metrics.HealthHandler())
	s.Mux.Handle("/readyz", s.Metrics.HealthHandler())
	return &config.Telemetry{Listener: s.Metrics.Listener(), Run: s.run, Close: s.close, Made: s}, nil
}

// run serves until ctx ends, and then finishes the requests that have begun.
func (s *Server) run(ctx context.Context) error {
	server := &http.Server{Handler: s.Mux, ReadHeaderTimeout: headerTime}
	s.log.InfoContext(ctx, "metrics and health are served", "address", s.Addr.String())
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if server.Shutdown(within) != nil {
		_ = server.Close() // a client that reads slowly does not delay the stop
	}
	<-served
	return nil
}

// close frees the address of a server that was never run.
func (s *Server) close(context.Context) error {
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
