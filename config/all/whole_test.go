package all_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	metricsconfig "github.com/taskgen/taskgen/config/metrics"
	"github.com/taskgen/taskgen/internal/collector"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/history"
)

const whole = `
providers:
  main: {url: "${TEST_TASKS_URL}"}
pool: {name: mailer}
fleet: {provider: main}
history: {provider: main, retention: 1h, max_bytes: 1MiB}
metrics: {listen: "127.0.0.1:0"}
traces: {endpoint: "${TEST_COLLECTOR}", headers: Api-Key=k, service: shop}
`

// ask asks the server of a program.
func ask(t *testing.T, p *config.Program, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(within(t), http.MethodGet, "http://"+metricsconfig.Of(p).Addr.String()+path, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Accept", "application/openmetrics-text")
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

func TestAProgramOfAFileIsSeenFromOutside(t *testing.T) {
	s, err := testserver.Redis()
	serve(t, s, err)
	for provider, url := range map[string]string{
		"memory": "memory:", "sqlite": "sqlite://" + filepath.Join(t.TempDir(), "tasks.db"), "redis": s.URL,
	} {
		t.Run(provider, func(t *testing.T) {
			spans := collector.Start()
			t.Cleanup(spans.Close)
			t.Setenv("TEST_COLLECTOR", spans.URL)
			t.Setenv("TEST_TASKS_URL", url)
			c, err := config.Parse("tasks.yaml", []byte(whole))
			require.NoError(t, err)
			seen := make(chan struct{}, 1)
			p, err := c.Build(within(t), config.Code{
				Queues: []runtime.QueueConfig{{Name: "mail", Types: []string{"mail"}}}, Logger: slog.New(slog.DiscardHandler),
				Handlers: func(r *runtime.Router) {
					r.Handle(runtime.Policy{Type: "mail", Queue: "mail"}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error {
						seen <- struct{}{}
						return nil
					}))
				},
			})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			_, err = p.Manager.Enqueue(within(t), []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte("{}")}})
			require.NoError(t, err)
			<-seen

			status, text := ask(t, p, "/livez")
			assert.Equal(t, http.StatusOK, status, text)
			status, text = ask(t, p, "/readyz")
			assert.Equal(t, http.StatusOK, status, text)
			completed := `taskgen_tasks_completed_total{provider="` + provider + `",queue="mail",status="completed",type="mail"} 1`
			require.Eventually(t, func() bool { // the queue is told a little later
				_, text = ask(t, p, "/metrics")
				return strings.Contains(text, completed)
			}, time.Minute, 5*time.Millisecond)
			assert.Regexp(t, `taskgen_task_processing_duration_seconds_bucket.* # \{.*trace_id="`, text, "a measurement leads to its trace")
			require.EventuallyWithT(t, func(t *assert.CollectT) { // a worker joins beside its first tasks
				workers, err := p.Fleet.List(context.Background())
				require.NoError(t, err)
				require.Len(t, workers, 1)
				assert.Equal(t, "mailer", workers[0].Name)
				assert.Equal(t, provider, workers[0].Queues[0].Provider)
			}, time.Minute, 5*time.Millisecond)

			require.EventuallyWithT(t, func(t *assert.CollectT) { // records are written once a second
				records, _, err := p.History.List(context.Background(), history.Filter{}, "", 10)
				require.NoError(t, err)
				require.Len(t, records, 1)
				assert.Equal(t, "mail", records[0].Type)
				assert.Equal(t, "mailer", records[0].Worker)
				assert.NotEmpty(t, records[0].TraceID)
			}, time.Minute, 5*time.Millisecond)

			stop()
			require.NoError(t, <-done)
			var names []string
			for _, span := range spans.Spans() {
				names = append(names, span.GetName())
				assert.Equal(t, "shop", span.Service)
			}
			assert.ElementsMatch(t, []string{"send mail", "process mail", "ack mail"}, names, "the last are sent before the program ends")
		})
	}
}

// What a file says of its secrets is in no log and no metric, also if nothing can be reached.
func TestAWatchedProgramShowsNoSecret(t *testing.T) {
	t.Setenv("TEST_SECRET", "S3CRET")
	c, err := config.Parse("tasks.yaml", []byte(`
providers: {main: {url: "memory:"}}
metrics: {listen: "127.0.0.1:0"}
traces: {endpoint: "http://shop:${TEST_SECRET}@127.0.0.1:1", headers: "Api-Key=${TEST_SECRET}"}
`))
	require.NoError(t, err)
	var log strings.Builder
	p, err := c.Build(within(t), config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	_, err = p.Manager.Enqueue(within(t), []*runtime.Task{{Type: "mail", Queue: "mail", Payload: []byte("{}")}})
	require.NoError(t, err)
	for _, path := range []string{"/metrics", "/livez", "/readyz"} {
		_, text := ask(t, p, path)
		assert.NotContains(t, text, "S3CRET")
	}
	stop()
	require.NoError(t, <-done)
	assert.Contains(t, log.String(), "spans cannot be sent to the collector")
	assert.NotRegexp(t, "S3CRET|c2hvcDpTM0NSRVQ", log.String()) // nor in Base64
}
