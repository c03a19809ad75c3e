package target

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/all" // every provider
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
	"github.com/taskgen/taskgen/server"
)

// BenchType is the type of the tasks of a benchmark.
const BenchType = "taskq.bench"

var benchSpec = runtime.Spec[benchTask]{Type: BenchType}

type benchTask struct {
	Text string `json:"text"`
}

// providerName is what the provider of Options.Provider is called.
const providerName = "main"

// local serves the API in this process.
func local(ctx context.Context, o Options) (*Client, error) {
	c, code, name, err := configOf(o)
	if err != nil {
		return nil, err
	}
	code.Logger = o.Logger
	// What the program of the file serves and reports is not this command's.
	c.Server, c.Metrics, c.Traces, c.Log = config.ServerConfig{}, config.MetricsConfig{}, config.TracesConfig{Enabled: new(bool)}, config.LogConfig{}
	p, err := c.Build(ctx, code)
	if err != nil {
		return nil, Opening(err)
	}
	s, closeStores, err := serverOf(p, c, o)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	transport := &inProcess{handler: s.Handler()}
	client := clientOf(&http.Client{Transport: transport, CheckRedirect: noRedirects}, "http://localhost", o)
	client.Local, client.Name = true, name
	client.close = func() error {
		err := s.Close()
		transport.wait()
		return errors.Join(err, closeStores(), p.Close())
	}
	return client, nil
}

// Opening gives what goes wrong when providers are opened its exit code.
func Opening(err error) error {
	if errors.Is(err, driver.ErrUnavailable) {
		return &exit.Error{Code: exit.Unavailable, Err: err, Hint: "check that the broker runs, and that its URL is right"}
	}
	return err
}

// configOf is the configuration that Options name, with its queues, and what it is called.
func configOf(o Options) (*config.Config, config.Code, string, error) {
	if o.Config != "" {
		c, code, err := Load(o.Config, o.Queues)
		return c, code, o.Config, err
	}
	u := config.NewURL(o.Provider)
	c := &config.Config{Providers: map[string]config.ProviderConfig{providerName: {URL: u}}}
	queues, err := queuesOf(c, o.Queues)
	return c, config.Code{Queues: queues}, u.String(), err
}

// Load reads a configuration file, and the queues of a program that has no code of its own:
// those that are named, and those of the file.
func Load(path string, named []string) (*config.Config, config.Code, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, config.Code{}, &exit.Error{Code: exit.Usage, Err: err}
	}
	queues, err := queuesOf(c, named)
	return c, config.Code{Queues: queues}, err
}

// queuesOf are the queues that are opened: those that are named, else those of the file.
func queuesOf(c *config.Config, named []string) ([]runtime.QueueConfig, error) {
	var all []runtime.QueueConfig
	seen := make(map[string]bool)
	for _, text := range named {
		q, err := ParseQueue(text)
		if err != nil {
			return nil, err
		}
		if seen[q.Name] {
			return nil, exit.Usagef("--queue names %s twice", q.Name)
		}
		seen[q.Name] = true
		all = append(all, q)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
		if !seen[name] {
			all = append(all, runtime.QueueConfig{Name: name})
		}
	}
	return all, nil
}

// ParseQueue reads a queue as --queue has it: NAME, NAME:TYPE or NAME:priority:LEVELS.
func ParseQueue(text string) (runtime.QueueConfig, error) {
	name, rest, _ := strings.Cut(text, ":")
	kind, levels, leveled := strings.Cut(rest, ":")
	q := runtime.QueueConfig{Name: name, Type: driver.QueueType(cmp.Or(kind, string(driver.Standard)))}
	if name == "" || !slices.Contains([]driver.QueueType{driver.Standard, driver.FIFO, driver.Priority}, q.Type) {
		return q, exit.Usagef("--queue is NAME, NAME:fifo or NAME:priority, not %q", text)
	}
	if leveled {
		n, err := strconv.Atoi(levels)
		if err != nil || n < 2 || q.Type != driver.Priority {
			return q, exit.Usagef("--queue %q: the number of levels, at least 2, goes behind NAME:priority:", text)
		}
		q.Levels = n
	}
	return q, nil
}

// closeTime bounds what is written when the stores are closed.
const closeTime = 3 * time.Second

// serverOf is the API of a program. Where the program has a single provider, what that keeps is
// shown, whether or not the file names it.
func serverOf(p *config.Program, c *config.Config, o Options) (*server.Server, func() error, error) {
	cfg := server.Config{Manager: p.Manager, Providers: p.Providers, Fleet: p.Fleet, History: p.History, Results: p.Results, Logger: o.Logger}
	if o.Benchmark {
		cfg.Types = []server.Type{&benchSpec}
	}
	if p.Scheduler != nil {
		cfg.Scheduler = p.Scheduler
	}
	closeStores := func() error { return nil }
	if len(c.Providers) == 1 && len(p.Providers) == 1 {
		for _, only := range p.Providers {
			closeStores = addStores(&cfg, only, o)
		}
	}
	s, err := server.New(cfg)
	if err != nil {
		return nil, nil, errors.Join(err, closeStores())
	}
	return s, closeStores, nil
}

// addStores has the API show what a provider keeps, unless it does so already.
func addStores(cfg *server.Config, only runtime.Provider, o Options) (closeStores func() error) {
	closeStores = func() error { return nil }
	if keeps, ok := only.(interface{ Fleet() fleet.Store }); ok && cfg.Fleet == nil {
		cfg.Fleet = fleet.New(keeps.Fleet(), fleet.Config{Logger: o.Logger})
	}
	if keeps, ok := only.(interface{ Jobs() jobstore.Store }); ok && cfg.Scheduler == nil {
		cfg.Scheduler = schedule.New(keeps.Jobs(), cfg.Manager, schedule.Config{Logger: o.Logger})
	}
	if keeps, ok := only.(interface{ History() history.Store }); ok && cfg.History == nil {
		cfg.History = history.New(keeps.History(), history.Config{Logger: o.Logger})
		closeStores = func() error {
			ctx, cancel := context.WithTimeout(context.Background(), closeTime)
			defer cancel()
			return cfg.History.Close(ctx)
		}
	}
	return closeStores
}
