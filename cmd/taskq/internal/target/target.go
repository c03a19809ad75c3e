// Package target connects taskq to the API that its commands call: that of a running server, or
// one that it serves to itself in its own process.
package target

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
)

// Options say what to connect to. Exactly one of URL, Provider and Config is set.
type Options struct {
	// URL of a running server.
	URL string
	// Token that it wants; empty for none.
	Token string
	// CAFile has the certificates that the server's may be signed by; empty for those of the
	// system. CertFile and KeyFile are the caller's own, for servers that want one.
	CAFile, CertFile, KeyFile string

	// Provider is the URL of a provider, and Config the path of a configuration file, for an API
	// in this process.
	Provider, Config string
	// Queues that it opens, as NAME, NAME:TYPE or NAME:priority:LEVELS. None: those of the
	// section queues of Config.
	Queues []string
	// Benchmark says that an API in this process knows tasks of BenchType.
	Benchmark bool
	// Logger receives what the providers warn of.
	Logger *slog.Logger
	// Timeout bounds each call that is no stream; 0 is no bound.
	Timeout time.Duration
}

// A Client calls the API.
type Client struct {
	Queues     taskgenv1connect.QueueServiceClient
	Monitoring taskgenv1connect.QueueMonitoringServiceClient
	Scheduler  taskgenv1connect.SchedulerServiceClient
	Admin      taskgenv1connect.QueueAdminServiceClient
	// Local says that the API is in this process.
	Local bool
	// Name of what it is connected to, for people; it has no password.
	Name string

	close func() error
}

// Close ends the connection. Calls must have returned.
func (c *Client) Close() error { return c.close() }

// Open connects. It makes no call to a running server yet, but opens providers.
func Open(ctx context.Context, o Options) (*Client, error) {
	n := 0
	for _, one := range []string{o.URL, o.Provider, o.Config} {
		if one != "" {
			n++
		}
	}
	if n != 1 {
		return nil, exit.Usagef("name what to connect to, once: a server (-s), a provider (--provider) or a file (--config)")
	}
	if o.URL != "" {
		return remote(o)
	}
	return local(ctx, o)
}

func clientOf(h connect.HTTPClient, base string, o Options) *Client {
	bounded := connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			if o.Timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, o.Timeout)
				defer cancel()
			}
			return next(ctx, req)
		}
	}))
	return &Client{
		Queues:     taskgenv1connect.NewQueueServiceClient(h, base, bounded),
		Monitoring: taskgenv1connect.NewQueueMonitoringServiceClient(h, base, bounded),
		Scheduler:  taskgenv1connect.NewSchedulerServiceClient(h, base, bounded),
		Admin:      taskgenv1connect.NewQueueAdminServiceClient(h, base, bounded),
	}
}

// noRedirects has a client answer with a redirection: the token is for the server alone.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
