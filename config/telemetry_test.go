package config_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/observe"
)

// telemetry is what the sections metrics and traces lead to in a test, in place of what
// example_telemetry_test.go shows.
var telemetry struct {
	metrics func(c config.MetricsConfig, traces *config.Telemetry, deps config.Deps) (*config.Telemetry, error)
	traces  func(c config.TracesConfig, deps config.Deps) (*config.Telemetry, error)
}

// A diary is what happened, in its order.
type diary struct {
	mu  sync.Mutex
	all []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, fmt.Sprintf(format, args...))
}

// watch makes the sections lead to what notes what happens to it.
func watch(t *testing.T, d *diary) {
	t.Helper()
	part := func(name string) *config.Telemetry {
		return &config.Telemetry{
			Listener: &observe.Listener{
				QueueOpened: func(q *observe.Queue) { d.note("%s: %s opened", name, q.Name) },
				QueueClosed: func(q *observe.Queue) { d.note("%s: %s closed", name, q.Name) },
				PoolStarted: func(*observe.Pool) { d.note("%s: pool started", name) },
				PoolStopped: func(*observe.Pool) { d.note("%s: pool stopped", name) },
			},
			Close: func(ctx context.Context) error {
				_, bounded := ctx.Deadline()
				d.note("%s: closed in bounded time %t", name, bounded)
				return nil
			},
			Made: name,
		}
	}
	telemetry.traces = func(config.TracesConfig, config.Deps) (*config.Telemetry, error) {
		one := part("traces")
		one.LogHandler = func(next slog.Handler) slog.Handler { return next.WithAttrs([]slog.Attr{slog.Bool("traced", true)}) }
		return one, nil
	}
	telemetry.metrics = func(_ config.MetricsConfig, traces *config.Telemetry, _ config.Deps) (*config.Telemetry, error) {
		one := part("metrics")
		d.note("metrics: traces %t", traces != nil)
		one.Run = func(ctx context.Context) error {
			<-ctx.Done()
			d.note("metrics: stopped")
			return nil
		}
		return one, nil
	}
	t.Cleanup(func() { telemetry.metrics, telemetry.traces = nil, nil })
}

const watched = "providers: {main: {url: 'memory:'}}\nfleet: {provider: main}\nmetrics: {listen: ':0'}\ntraces: {}\n"

func TestWhatWatchesAProgramOutlivesIt(t *testing.T) {
	var d diary
	watch(t, &d)
	code := mailCode(sent)
	code.Queues = code.Queues[:1]
	code.Listeners = []*observe.Listener{{QueueOpened: func(q *observe.Queue) { d.note("code: %s opened", q.Name) }}}
	p := build(t, parse(t, watched), code)
	require.Equal(t, "metrics", p.Metrics.Made)
	require.Equal(t, "traces", p.Traces.Made)

	stop := run(t, p)
	answer, err := runtime.Enqueue(within(t), p.Manager, &mailSpec, &mail{To: "ada"})
	require.NoError(t, err)
	_, err = p.Results.Await(within(t), answer.ID)
	require.NoError(t, err)
	require.NoError(t, stop())
	require.NoError(t, p.Close())

	assert.Equal(t, []string{
		"metrics: traces true", "traces: mail opened", "metrics: mail opened", "code: mail opened", // spans before the measurements that name them
		"traces: pool started", "metrics: pool started",
		"metrics: pool stopped", "traces: pool stopped", "metrics: mail closed", "traces: mail closed",
		"traces: closed in bounded time true", "metrics: stopped", "metrics: closed in bounded time true",
	}, d.all)
}

func TestAProgramThatIsNeverRunClosesWhatWatchesIt(t *testing.T) {
	var d diary
	watch(t, &d)
	p := build(t, parse(t, watched), mailCode(sent))
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	assert.Equal(t, []string{"traces: closed in bounded time true", "metrics: closed in bounded time true"}, d.all[len(d.all)-2:])
	assert.NotContains(t, d.all, "metrics: stopped")
}

func TestAFailureOfWhatWatchesAProgramStopsIt(t *testing.T) {
	var d diary
	watch(t, &d)
	broken := errors.New("the network is down")
	whole := telemetry.metrics
	telemetry.metrics = func(c config.MetricsConfig, traces *config.Telemetry, deps config.Deps) (*config.Telemetry, error) {
		one, err := whole(c, traces, deps)
		one.Run = func(context.Context) error { return broken }
		return one, err
	}
	p := build(t, parse(t, watched), mailCode(sent))
	require.ErrorIs(t, p.Run(within(t)), broken)
	_, err := runtime.Enqueue(within(t), p.Manager, &mailSpec, &mail{To: "ada"})
	require.ErrorIs(t, err, runtime.ErrClosed)

	d = diary{}
	telemetry.metrics = func(config.MetricsConfig, *config.Telemetry, config.Deps) (*config.Telemetry, error) {
		return nil, broken
	}
	_, err = parse(t, watched).Build(within(t), mailCode(sent))
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "config: tasks.yaml:3:11: the network is down")
	assert.Equal(t, []string{"traces: closed in bounded time true"}, d.all, "what was made is closed, and no provider was opened")
	telemetry.traces = func(config.TracesConfig, config.Deps) (*config.Telemetry, error) { return nil, broken }
	_, err = parse(t, watched).Build(within(t), mailCode(sent))
	require.EqualError(t, err, "config: tasks.yaml:4:1: the network is down")
}

func TestWorkersJoinTheFleet(t *testing.T) {
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}\nfleet: {provider: main}\npool: {name: mailer}\n"), mailCode(sent))
	stop := run(t, p)
	require.EventuallyWithT(t, func(t *assert.CollectT) { // a worker joins beside its first tasks
		workers, err := p.Fleet.List(context.Background())
		require.NoError(t, err)
		require.Len(t, workers, 1)
		assert.Equal(t, "mailer", workers[0].Name)
	}, time.Minute, 5*time.Millisecond)
	require.NoError(t, stop())
	workers, err := p.Fleet.List(within(t))
	require.NoError(t, err)
	assert.Empty(t, workers)

	assert.Nil(t, build(t, parse(t, "providers: {main: {url: 'memory:'}}"), mailCode(sent)).Fleet, "heartbeats cost, so nobody joins unasked")
	for text, want := range map[string]string{
		"providers: {a: {url: 'test://host'}}\nfleet: {provider: a}":                                                                                      "config: tasks.yaml:2:9: the provider a (memory) keeps no fleet: name one that does, such as memory, sqlite, redis or nats",
		"providers: {a: {url: 'test://host'}}\nhistory: {provider: a}":                                                                                    "config: tasks.yaml:2:11: the provider a (memory) keeps no history: name one that does, such as memory, sqlite or redis",
		"providers: {a: {url: 'memory:'}, b: {url: 'test://host?prefix=away'}}\nqueues: {mail: {provider: a}, post: {provider: a}}\nfleet: {provider: b}": "the server is away",
	} {
		_, err := parse(t, text).Build(within(t), mailCode(sent))
		require.ErrorContains(t, err, want)
	}
}

func TestTracesAreThereIfTheSectionIs(t *testing.T) {
	var d diary
	watch(t, &d)
	traced := func(c *config.Config) bool { return build(t, c, mailCode(sent)).Traces != nil }
	const providers = "providers: {main: {url: 'memory:'}}\n"
	for text, want := range map[string]bool{
		"": false, "traces:": true, "traces: {}": true, "traces: {ratio: 0}": true, "traces: {enabled: true}": true, "traces: {enabled: false, ratio: 0.5}": false, "traces: {enabled: '${TEST_GONE:-false}'}": false,
	} {
		assert.Equal(t, want, traced(parse(t, providers+text)), text)
	}
	t.Setenv("TASKGEN_TRACES_ENABLED", "false")
	assert.False(t, traced(parse(t, providers+"traces: {}")))
	t.Setenv("TASKGEN_TRACES_ENABLED", "")
	t.Setenv("TASKGEN_TRACES_RATIO", "0.25")
	assert.True(t, traced(parse(t, providers)))

	c := config.Config{Providers: map[string]config.ProviderConfig{"main": {URL: config.NewURL("memory:")}}}
	assert.False(t, traced(&c))
	c.Traces.Service = "shop"
	assert.True(t, traced(&c))
}

func TestAnEmptyValueTurnsASectionOff(t *testing.T) {
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}\nmetrics: {listen: '${TEST_GONE:-}'}\nfleet: {provider: '${TEST_GONE:-}'}\nhistory: {provider: '${TEST_GONE:-}'}\n"), mailCode(sent))
	assert.Nil(t, p.Metrics)
	assert.Nil(t, p.Fleet)
	assert.Nil(t, p.History)
}

func TestRecordsOfTheSectionLogNameTheirTrace(t *testing.T) {
	var d diary
	watch(t, &d)
	code := mailCode(sent)
	var out bytes.Buffer
	code.Logger = slog.New(slog.NewTextHandler(&out, nil))
	build(t, parse(t, watched+"log: {level: warn}\n"), code).Logger.Warn("of the code")
	assert.NotContains(t, out.String(), "traced", "the code's logger is as the code made it")

	code.Logger = nil
	assert.Nil(t, build(t, parse(t, watched), code).Logger)
	seen := make(chan *slog.Logger, 1)
	whole := telemetry.metrics
	telemetry.metrics = func(c config.MetricsConfig, traces *config.Telemetry, deps config.Deps) (*config.Telemetry, error) {
		seen <- deps.Logger
		return whole(c, traces, deps)
	}
	p := build(t, parse(t, watched+"log: {level: warn}\n"), code)
	assert.Same(t, <-seen, p.Logger)
	plain := build(t, parse(t, "providers: {main: {url: 'memory:'}}\nlog: {level: warn}\n"), code).Logger
	assert.NotEqual(t, fmt.Sprintf("%+v", plain.Handler()), fmt.Sprintf("%+v", p.Logger.Handler()), "it has what the handler of traces adds")
}

func TestWhatTheSectionsSayIsPassedOn(t *testing.T) {
	var d diary
	watch(t, &d)
	var metrics config.MetricsConfig
	var traces config.TracesConfig
	makeMetrics, makeTraces := telemetry.metrics, telemetry.traces
	telemetry.metrics = func(c config.MetricsConfig, one *config.Telemetry, deps config.Deps) (*config.Telemetry, error) {
		metrics = c
		return makeMetrics(c, one, deps)
	}
	telemetry.traces = func(c config.TracesConfig, deps config.Deps) (*config.Telemetry, error) {
		traces = c
		return makeTraces(c, deps)
	}
	c := parse(t, "providers: {main: {url: 'memory:'}}\nmetrics: {listen: 'localhost:9464'}\ntraces: {ratio: 0.5, endpoint: 'http://collector:4318/otel/', headers: 'a=b'}\n")
	build(t, c, mailCode(sent))
	assert.Equal(t, c.Metrics, metrics)
	assert.Equal(t, c.Traces, traces)
}

func TestASectionIsRegisteredOnce(t *testing.T) {
	require.PanicsWithValue(t, "config: the section metrics is registered twice", func() { config.RegisterMetrics(buildMetrics) })
	require.PanicsWithValue(t, "config: the section traces is registered twice", func() { config.RegisterTraces(buildTraces) })
}
