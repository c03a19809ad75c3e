//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/taskgen/taskgen/internal/childtest"
	"github.com/taskgen/taskgen/internal/collector"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/redis"
)

// childEnv is set in the process that is to be the program.
const childEnv = "TASKGEN_MINIMAL"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := run(childtest.Told()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// patience bounds how long a program may take for what it must do. It is far more than any
// machine needs.
const patience = 2 * time.Minute

// gone bounds how long a killed worker is listed.
const gone = 15 * time.Second

func TestATaskAndItsWorkerAreSeenFromOutside(t *testing.T) {
	server, err := testserver.Redis()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	spans := collector.Start()
	t.Cleanup(spans.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	provider, err := redis.Open(ctx, server.URL, redis.WithPrefix("minimal"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, provider.Close()) })

	address := freeAddress(t)
	worker := childtest.Spawn(t, childEnv+"=1", "REDIS_URL="+server.URL, "METRICS_LISTEN="+address, "TRACES=true", "OTEL_EXPORTER_OTLP_ENDPOINT="+spans.URL)

	// Metrics and health.
	labels := `provider="redis",queue="greetings"`
	for _, line := range []string{
		`taskgen_tasks_enqueued_total{` + labels + `,type="greet"} 1`,
		`taskgen_tasks_completed_total{` + labels + `,status="retried",type="greet"} 1`,
		`taskgen_tasks_completed_total{` + labels + `,status="completed",type="greet"} 1`,
	} {
		require.Eventually(t, func() bool { return bytes.Contains(get(ctx, "http://"+address+"/metrics"), []byte(line+"\n")) }, patience, 10*time.Millisecond, line)
	}
	assert.JSONEq(t, `{"status":"ok"}`, string(get(ctx, "http://"+address+"/livez")))
	assert.Contains(t, string(get(ctx, "http://"+address+"/readyz")), `{"check":"queue","name":"greetings","provider":"redis","status":"ok"}`)

	// The history has both attempts.
	var records []history.Record
	past := history.New(provider.History(), history.Config{})
	require.Eventually(t, func() bool { // records are written once a second
		records, _, err = past.List(ctx, history.Filter{}, "", 10)
		return err == nil && len(records) == 2
	}, patience, 10*time.Millisecond)
	slices.SortFunc(records, func(a, b history.Record) int { return a.Attempt - b.Attempt })
	first, second := records[0], records[1]
	assert.Equal(t, driver.Retried, first.Outcome)
	assert.Equal(t, "nobody opens the door", first.Error)
	assert.Equal(t, driver.Completed, second.Outcome)
	for _, one := range records {
		assert.Equal(t, "greet", one.Type)
		assert.Equal(t, first.TaskID, one.TaskID)
		assert.Equal(t, "greeter", one.Worker)
	}

	// The trace of the task leads from the enqueue through both attempts to the end.
	send := await(ctx, t, spans, "send greetings", "")
	failed := await(ctx, t, spans, "process greetings", first.TraceID)
	release := await(ctx, t, spans, "release greetings", "")
	done := await(ctx, t, spans, "process greetings", second.TraceID)
	ack := await(ctx, t, spans, "ack greetings", "")
	assert.ElementsMatch(t, []string{"producer " + id(send)}, links(failed))
	assert.ElementsMatch(t, []string{"producer " + id(send), "previous_attempt " + id(failed)}, links(done))
	assert.Equal(t, []string{"attempt " + id(failed)}, links(release))
	assert.Equal(t, []string{"attempt " + id(done)}, links(ack))

	// The worker is in the fleet, until it is killed.
	workers := fleet.New(provider.Fleet(), fleet.Config{})
	listed, err := workers.List(ctx)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	assert.Equal(t, "greeter", listed[0].Name)
	assert.Equal(t, worker.PID(), listed[0].PID)
	worker.Kill()
	require.Eventually(t, func() bool {
		listed, err = workers.List(ctx)
		return err == nil && len(listed) == 0
	}, gone, 10*time.Millisecond)
}

// The README says so.
func TestTheProgramHasAboutThirtyLines(t *testing.T) {
	text, err := os.ReadFile("main.go")
	require.NoError(t, err)
	_, code, _ := strings.Cut(string(text), "\n)\n") // the imports
	lines := 0
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			lines++
		}
	}
	assert.LessOrEqual(t, lines, 35)
}

// freeAddress is one that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// get asks the program, and returns nil while it does not answer.
func get(ctx context.Context, url string) []byte {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil
	}
	return text
}

// await waits for a span of a name, and of a trace if one is given.
func await(ctx context.Context, t *testing.T, in *collector.Collector, name, traceID string) *trace.Span {
	t.Helper()
	found, err := in.Await(ctx, func(s collector.Span) bool {
		return s.Service == "minimal" && s.GetName() == name && (traceID == "" || hex.EncodeToString(s.GetTraceId()) == traceID)
	})
	require.NoError(t, err, name)
	return found.Span
}

func id(s *trace.Span) string { return hex.EncodeToString(s.GetSpanId()) }

// links are those of a span: what each leads to, and the ID of that span.
func links(s *trace.Span) (all []string) {
	for _, l := range s.GetLinks() {
		for _, a := range l.GetAttributes() {
			if a.GetKey() == "taskgen.link" {
				all = append(all, a.GetValue().GetStringValue()+" "+hex.EncodeToString(l.GetSpanId()))
			}
		}
	}
	return all
}
