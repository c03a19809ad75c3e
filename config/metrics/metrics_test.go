package metrics_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	metricsconfig "github.com/taskgen/taskgen/config/metrics"
	"github.com/taskgen/taskgen/runtime"
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// build makes a program that listens at an address.
func build(t *testing.T, listen string) (*config.Program, error) {
	t.Helper()
	c, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\nmetrics: {listen: '"+listen+"'}\n"))
	require.NoError(t, err)
	return c.Build(within(t), config.Code{
		Queues: []runtime.QueueConfig{{Name: "mail", Types: []string{"mail"}}}, Logger: slog.New(slog.DiscardHandler),
		Handlers: func(r *runtime.Router) {
			r.Handle(runtime.Policy{Type: "mail", Queue: "mail"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
		},
	})
}

// get asks the server of a program.
func get(t *testing.T, p *config.Program, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(within(t), http.MethodGet, "http://"+metricsconfig.Of(p).Addr.String()+path, http.NoBody)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

func TestAProgramShowsItsMetricsAndItsHealth(t *testing.T) {
	p, err := build(t, "127.0.0.1:0")
	require.NoError(t, err)
	metricsconfig.Of(p).Mux.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "7") })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()

	status, text := get(t, p, "/livez")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"ok"}`, text)
	_, err = p.Manager.Enqueue(within(t), []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte("{}")}})
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the pool starts beside the server
		_, text = get(t, p, "/metrics")
		return strings.Contains(text, `taskgen_tasks_completed_total{provider="memory",queue="mail",status="completed",type="mail"} 1`)
	}, time.Minute, 5*time.Millisecond)
	assert.Contains(t, text, `taskgen_tasks_enqueued_total{provider="memory",queue="mail",type="mail"} 1`)
	assert.Contains(t, text, "go_goroutines ")
	status, text = get(t, p, "/readyz")
	assert.Equal(t, http.StatusOK, status, text)
	assert.Contains(t, text, `"check":"pool"`)
	status, text = get(t, p, "/version")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "7", text)
	status, _ = get(t, p, "/")
	assert.Equal(t, http.StatusNotFound, status)

	stop()
	require.NoError(t, <-done)
	_, err = net.DialTimeout("tcp", metricsconfig.Of(p).Addr.String(), time.Second)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestARequestThatIsBeingAnsweredIsAnsweredToItsEnd(t *testing.T) {
	p, err := build(t, "127.0.0.1:0")
	require.NoError(t, err)
	begun, finish := make(chan struct{}), make(chan struct{})
	metricsconfig.Of(p).Mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "whole")
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	answer := make(chan string, 1)
	go func() {
		_, text := get(t, p, "/slow")
		answer <- text
	}()
	<-begun
	stop()
	_, err = p.Manager.Enqueue(within(t), []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte("{}")}})
	for err == nil { // until the manager is closed, which is before the server is
		_, err = p.Manager.Enqueue(within(t), []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte("{}")}})
	}
	require.ErrorIs(t, err, runtime.ErrClosed)
	close(finish)
	assert.Equal(t, "whole", <-answer)
	require.NoError(t, <-done)
}

func TestAClientThatNeverReadsDelaysNoStop(t *testing.T) {
	p, err := build(t, "127.0.0.1:0")
	require.NoError(t, err)
	begun := make(chan struct{})
	metricsconfig.Of(p).Mux.HandleFunc("/forever", func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	conn, err := net.Dial("tcp", metricsconfig.Of(p).Addr.String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /forever HTTP/1.1\r\nHost: here\r\n\r\n")
	require.NoError(t, err)
	<-begun
	stop()
	require.NoError(t, <-done)
}

func TestAnAddressThatIsTakenIsAnErrorOfTheStart(t *testing.T) {
	p, err := build(t, "127.0.0.1:0")
	require.NoError(t, err)
	taken := metricsconfig.Of(p).Addr.String()
	_, err = build(t, taken)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "config: tasks.yaml:2:11: listen tcp "+taken)
	require.NoError(t, p.Close(), "which frees it, though it was never served")
	p, err = build(t, taken)
	require.NoError(t, err)
	require.NoError(t, p.Close())
}

func TestAServerThatFailsStopsItsProgram(t *testing.T) {
	p, err := build(t, "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, p.Metrics.Close(t.Context())) // as the system may do
	err = p.Run(within(t))
	require.True(t, errors.Is(err, net.ErrClosed), "%v", err)
}

func TestTheLogSaysWhereTheServerIs(t *testing.T) {
	c, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'memory:'}}\nmetrics: {listen: '127.0.0.1:0'}\n"))
	require.NoError(t, err)
	var log strings.Builder
	p, err := c.Build(within(t), config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	get(t, p, "/livez")
	stop()
	require.NoError(t, <-done)
	assert.Contains(t, log.String(), `msg="metrics and health are served" address=`+metricsconfig.Of(p).Addr.String())
}
