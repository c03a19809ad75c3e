package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
)

// A Server serves what a Config names. It is safe for concurrent use.
type Server struct {
	cfg     Config
	types   *types
	leases  *leases
	bulk    *bulkJobs
	totals  *totals
	records auditStore
	// refusals bound the records of calls that were refused.
	refusals *refusals
	handler  http.Handler
	// live is done once the server stops: it ends streams and calls that wait.
	live context.Context
	stop context.CancelFunc
}

// services are the names of the services, for health and reflection.
var services = []string{
	taskgenv1connect.QueueServiceName,
	taskgenv1connect.QueueMonitoringServiceName,
	taskgenv1connect.SchedulerServiceName,
	taskgenv1connect.QueueAdminServiceName,
}

// compressMinBytes is the least size of an answer that is compressed, for callers that accept
// it.
const compressMinBytes = 1 << 10

// neverCompressed is for the answers of QueueService. Compressing a batch of tasks takes more
// of the processor than all else that is done for it, and workers are usually near.
var neverCompressed = []connect.HandlerOption{connect.WithCompressMinBytes(math.MaxInt)}

// New returns a server. It does not listen yet. Close it at the end, before the manager.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg}
	s.types = newTypes(s)
	s.live, s.stop = context.WithCancel(context.Background())
	s.leases = newLeases(s)
	s.bulk = newBulkJobs(s)
	s.totals = newTotals(s)
	s.refusals = newRefusals()
	if s.records = new(memoryAudit); cfg.AuditLog != nil {
		s.records = cfg.AuditLog
	}
	limit := cfg.MaxRequest
	if limit == 0 {
		limit = defaultMaxRequest
	}
	i, err := newInterceptor(s)
	if err != nil {
		return nil, err
	}
	opts := []connect.HandlerOption{
		connect.WithReadMaxBytes(limit),
		connect.WithRequestGate(i.admit),
		connect.WithInterceptors(i),
		connect.WithRecover(s.recovered),
		connect.WithCompressMinBytes(compressMinBytes),
	}
	mux := http.NewServeMux()
	mux.Handle(taskgenv1connect.NewQueueServiceHandler(&queueService{s: s}, slices.Concat(opts, neverCompressed)...))
	mux.Handle(taskgenv1connect.NewQueueMonitoringServiceHandler(&monitoringService{s: s}, opts...))
	mux.Handle(taskgenv1connect.NewSchedulerServiceHandler(&schedulerService{s: s}, opts...))
	mux.Handle(taskgenv1connect.NewQueueAdminServiceHandler(&adminService{s: s}, opts...))
	mux.Handle(grpchealth.NewHandler(grpchealth.NewStaticChecker(services...), opts...))
	reflector := grpcreflect.NewStaticReflector(services...)
	path, v1 := grpcreflect.NewHandlerV1(reflector, opts...)
	mux.Handle(path, s.untilStop(v1))
	path, v1alpha := grpcreflect.NewHandlerV1Alpha(reflector, opts...)
	mux.Handle(path, s.untilStop(v1alpha))
	s.handler = http.NewCrossOriginProtection().Handler(s.authenticated(mux))
	return s, nil
}

// untilStop ends the wait for a client's next message when the server stops. The handler returns
// only when nothing uses its writer any more.
func (s *Server) untilStop(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended := make(chan struct{})
		stop := context.AfterFunc(s.live, func() {
			defer close(ended)
			// Where it is not supported, the stream is cut off after the grace.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		})
		defer func() {
			if !stop() {
				<-ended
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Handler serves the services below "/taskgen.v1.", with authentication. It is for programs
// that have a server of their own, which must speak HTTP/2 for gRPC: see http.Protocols. A
// Config without tokens lets everybody in whom that server lets in.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve listens on an address like 127.0.0.1:7460 and serves until ctx ends or the server is
// closed. Then calls that are under way may end, for 10 s; streams end at once. A server
// without tokens refuses an address beyond loopback, and requests to a host of another name.
func (s *Server) Serve(ctx context.Context, address string) error {
	ln, err := s.Listen(ctx, address)
	if err != nil {
		return err
	}
	return s.ServeOn(ctx, ln)
}

// Listen takes an address for ServeOn, as Serve does: before the program begins to work, say.
func (s *Server) Listen(ctx context.Context, address string) (net.Listener, error) {
	if err := s.checkAddress(address); err != nil {
		return nil, err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if len(s.cfg.Tokens) == 0 {
		return localListener{ln}, nil
	}
	return ln, nil
}

// A localListener is one of Listen whose requests must name this machine.
type localListener struct{ net.Listener }

// grace is how long calls may go on when the server stops.
const grace = 10 * time.Second

// ServeOn is Serve on a listener, which it closes. Unless Listen has made it, it looks neither at
// its address nor at the host of a request.
func (s *Server) ServeOn(ctx context.Context, ln net.Listener) error {
	if local, ok := ln.(localListener); ok {
		return s.serve(ctx, local.Listener, localOnly(s.handler))
	}
	return s.serve(ctx, ln, s.handler)
}

func (s *Server) serve(ctx context.Context, ln net.Listener, handler http.Handler) error {
	defer ln.Close() // if serving does not begin
	h := &http.Server{Handler: handler, TLSConfig: s.cfg.TLS, ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	if s.cfg.Logger != nil {
		h.ErrorLog = slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn)
	}
	h.Protocols.SetHTTP1(true)
	h.Protocols.SetHTTP2(true)
	h.Protocols.SetUnencryptedHTTP2(s.cfg.TLS == nil)
	failed := make(chan error, 1)
	go func() {
		if s.cfg.TLS != nil {
			failed <- h.ServeTLS(ln, "", "")
		} else {
			failed <- h.Serve(ln)
		}
	}()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	case <-s.live.Done():
	}
	s.stop()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err == nil {
		if err = h.Shutdown(bounded); errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("server: calls that were under way after %s have been cut off", grace)
		}
	}
	_ = h.Close() // ends what goes on after that, or after a failure
	return errors.Join(err, s.Close())
}

// Close ends the streams, the calls that wait and the bulk jobs, and gives back the tasks that the
// server has handed out and that have no outcome yet. A second call does nothing.
func (s *Server) Close() error {
	s.stop()
	s.bulk.close()
	return s.leases.close()
}
