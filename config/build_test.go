package config_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/schedule"
)

type mail struct {
	To string `json:"to"`
}

var mailSpec = runtime.Spec[mail]{Type: "mail", Queue: "mail", Retry: runtime.RetryPolicy{Max: 2}}

// mailCode is what a generated package and its handler say.
func mailCode(handle func(ctx context.Context, m mail) (string, error)) config.Code {
	return config.Code{
		Queues:   []runtime.QueueConfig{{Name: "mail", Visibility: time.Minute, Types: []string{"mail"}}, {Name: "post"}},
		Handlers: func(r *runtime.Router) { runtime.RegisterWithResult(r, &mailSpec, handle) },
		Logger:   slog.New(slog.DiscardHandler),
	}
}

func sent(_ context.Context, m mail) (string, error) { return "sent to " + m.To, nil }

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func build(t *testing.T, c *config.Config, code config.Code) *config.Program {
	t.Helper()
	p, err := c.Build(within(t), code)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

// run runs a program until stop is called, which returns Run's error.
func run(t *testing.T, p *config.Program) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func TestAProgramRunsTasksKeepsResultsAndFiresJobs(t *testing.T) {
	code := mailCode(sent)
	var registered bool
	code.Schedules = []config.Schedules{func(ctx context.Context, in schedule.Scheduler, _ ...schedule.RegisterOption) (schedule.Changes, error) {
		registered = true
		return schedule.Declare(ctx, in, "shop", nil)
	}}
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}\npool: {workers: 2}\n"), code)
	assert.True(t, registered)
	stop := run(t, p)
	answer, err := runtime.Enqueue(within(t), p.Manager, &mailSpec, &mail{To: "ada"})
	require.NoError(t, err)
	result, err := p.Results.Await(within(t), answer.ID)
	require.NoError(t, err)
	assert.JSONEq(t, `"sent to ada"`, string(result))

	id, err := schedule.Add(within(t), p.Scheduler, schedule.In(time.Millisecond), &mailSpec, &mail{To: "grace"})
	require.NoError(t, err)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		status, err := p.Scheduler.Status(context.Background(), id)
		require.NoError(t, err)
		assert.NotEmpty(t, status.Last.TaskID)
	}, time.Minute, 5*time.Millisecond)

	require.NoError(t, stop())
	_, err = p.Manager.Enqueue(within(t), []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte("{}")}})
	require.ErrorIs(t, err, runtime.ErrClosed, "all is closed")
	require.NoError(t, p.Close(), "a second close does nothing")
}

func TestAStoppingProgramLetsHandlersFinish(t *testing.T) {
	began, finish := make(chan struct{}), make(chan struct{})
	var ended error
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}\npool: {grace: 1m}\n"), mailCode(func(ctx context.Context, m mail) (string, error) {
		close(began)
		<-finish
		ended = ctx.Err()
		return "", nil
	}))
	stop := run(t, p)
	_, err := runtime.Enqueue(within(t), p.Manager, &mailSpec, &mail{To: "ada"})
	require.NoError(t, err)
	<-began
	var stopped sync.WaitGroup
	stopped.Go(func() { assert.NoError(t, stop()) })
	close(finish)
	stopped.Wait()
	assert.NoError(t, ended)
}

func TestQueuesAreOnTheirProvidersWithTheValuesOfTheFile(t *testing.T) {
	p := build(t, parse(t, `
providers:
  a: {url: "memory:"}
  b: {url: "memory:"}
  unused: {url: "test://host?prefix=away"}
queues:
  post: {provider: b, retention: 1h, unknown: 0s, capacity: 7, dlq: dead-post}
  mail: {provider: a, visibility: 2m, max_deliveries: 3}
  elsewhere: {provider: unused}
results: {provider: b}
scheduler: {provider: a}
`), mailCode(sent))
	assert.Equal(t, []string{"post", "mail"}, p.Manager.Queues(), "in the order of the file; what the code does not have is other programs'")
	assert.Len(t, p.Providers, 2, "what no queue uses is not opened")
	q, err := p.Manager.Queue("post")
	require.NoError(t, err)
	cfg := q.Config()
	assert.Equal(t, "dead-post", cfg.DLQ)
	assert.Equal(t, time.Hour, cfg.Retention)
	assert.Equal(t, runtime.BuryUnknown, cfg.Unknown)
	assert.Equal(t, 7, cfg.Capacity)
	assert.Equal(t, driver.DefaultVisibility, cfg.Visibility)
	q, err = p.Manager.Queue("mail")
	require.NoError(t, err)
	assert.Equal(t, 2*time.Minute, q.Config().Visibility)
	assert.Equal(t, 3, q.Config().MaxDeliveries)
	there, err := p.Providers["b"].Open(within(t), runtime.QueueConfig{Name: "post", DLQ: "dead-post"})
	require.NoError(t, err)
	require.NoError(t, there.Close())
	assert.NotNil(t, p.Scheduler, "jobs can be kept, though there are none yet")
}

func TestWhatCodeAndConfigContradictIsListed(t *testing.T) {
	c := parse(t, "providers:\n  a: {url: 'memory:'}\n  b: {url: 'memory:'}\nqueues:\n  mail:\n    provider: a\n    visibility: 10s\n")
	_, err := c.Build(within(t), mailCode(sent))
	require.EqualError(t, err, "config: tasks.yaml:4:1: the code needs the queue post, and the section queues lacks it: add it there\n"+
		"    4 | queues: …\n      | ^\n"+
		"tasks.yaml:7:5: queue mail has a visibility of 10s, and the code declares 1m0s: a shorter one is not allowed\n"+
		"    7 |     visibility: 10s\n      |     ^")

	for text, want := range map[string]string{
		"": "there are no providers: set providers.NAME.url, or the variable TASKGEN_PROVIDERS_MAIN_URL",
		"providers: {a: {url: 'memory:'}, b: {url: 'memory:'}}":                   "queue mail needs a provider, and there are several: set queues.mail.provider to one of a, b",
		"providers: {a: {url: 'test://host'}}\nresults: {provider: a}":            "tasks.yaml:2:11: the provider a (memory) keeps no results",
		"providers: {a: {url: 'test://host?prefix=away'}}":                        "config: tasks.yaml:1:13: config: open test: the server is away",
		"providers: {a: {url: 'memory:'}}\npool: {types: [other]}":                "tasks.yaml:2:1: ",
		"providers: {a: {url: 'memory:'}}\nqueues: {mail: {dlq: mail}, post: {}}": "tasks.yaml:2:10: ",
	} {
		_, err := parse(t, text).Build(within(t), mailCode(sent))
		require.ErrorContains(t, err, want, text)
	}
	c = parse(t, "providers: {a: {url: 'memory:'}, b: {url: 'memory:'}}\nqueues: {mail: {provider: a}, post: {provider: b}}\nscheduler: {enabled: true}")
	code := mailCode(sent)
	code.Handlers = nil
	_, err = c.Build(within(t), code)
	require.ErrorContains(t, err, "the scheduler needs a provider that keeps its jobs: set scheduler.provider to one of a, b")
	_, err = parse(t, "providers: {a: {url: 'test://host'}}\nscheduler: {enabled: true}").Build(within(t), code)
	require.ErrorContains(t, err, "tasks.yaml:2:1: the provider a (memory) keeps no jobs: set scheduler.provider to one that does")
}

func TestPackagesMayShareAQueue(t *testing.T) {
	code := mailCode(sent)
	code.Queues = append(code.Queues, runtime.QueueConfig{Name: "mail", Visibility: time.Minute})
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}"), code)
	assert.Equal(t, []string{"mail", "post"}, p.Manager.Queues())
}

func TestVariablesOfOneQueueNeedNotListTheOthers(t *testing.T) {
	t.Setenv("TASKGEN_QUEUES_MAIL_VISIBILITY", "2m")
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}"), mailCode(sent))
	q, err := p.Manager.Queue("mail")
	require.NoError(t, err)
	assert.Equal(t, 2*time.Minute, q.Config().Visibility)
	assert.Equal(t, []string{"mail", "post"}, p.Manager.Queues())
}

func TestAConfigMadeInCodeIsHeldToTheSame(t *testing.T) {
	c := config.Config{Providers: map[string]config.ProviderConfig{"main": {URL: config.NewURL("memory:")}}, Queues: map[string]config.QueueConfig{"mail": {}}}
	_, err := c.Build(within(t), mailCode(sent))
	require.EqualError(t, err, "config: configuration: the code needs the queue post, and the section queues lacks it: add it there")
	c.Queues["post"] = config.QueueConfig{}
	build(t, &c, mailCode(sent))
	c.Providers["main"] = config.ProviderConfig{URL: config.NewURL("test://u:p@host"), Password: config.NewSecret("x")}
	_, err = c.Build(within(t), mailCode(sent))
	require.ErrorContains(t, err, "the URL has a password, too")
}

func TestAProgramThatOnlyEnqueues(t *testing.T) {
	code := mailCode(nil)
	code.Handlers = nil
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}"), code)
	assert.Nil(t, p.Pool)
	_, err := runtime.Enqueue(within(t), p.Manager, &mailSpec, &mail{To: "ada"})
	require.NoError(t, err)
	require.NoError(t, run(t, p)())
}

func TestTheLogIsAsTheFileSays(t *testing.T) {
	code := mailCode(sent)
	code.Logger = nil
	const providers = "providers: {main: {url: 'memory:'}}\n"
	assert.Nil(t, build(t, parse(t, providers), code).Logger, "slog.Default, as it is at the time")
	for text, least := range map[string]slog.Level{"log: {level: warn}": slog.LevelWarn, "log: {format: json}": slog.LevelInfo, "log: {level: debug, format: text}": slog.LevelDebug} {
		log := build(t, parse(t, providers+text), code).Logger
		assert.True(t, log.Enabled(t.Context(), least), text)
		assert.False(t, log.Enabled(t.Context(), least-1), text)
		_, isJSON := log.Handler().(*slog.JSONHandler)
		assert.Equal(t, strings.Contains(text, "json"), isJSON, text)
	}
	code.Logger = slog.New(slog.DiscardHandler)
	assert.Same(t, code.Logger, build(t, parse(t, providers+"log: {level: warn}"), code).Logger, "the code's comes first")
}

func TestAScheduleThatCannotBeDeclaredStopsTheStart(t *testing.T) {
	code := mailCode(sent)
	bad := errors.New("no such zone")
	code.Schedules = []config.Schedules{func(context.Context, schedule.Scheduler, ...schedule.RegisterOption) (schedule.Changes, error) {
		return schedule.Changes{}, bad
	}}
	_, err := parse(t, "providers: {main: {url: 'memory:'}}").Build(within(t), code)
	require.ErrorIs(t, err, bad)
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}\nscheduler: {provider: main, enabled: false}"), code)
	assert.NotNil(t, p.Scheduler)
}

func TestAStrictPoolGoesByTheOrderOfTheFile(t *testing.T) {
	var order []string
	var mu sync.Mutex
	code := mailCode(func(context.Context, mail) (string, error) { return "", nil })
	handle := func(_ context.Context, task *runtime.Task) error {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, task.Queue)
		return nil
	}
	code.Queues = []runtime.QueueConfig{{Name: "mail"}, {Name: "post"}}
	code.Handlers = func(r *runtime.Router) {
		r.Handle(runtime.Policy{Type: "mail", Queue: "mail"}, runtime.HandlerFunc(handle))
		r.Handle(runtime.Policy{Type: "post", Queue: "post"}, runtime.HandlerFunc(handle))
	}
	p := build(t, parse(t, "providers: {main: {url: 'memory:'}}\nqueues: {post: {}, mail: {}}\npool: {strict: true, workers: 1}"), code)
	_, err := p.Manager.Enqueue(within(t), []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte("{}")}, {Type: "post", Queue: "post", Payload: []byte("{}")}})
	require.NoError(t, err)
	_, err = p.Pool.Drain(within(t))
	require.NoError(t, err)
	assert.Equal(t, []string{"post", "mail"}, order)
}

func TestTheListenersOfTheCodeHearTheProgram(t *testing.T) {
	var opened []string
	code := mailCode(sent)
	code.Listeners = []*observe.Listener{{QueueOpened: func(q *observe.Queue) { opened = append(opened, q.Name) }}}
	c, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}"))
	require.NoError(t, err)
	build(t, c, code)
	assert.Equal(t, []string{"mail", "post"}, opened)
}
