package traces_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	tracesconfig "github.com/taskgen/taskgen/config/traces"
	"github.com/taskgen/taskgen/internal/collector"
	"github.com/taskgen/taskgen/internal/output"
	"github.com/taskgen/taskgen/runtime"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func startCollector(t *testing.T) *collector.Collector {
	t.Helper()
	c := collector.Start()
	t.Cleanup(c.Close)
	return c
}

// build makes a program with a section traces.
func build(t *testing.T, section string, log *slog.Logger) (*config.Program, error) {
	t.Helper()
	c, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\ntraces: {"+section+"}\n"))
	require.NoError(t, err)
	return c.Build(within(t), config.Code{
		Queues: []runtime.QueueConfig{{Name: "mail"}}, Logger: log,
		Handlers: func(r *runtime.Router) {
			r.Handle(runtime.Policy{Type: "mail", Queue: "mail"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
		},
	})
}

// work runs a task, and closes the program, which sends the last spans.
func work(t *testing.T, section string) {
	t.Helper()
	p, err := build(t, section, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	runOne(t, p)
	require.NoError(t, p.Close())
}

func runOne(t *testing.T, p *config.Program) {
	t.Helper()
	_, err := p.Manager.Enqueue(within(t), []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte("{}")}})
	require.NoError(t, err)
	_, err = p.Pool.Drain(within(t))
	require.NoError(t, err)
}

func namesOf(spans []collector.Span) (all []string) {
	for _, s := range spans {
		all = append(all, s.GetName())
	}
	return all
}

func TestSpansReachTheCollectorOfTheFile(t *testing.T) {
	c := startCollector(t)
	work(t, "endpoint: '"+strings.Replace(c.URL, "http://", "http://shop:p%25ss@", 1)+"', headers: 'Api-Key=k%2C, x=y', service: mailer")
	spans := c.Spans()
	assert.ElementsMatch(t, []string{"send mail", "process mail", "ack mail"}, namesOf(spans))
	for _, s := range spans {
		assert.Equal(t, "mailer", s.Service)
		assert.Equal(t, "k,", s.Header.Get("Api-Key"))
		assert.Equal(t, "y", s.Header.Get("X"))
		user, password, ok := (&http.Request{Header: s.Header}).BasicAuth()
		assert.Equal(t, "shop p%ss true", fmt.Sprint(user, " ", password, " ", ok))
	}
}

func TestWhatTheFileLeavesOutIsAsTheStandardVariablesSay(t *testing.T) {
	c := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=k")
	work(t, "")
	require.Len(t, c.Spans(), 3)
	assert.Equal(t, "k", c.Spans()[0].Header.Get("Api-Key"))

	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	work(t, "")
	require.Len(t, c.Spans(), 3)
	work(t, "ratio: 1")
	require.Len(t, c.Spans(), 6, "the file comes first")
	t.Setenv("OTEL_TRACES_SAMPLER", "")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	work(t, "ratio: 0")
	require.Len(t, c.Spans(), 6)

	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "True", "OTEL_TRACES_EXPORTER": "none"} {
		t.Setenv(name, value)
		work(t, "ratio: 1")
		require.Len(t, c.Spans(), 6, name)
		t.Setenv(name, "")
	}
	for name, value := range map[string]string{"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"} {
		t.Setenv(name, value)
		_, err := build(t, "", nil)
		require.ErrorContains(t, err, "config: tasks.yaml:2:1: the variable "+name+" is \""+value+"\": there are ")
		t.Setenv(name, "")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc") // for metrics, say
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
	work(t, "ratio: 1")
	require.Len(t, c.Spans(), 9)
}

func TestASpanBelowAnotherIsKeptIfThatOneIs(t *testing.T) {
	c := startCollector(t)
	p, err := build(t, "ratio: 0, endpoint: '"+c.URL+"'", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, root := tracesconfig.Of(p).Tracer("test").Start(t.Context(), "root")
	assert.False(t, root.IsRecording())
	root.End()
	runOne(t, p)
	require.NoError(t, p.Close())
	assert.Empty(t, c.Spans())
}

func TestATaskAndWhatLedToItAreOneTraceIfTheFileSaysSo(t *testing.T) {
	c := startCollector(t)
	work(t, "endpoint: '"+c.URL+"', parent_from_producer: true")
	trace := make(map[string][]byte)
	for _, s := range c.Spans() {
		trace[s.GetName()] = s.GetTraceId()
	}
	assert.Equal(t, trace["send mail"], trace["process mail"])
	c = startCollector(t)
	work(t, "endpoint: '"+c.URL+"'")
	for _, s := range c.Spans() {
		trace[s.GetName()] = s.GetTraceId()
	}
	assert.NotEqual(t, trace["send mail"], trace["process mail"])
}

func TestCodeMakesSpansOfItsOwn(t *testing.T) {
	c := startCollector(t)
	p, err := build(t, "endpoint: '"+c.URL+"'", nil)
	require.NoError(t, err)
	_, span := tracesconfig.Of(p).Tracer("shop").Start(t.Context(), "checkout")
	span.End()
	require.NoError(t, p.Close())
	assert.Equal(t, []string{"checkout"}, namesOf(c.Spans()))

	_, span = tracesconfig.Of(&config.Program{}).Tracer("shop").Start(t.Context(), "checkout")
	assert.False(t, span.IsRecording())
}

func TestACollectorThatIsAwayIsLoggedOnceAndOnceMoreWhenItIsBack(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1") // ms
	c := startCollector(t)
	refused := make(chan struct{}, 1000)
	c.Refuse(func() (int, string) {
		refused <- struct{}{}
		return http.StatusUnauthorized, "wrong key: CANARY"
	})
	var out output.Buffer
	p, err := build(t, "endpoint: '"+c.URL+"', headers: 'Api-Key=CANARY'", slog.New(slog.NewTextHandler(&out, nil)))
	require.NoError(t, err)
	for range 3 { // each with a request of its own
		runOne(t, p)
		<-refused
	}
	c.Refuse(nil)
	runOne(t, p)
	_, err = c.Await(within(t), func(collector.Span) bool { return true })
	require.NoError(t, err)
	require.NoError(t, p.Close())
	assert.Equal(t, 1, strings.Count(out.String(), "spans cannot be sent to the collector"), out.String())
	assert.Equal(t, 1, strings.Count(out.String(), "spans are sent to the collector again"), out.String())
	assert.Contains(t, out.String(), "wrong key: ••••")
	assert.NotContains(t, out.String(), "CANARY")
}

func TestACollectorThatIsGoneIsNoFailureOfTheProgram(t *testing.T) {
	c := startCollector(t)
	c.Close()
	var out output.Buffer
	p, err := build(t, "endpoint: '"+c.URL+"'", slog.New(slog.NewTextHandler(&out, nil)))
	require.NoError(t, err)
	runOne(t, p)
	require.NoError(t, p.Close())
	assert.Contains(t, out.String(), "spans cannot be sent to the collector")
	assert.NotContains(t, out.String(), "again")
}

func TestACollectorThatDoesNotAnswerIsNotWaitedFor(t *testing.T) {
	c := startCollector(t)
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	c.Refuse(func() (int, string) {
		asked <- struct{}{}
		<-answer
		return http.StatusServiceUnavailable, ""
	})
	var out output.Buffer
	p, err := build(t, "endpoint: '"+c.URL+"'", slog.New(slog.NewTextHandler(&out, nil)))
	require.NoError(t, err)
	runOne(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	go func() { closed <- p.Traces.Close(ctx) }()
	<-asked
	cancel() // a program does so after 3 s
	require.NoError(t, <-closed)
	assert.Contains(t, out.String(), "spans cannot be sent to the collector")
	close(answer)
	require.NoError(t, p.Close())
}
