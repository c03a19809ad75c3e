package redis

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest"
)

func TestMain(m *testing.M) {
	drivertest.Child(single, clustered)
	goleak.VerifyTestMain(m)
}

// soon bounds every wait of a test for something that happens at once.
const soon = 2 * time.Minute

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(cancel)
	return ctx
}

// shared is the server that most tests share; it lives as long as the process.
var shared = sync.OnceValues(func() (*testserver.Server, error) { return testserver.Redis() })

var prefixes atomic.Int64

// newPrefix makes keys that no other test uses.
func newPrefix() string { return fmt.Sprintf("test%d", prefixes.Add(1)) }

// sharedURL is the address of the shared server, with a prefix of its own.
func sharedURL(t testing.TB) string {
	t.Helper()
	s, err := shared()
	require.NoError(t, err)
	return withPrefix(s.URL, newPrefix())
}

func withPrefix(url, prefix string) string {
	join := "?"
	if strings.Contains(url, "?") {
		join = "&"
	}
	return url + join + "prefix=" + prefix
}

// own starts a server for one test.
func own(t testing.TB, args ...string) *testserver.Server {
	t.Helper()
	s, err := testserver.Redis(args...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func open(t testing.TB, url string, opts ...Option) *Provider {
	t.Helper()
	p, err := Open(within(t), url, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func openQueue(t testing.TB, p *Provider, cfg driver.QueueConfig) *queue {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "q"
	}
	q, err := p.Open(within(t), cfg)
	require.NoError(t, err)
	return q.(*queue)
}

// admin is a client of the server at url, past the provider.
func admin(t testing.TB, url string) goredis.UniversalClient {
	t.Helper()
	c, _, err := dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func task(id string) *driver.Task {
	return &driver.Task{ID: id, Type: "t", Queue: "q", Payload: []byte(`{"n":1}`), CreatedAt: time.Now(), MaxRetries: 3}
}

func tasks(n int) []*driver.Task {
	all := make([]*driver.Task, n)
	for i := range all {
		all[i] = task(fmt.Sprintf("t%05d", i))
	}
	return all
}

func enqueue(t testing.TB, q *queue, tasks ...*driver.Task) []driver.Enqueued {
	t.Helper()
	answers, err := q.Enqueue(within(t), tasks)
	require.NoError(t, err)
	return answers
}

// take dequeues n tasks.
func take(t testing.TB, q *queue, n int) []*driver.Delivery {
	t.Helper()
	var all []*driver.Delivery
	for len(all) < n {
		ds, err := q.Dequeue(within(t), n-len(all), time.Minute)
		require.NoError(t, err)
		all = append(all, ds...)
	}
	return all
}

func stats(t testing.TB, q *queue) driver.Stats {
	t.Helper()
	s, err := q.Stats(within(t))
	require.NoError(t, err)
	return s
}
