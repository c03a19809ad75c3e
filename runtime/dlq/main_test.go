package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(childEnv); address != "" {
		work(address)
	}
	goleak.VerifyTestMain(m)
}

// soon bounds every wait of a test for something that happens at once.
const soon = 5 * time.Minute

// start is when the first letter dies.
var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// An env is a queue with a box for its dead letters.
type env struct {
	*testing.T
	ctx   context.Context
	m     *runtime.Manager
	queue driver.Queue
	box   *dlq.Box
}

// mails knows the type mail, which has two secrets.
func mails() *runtime.Router {
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{
		Type: "mail", Aliases: []string{"letter"}, Queue: "q", Shape: "00fe5a9d0b1c", Secrets: []string{"password", "keys.*.value"},
		Schema: `{
			"$schema": "https://json-schema.org/draft/2020-12/schema",
			"type": "object",
			"properties": {
				"to": {"type": "string", "minLength": 1},
				"at": {"type": "string", "format": "date-time"},
				"size": {"type": "integer"},
				"password": {"type": "string"},
				"keys": {"type": "array", "items": {"type": "object", "properties": {"value": {"type": "string"}}}}
			},
			"required": ["to"],
			"additionalProperties": false
		}`,
	}, runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return nil }))
	return r
}

// newDesk opens the queue "q" of a provider.
func newEnv(t *testing.T, p runtime.Provider, cfg runtime.QueueConfig) *env {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	m := runtime.NewManager(runtime.ManagerConfig{})
	cfg.Name = "q"
	require.NoError(t, m.Open(ctx, p, cfg))
	t.Cleanup(func() { require.NoError(t, errors.Join(m.Close(), p.Close())) })
	q, err := m.Queue("q")
	require.NoError(t, err)
	box, err := dlq.Open(m, "q", dlq.Config{Router: mails(), Provider: p, PageSize: 7})
	require.NoError(t, err)
	return &env{T: t, ctx: ctx, m: m, queue: q, box: box}
}

func inMemory(t *testing.T) *env { return newEnv(t, memory.New(), runtime.QueueConfig{}) }

func mail(id string) *runtime.Task {
	return &runtime.Task{
		ID: id, Type: "mail", Queue: "q", CreatedAt: start.Add(-time.Hour), MaxRetries: 3, Shape: "0123456789ab",
		Payload: []byte(`{"to":"` + id + `@example.com","password":"hush","keys":[{"value":"hush"}],"size":12345678901234567890}`),
	}
}

// bury has tasks die, a second after one another, each of the cause that why says.
func (d *env) bury(why func(i int) error, tasks ...*runtime.Task) {
	d.Helper()
	_, err := d.queue.Enqueue(d.ctx, tasks)
	require.NoError(d, err)
	byID := make(map[string]int, len(tasks))
	for i, t := range tasks {
		byID[t.ID] = i
	}
	for left := len(tasks); left > 0; {
		ds, err := d.queue.Dequeue(d.ctx, 100, time.Minute)
		require.NoError(d, err)
		for _, x := range ds {
			i := byID[x.Task.ID]
			at := start.Add(time.Duration(i) * time.Second)
			driver.RecordAttempt(x.Task, 1, "w-1", at, 5*time.Millisecond, why(i))
			driver.RecordDeath(x.Task, "q", at, why(i))
		}
		require.NoError(d, d.queue.DeadLetter(d.ctx, ds))
		left -= len(ds)
	}
}

// buryMails buries n mails, m00 first, every third of them of a time out.
func (d *env) buryMails(n int) {
	tasks := make([]*runtime.Task, n)
	for i := range tasks {
		tasks[i] = mail(fmt.Sprintf("m%02d", i))
	}
	d.bury(func(i int) error {
		if i%3 == 0 {
			return fmt.Errorf("dial 10.0.0.%d:25: timeout after %d ms", i, i*17)
		}
		return fmt.Errorf("mailbox %q is full", fmt.Sprint("box", i))
	}, tasks...)
}

func (d *env) ids(f dlq.Filter) []string {
	d.Helper()
	page, next, err := d.box.List(d.ctx, f, "", 10_000)
	require.NoError(d, err)
	require.Empty(d, next)
	ids := []string{}
	for i := range page {
		ids = append(ids, page[i].ID)
	}
	return ids
}

// takeAll takes what is on the queue, and completes it.
func (d *env) takeAll(n int) map[string]*runtime.Task {
	d.Helper()
	all := make(map[string]*runtime.Task)
	for len(all) < n {
		ds, err := d.queue.Dequeue(d.ctx, 100, time.Minute)
		require.NoError(d, err)
		for _, x := range ds {
			all[x.Task.ID] = x.Task
		}
		require.NoError(d, d.queue.Complete(d.ctx, ds))
	}
	return all
}
