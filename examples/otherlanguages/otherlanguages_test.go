// Package otherlanguages shows how programs in other languages enqueue tasks.
package otherlanguages

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/rabbitmq"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqs"

	"github.com/taskgen/taskgen/examples/otherlanguages/tasks"
)

// patience bounds the wait for what is to come.
const patience = 2 * time.Minute

// A spec is what a producer reads.
type spec struct {
	Type         string     `json:"type"`
	Queue        string     `json:"queue"`
	Payload      any        `json:"payload"`
	Priority     int        `json:"priority,omitempty"`
	GroupKey     string     `json:"group_key,omitempty"`
	UniqueKey    string     `json:"unique_key,omitempty"`
	UniqueForMS  int        `json:"unique_for_ms,omitempty"`
	ScheduledFor *time.Time `json:"scheduled_for,omitempty"`
}

func mail(to string) spec { return spec{Type: "mail", Queue: "mails", Payload: tasks.MailTask{To: to}} }

func alert(text string, priority int) spec {
	return spec{Type: "alert", Queue: "alerts", Payload: tasks.AlertTask{Text: text}, Priority: priority}
}

func order(name string, step int) spec {
	return spec{Type: "order", Queue: "orders", Payload: tasks.OrderTask{Order: name, Step: step}, GroupKey: name}
}

// work notes what the handlers get, by queue and group.
type work struct {
	mu   sync.Mutex
	done map[string][]string
	at   map[string]time.Time
	news chan struct{}
}

func (w *work) note(queue, what string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[queue] = append(w.done[queue], what)
	w.at[what] = time.Now()
	select {
	case w.news <- struct{}{}:
	default:
	}
	return nil
}

func (w *work) HandleMail(_ context.Context, t tasks.MailTask) error { return w.note("mails", t.To) }

func (w *work) HandleAlert(_ context.Context, t tasks.AlertTask) error {
	return w.note("alerts", t.Text)
}

func (w *work) HandleOrder(_ context.Context, t tasks.OrderTask) error {
	return w.note(t.Order, fmt.Sprint(t.Order, t.Step))
}

// await waits until as many tasks as wanted were handled.
func (w *work) await(t *testing.T, want int) {
	t.Helper()
	timeout := time.After(patience)
	for {
		w.mu.Lock()
		n := 0
		for _, some := range w.done {
			n += len(some)
		}
		w.mu.Unlock()
		if n >= want {
			return
		}
		select {
		case <-w.news:
		case <-timeout:
			require.FailNow(t, "tasks are missing", "%d of %d came: %v", n, want, w.done)
		}
	}
}

// A broker is one that a producer in another language enqueues on.
type broker struct {
	start func() (*testserver.Server, error)
	open  func(ctx context.Context, url string) (runtime.Provider, error)
	// produce enqueues the tasks, and returns for each its ID or "duplicate".
	produce func(t *testing.T, url string, specs []spec) []string
	keys    bool // it keeps unique keys
	told    bool // and tells the producer that one is taken
}

var brokers = map[string]broker{
	"redis": {
		start:   func() (*testserver.Server, error) { return testserver.Redis() },
		open:    func(ctx context.Context, url string) (runtime.Provider, error) { return redis.Open(ctx, url) },
		produce: script("redis.mjs"), keys: true,
	},
	"nats": {
		start:   func() (*testserver.Server, error) { return testserver.NATS() },
		open:    func(ctx context.Context, url string) (runtime.Provider, error) { return nats.Open(ctx, url) },
		produce: script("nats.mjs"), keys: true, told: true,
	},
	"sqs":                      {start: startSQS, open: openSQS, produce: script("sqs.mjs")},
	"sqs with envelopes alone": {start: startSQS, open: openSQS, produce: sendBodies},
	"rabbitmq": {
		start:   func() (*testserver.Server, error) { return testserver.RabbitMQ() },
		open:    func(ctx context.Context, url string) (runtime.Provider, error) { return rabbitmq.Open(ctx, url) },
		produce: publish,
	},
}

func startSQS() (*testserver.Server, error) { return testserver.SQSEmulator(testserver.FauxSQS) }

func openSQS(ctx context.Context, url string) (runtime.Provider, error) {
	return sqs.Open(ctx, "sqs://us-east-1?endpoint="+url, sqs.WithWait(time.Second))
}

// script runs a producer in JavaScript.
func script(name string) func(t *testing.T, url string, specs []spec) []string {
	return func(t *testing.T, url string, specs []spec) []string {
		t.Helper()
		node, err := testserver.Node()
		require.NoError(t, err)
		in, err := json.Marshal(specs)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, node, name, url)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
		out, err := cmd.Output()
		require.NoError(t, err, "%s %s", name, out)
		answers := strings.Fields(string(out))
		require.Len(t, answers, len(specs))
		return answers
	}
}

func TestATaskOfAProducerInAnotherLanguageIsOneAsAnyOther(t *testing.T) {
	for name, b := range brokers {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "test") // an emulator takes any
			t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
			b.test(t)
		})
	}
}

func (b broker) test(t *testing.T) {
	s, err := b.start()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	p, err := b.open(t.Context(), s.URL)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), p, tasks.Queues()...))

	soon := time.Now().Add(3 * time.Second)
	later := mail("later")
	later.ScheduledFor = &soon
	laterAlert := alert("later alert", 0) // so that it comes last, however late the workers begin
	laterAlert.ScheduledFor = &soon
	laterOrder := order("later order ", 1)
	laterOrder.ScheduledFor = &soon
	specs := []spec{
		mail("Ada"), later,
		alert("low", 0), alert("high", 2), laterAlert,
		order("a", 1), order("b.ö", 1), order("a", 2), laterOrder, order("a", 3), order("b.ö", 2),
	}
	want := map[string][]string{
		"mails": {"Ada", "later"}, "alerts": {"high", "low", "later alert"},
		"a": {"a1", "a2", "a3"}, "b.ö": {"b.ö1", "b.ö2"}, "later order ": {"later order 1"},
	}
	if b.keys {
		first, second := mail("first"), mail("second")
		first.UniqueKey, second.UniqueKey = "one, please", "one, please"
		third, fourth := mail("third"), mail("fourth")
		third.UniqueKey, fourth.UniqueKey = "one an hour", "one an hour"
		third.UniqueForMS, fourth.UniqueForMS = 3600_000, 3600_000
		specs = append(specs, first, second, third, fourth)
		want["mails"] = []string{"Ada", "first", "later", "third"}
	}
	answers := b.produce(t, s.URL, specs)
	if b.told {
		assert.Equal(t, "duplicate", answers[len(answers)-3])
	}

	w := &work{done: make(map[string][]string), at: make(map[string]time.Time), news: make(chan struct{}, 1)}
	r := runtime.NewRouter()
	tasks.RegisterHandlers(r, w)
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1})
	require.NoError(t, err)
	require.NoError(t, pool.Start(context.Background()))
	n := 0
	for _, some := range want {
		n += len(some)
	}
	w.await(t, n)
	require.NoError(t, pool.Stop(context.Background()))
	sortMails(w.done["mails"])
	assert.Equal(t, want, w.done)
	for _, one := range []string{"later", "later alert", "later order 1"} {
		assert.False(t, w.at[one].Before(soon), "%s is early by %s", one, soon.Sub(w.at[one]))
	}
	for _, q := range tasks.Queues() {
		open, err := m.Queue(q.Name)
		require.NoError(t, err)
		stats, err := open.Stats(t.Context())
		require.NoError(t, err)
		assert.Zero(t, cmp.Or(stats.Ready, stats.Scheduled, stats.Leased, stats.Dead), "%s: %+v", q.Name, stats)
	}
}

func TestTheCommandOfTheReadmeEnqueues(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, block, ok := strings.Cut(string(text), "```sh\n")
	require.True(t, ok)
	block, _, ok = strings.Cut(block, "```")
	require.True(t, ok)
	b := brokers["redis"]
	s, err := b.start()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop()) })
	p, err := b.open(t.Context(), s.URL)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), p, tasks.Queues()...))

	node, err := testserver.Node()
	require.NoError(t, err)
	require.Contains(t, block, "node redis.mjs redis://127.0.0.1:6379")
	block = strings.NewReplacer("node ", "'"+node+"' ", "redis://127.0.0.1:6379", s.URL).Replace(block)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", block).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Len(t, strings.Fields(string(out)), 4)
	for queue, want := range map[string]int64{"mails": 2, "alerts": 1, "orders": 1} {
		q, err := m.Queue(queue)
		require.NoError(t, err)
		stats, err := q.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, int64(stats.Ready), "of %s", queue)
	}
}
