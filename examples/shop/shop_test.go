//go:build unix

// Package shop tests three programs that share the tasks of a shop: examples/producer,
// examples/consumer and examples/scheduler.
package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/collector"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/schedule"

	"github.com/taskgen/taskgen/examples/shop/tasks"
)

const (
	workers = 4  // of a consumer
	first   = 20 // orders before a consumer is stopped
)

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// client makes a connection for each request, and keeps none.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// get asks one of the programs.
func get(t *testing.T, address, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(within(t), http.MethodGet, "http://"+address+path, http.NoBody)
	require.NoError(t, err)
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s: %s", path, text)
	return string(text)
}

// order places an order, and returns the ID of the task that confirms it; "" if the producer
// is gone.
func order(t *testing.T, address string, number int) string {
	t.Helper()
	body := fmt.Sprintf(`{"order":%d,"email":"ada@example.com"}`, number)
	r, err := http.NewRequestWithContext(within(t), http.MethodPost, "http://"+address+"/orders", strings.NewReader(body))
	require.NoError(t, err)
	answer, err := client.Do(r)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
	var taken struct{ Task string }
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&taken))
	require.NotEmpty(t, taken.Task)
	return taken.Task
}

// A shop is the broker of a test, the services around it, and what operators have of it.
type shop struct {
	env      []string
	mails    *mails
	spans    *collector.Collector
	provider *redis.Provider
	manager  *runtime.Manager
}

func open(t *testing.T) *shop {
	t.Helper()
	server, err := testserver.Redis()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	s := &shop{mails: startMails(t), spans: collector.Start()}
	t.Cleanup(s.spans.Close)
	s.env = []string{
		"REDIS_URL=" + server.URL, "MAIL_URL=" + s.mails.URL, "METRICS_LISTEN=127.0.0.1:0", "ORDERS_LISTEN=127.0.0.1:0",
		fmt.Sprintf("WORKERS=%d", workers), "TRACES=true", "TRACES_RATIO=1", "OTEL_EXPORTER_OTLP_ENDPOINT=" + s.spans.URL,
	}
	s.provider, err = redis.Open(t.Context(), server.URL, redis.WithPrefix("shop"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.provider.Close()) })
	s.manager = runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, s.manager.Open(t.Context(), s.provider, tasks.Queues()...))
	t.Cleanup(func() { assert.NoError(t, s.manager.Close()) })
	return s
}

func TestTheProgramsOfTheShopWorkTogetherAndLoseNothing(t *testing.T) {
	s := open(t)
	consumer, producer, scheduler := start(t, "consumer", s.env...), start(t, "producer", s.env...), start(t, "scheduler", s.env...)
	orders := producer.says(t, "orders are taken", "address")
	var confirmations []string
	for number := range first {
		confirmations = append(confirmations, order(t, orders, number+1))
	}
	for range workers { // as many are being sent now
		<-s.mails.held
	}
	s.check(t, consumer)
	_, err := tasks.ScheduleSalesReport(within(t), schedule.New(s.provider.Jobs(), s.manager, schedule.Config{}), schedule.In(time.Millisecond), tasks.SalesReportTask{})
	require.NoError(t, err)

	// A deploy: the old consumer finishes what it has begun, and the new one does the rest.
	consumer.terminate(t)
	s.mails.release()
	consumer.ends(t)
	consumer = start(t, "consumer", s.env...)
	metrics := consumer.says(t, "metrics and health are served", "address")
	sent, _ := s.mails.await(t, first+1)
	require.Len(t, sent, first+1)
	require.Eventually(t, func() bool { // the queue is told a little later than the mail service
		return strings.Contains(get(t, metrics, "/metrics"), `taskgen_tasks_completed_total{provider="redis",queue="reports",status="completed",type="sales_report"} 1`)
	}, patience, 10*time.Millisecond)

	assert.Len(t, consumer.says(t, "a mail is sent", "trace_id"), 32, "handlers log by the logger of the program")

	// The producer is stopped while orders come: each that it has answered is taken.
	confirmations = append(confirmations, s.stopWhileOrdersCome(t, producer, orders)...)
	sent, subjects := s.mails.await(t, len(confirmations)+1)
	for _, id := range confirmations {
		assert.Equal(t, 1, sent[id], "a program that stops leaves nothing to be done twice")
		assert.Contains(t, subjects[id], "We have your order")
	}
	for _, one := range []*child{scheduler, consumer} {
		one.terminate(t)
		one.ends(t)
	}
	s.checkEmpty(t)
	s.checkSpans(t)
}

// check looks at a consumer that is busy.
func (s *shop) check(t *testing.T, consumer *child) {
	t.Helper()
	address := consumer.says(t, "metrics and health are served", "address")
	assert.JSONEq(t, `{"status":"ok"}`, get(t, address, "/livez"))
	assert.Contains(t, get(t, address, "/readyz"), `{"check":"queue","name":"mails","provider":"redis","status":"ok"}`)
	metrics := get(t, address, "/metrics")
	assert.Contains(t, metrics, fmt.Sprintf("taskgen_worker_slots %d\n", workers))
	assert.Contains(t, metrics, fmt.Sprintf("taskgen_worker_slots_busy{provider=\"redis\",queue=\"mails\"} %d\n", workers))
	require.EventuallyWithT(t, func(t *assert.CollectT) { // a worker joins beside its first tasks
		all, err := fleet.New(s.provider.Fleet(), fleet.Config{}).List(context.Background())
		require.NoError(t, err)
		require.Len(t, all, 1)
		assert.Equal(t, consumer.Process.Pid, all[0].PID)
		assert.Equal(t, workers, all[0].Slots)
	}, patience, 10*time.Millisecond)
}

// stopWhileOrdersCome returns what confirms the orders that the producer has answered.
func (s *shop) stopWhileOrdersCome(t *testing.T, producer *child, address string) []string {
	t.Helper()
	var confirmations []string
	placed := make(chan string)
	go func() {
		defer close(placed)
		for number := first + 1; ; number++ {
			id := order(t, address, number)
			if id == "" {
				return
			}
			placed <- id
		}
	}()
	for id := range placed {
		confirmations = append(confirmations, id)
		if len(confirmations) == first { // in the middle of them
			producer.terminate(t)
		}
	}
	producer.ends(t)
	require.GreaterOrEqual(t, len(confirmations), first)
	return confirmations
}

// checkEmpty looks at what the programs have left.
func (s *shop) checkEmpty(t *testing.T) {
	t.Helper()
	for _, cfg := range tasks.Queues() {
		q, err := s.manager.Queue(cfg.Name)
		require.NoError(t, err)
		stats, err := q.Stats(within(t))
		require.NoError(t, err)
		assert.Equal(t, driver.Stats{}, stats, cfg.Name)
	}
	workers, err := fleet.New(s.provider.Fleet(), fleet.Config{}).List(within(t))
	require.NoError(t, err)
	assert.Empty(t, workers)
}

// checkSpans looks at what the programs have told the collector, the last of it at their ends.
func (s *shop) checkSpans(t *testing.T) {
	t.Helper()
	for service, name := range map[string]string{"shop-producer": "send mails", "shop-scheduler": "send reports", "shop-consumer": "process mails"} {
		_, err := s.spans.Await(within(t), func(span collector.Span) bool { return span.Service == service && span.GetName() == name })
		assert.NoError(t, err)
	}
}
