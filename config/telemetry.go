package config

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"github.com/taskgen/taskgen/runtime/observe"
)

// A Telemetry is what package config/metrics or config/traces makes of its section. A
// [Program] tells its listener what it does, runs it, and closes it at its end.
type Telemetry struct {
	// Listener receives the events of the manager and the pool.
	Listener *observe.Listener
	// Exemplar returns the labels that lead from a measurement to the trace in its context.
	// Nil: there are no traces.
	Exemplar func(ctx context.Context) map[string]string
	// TraceID returns the ID of the trace in a context, or "". Nil: there are no traces.
	TraceID func(ctx context.Context) string
	// LogHandler wraps the handler of the program's log, if the section log makes that. Nil:
	// it stays as it is.
	LogHandler func(next slog.Handler) slog.Handler
	// Run, of the section metrics, works from the start of the program until ctx ends, which
	// is after all else has stopped. An error before that stops the program. Nil: there is
	// nothing to run.
	Run func(ctx context.Context) error
	// Close frees what was taken when this was made. It is called once, also for a program that
	// was never run, and ctx gives it 3 s. Nil: there is nothing to free.
	Close func(ctx context.Context) error
	// Made is what the package hands to Go code, by its function Of.
	Made any
}

// RegisterMetrics makes known what the section metrics leads to. Package config/metrics calls
// it when it is imported. traces is what was made of the section traces, or nil. It panics if
// it was called before.
func RegisterMetrics(build func(ctx context.Context, c MetricsConfig, traces *Telemetry, deps Deps) (*Telemetry, error)) {
	builders.mu.Lock()
	defer builders.mu.Unlock()
	if builders.metrics != nil {
		panic("config: the section metrics is registered twice")
	}
	builders.metrics = build
}

// RegisterTraces makes known what the section traces leads to. Package config/traces calls it
// when it is imported. It panics if it was called before.
func RegisterTraces(build func(ctx context.Context, c TracesConfig, deps Deps) (*Telemetry, error)) {
	builders.mu.Lock()
	defer builders.mu.Unlock()
	if builders.traces != nil {
		panic("config: the section traces is registered twice")
	}
	builders.traces = build
}

var builders struct {
	mu      sync.RWMutex
	metrics func(ctx context.Context, c MetricsConfig, traces *Telemetry, deps Deps) (*Telemetry, error)
	traces  func(ctx context.Context, c TracesConfig, deps Deps) (*Telemetry, error)
	server  func(ctx context.Context, c ServerConfig, p *Program, types []TaskType, deps Deps) (*API, error)
}

// hasTraces reports whether the program makes spans.
func (c *Config) hasTraces() bool {
	if c.Traces.Enabled != nil {
		return *c.Traces.Enabled
	}
	_, there := c.positions["traces"]
	return there || c.Traces != TracesConfig{}
}

// checkTelemetry reports what is wrong with the sections metrics, traces, fleet and history.
func (c *Config) checkTelemetry(report func(path, format string, args ...any)) {
	builders.mu.RLock()
	defer builders.mu.RUnlock()
	if c.lacks("metrics", "listen") {
		report("metrics", "the section metrics has no address: set its key listen, to 127.0.0.1:9464, say")
	}
	if c.Metrics.Listen != "" && !isListenAddress(c.Metrics.Listen) {
		report("metrics.listen", "metrics.listen: write a host and a port, like 127.0.0.1:9464, or :9464 for all addresses")
	}
	if c.Metrics.Listen != "" && builders.metrics == nil {
		report("metrics", "what the section metrics needs is not linked into this program: add %s", importOf("metrics"))
	}
	for _, section := range []string{"fleet", "history"} {
		if c.lacks(section, "provider") {
			report(section, "the section %s names no provider: set its key provider to one of %s", section, c.providerNames())
		}
	}
	if !c.hasTraces() {
		return
	}
	if builders.traces == nil {
		report("traces", "what the section traces needs is not linked into this program: add %s", importOf("traces"))
	}
	if _, _, err := c.Traces.target(); err != nil {
		report("traces.endpoint", "traces.endpoint: %s", err)
	}
	if _, err := c.Traces.headers(); err != nil {
		report("traces.headers", "traces.headers: %s", err)
	}
}

// lacks reports whether a section was written without the key that makes something of it. A
// key whose value is empty, of a variable say, makes nothing on purpose.
func (c *Config) lacks(section, key string) bool {
	_, there := c.positions[section]
	_, set := c.positions[section+"."+key]
	return there && !set
}

// isListenAddress reports whether a text is a host, which may be empty, and a port.
func isListenAddress(text string) bool {
	_, ok := listenHost(text)
	return ok
}

// listenHost is the host of an address to listen on, which may be empty, and whether it is one.
func listenHost(text string) (host string, ok bool) {
	i := strings.LastIndex(text, ":")
	if i < 0 {
		return "", false
	}
	host = text[:i]
	if bare, ok := strings.CutPrefix(host, "["); ok { // of IPv6
		if host, ok = strings.CutSuffix(bare, "]"); !ok {
			return "", false
		}
	} else if strings.Contains(host, ":") {
		return "", false
	}
	_, err := strconv.ParseUint(text[i+1:], 10, 16)
	return host, err == nil && !strings.ContainsAny(host, "[]/@ ")
}

// telemetry makes what the sections traces and metrics name, and returns what listens to the
// manager: spans first, so that measurements can name them.
func (b *builder) telemetry(ctx context.Context) ([]*observe.Listener, error) {
	var all []*observe.Listener
	deps := Deps{Logger: b.log}
	if b.c.hasTraces() {
		t, err := builders.traces(ctx, b.c.Traces, deps)
		if err != nil {
			return nil, b.failed("traces", err)
		}
		b.p.Traces = t
		if t.LogHandler != nil && b.madeLog {
			b.log = slog.New(t.LogHandler(b.log.Handler()))
			b.p.Logger, deps.Logger = b.log, b.log
		}
		all = append(all, t.Listener)
	}
	if b.c.Metrics.Listen != "" {
		t, err := builders.metrics(ctx, b.c.Metrics, b.p.Traces, deps)
		if err != nil {
			return nil, b.failed("metrics.listen", err)
		}
		b.p.Metrics = t
		all = append(all, t.Listener)
	}
	return all, nil
}

// close ends a telemetry, within its time.
func (t *Telemetry) close(name string) error {
	if t == nil || t.Close == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		return fmt.Errorf("close %s: %w", name, err)
	}
	return nil
}
