package fleettest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/fleet/payload"
)

// soon bounds every wait for something that happens within some heartbeats.
const soon = time.Minute

// addresses are the places of the tests: each returns one of its own.
var addresses = map[string]func(t *testing.T) string{
	"redis": func(t *testing.T) string { return serve(t)(testserver.Redis()) },
	"nats":  func(t *testing.T) string { return serve(t)(testserver.NATS()) },
	"sqlite": func(t *testing.T) string {
		return filepath.Join(t.TempDir(), "tasks.db")
	},
}

func serve(t *testing.T) func(s *testserver.Server, err error) string {
	return func(s *testserver.Server, err error) string {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, s.Stop()) })
		return s.URL
	}
}

// An operator has no handlers: it knows what workers have published.
type operator struct {
	*testing.T
	m *runtime.Manager
	f *fleet.Fleet
}

func operate(t *testing.T, addr string) *operator {
	t.Helper()
	p, err := openPlace(t.Context(), addr)
	require.NoError(t, err)
	m, err := openManager(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
	return &operator{t, m, fleet.New(p.Fleet(), fleet.Config{})}
}

func (o *operator) enqueue(ids ...string) {
	o.Helper()
	for _, id := range ids {
		_, err := runtime.Enqueue(o.Context(), o.m, &spec, &secret{canary}, runtime.WithID(id))
		require.NoError(o, err)
	}
}

// canary is what no store of workers may hold.
const canary = "canary-4711"

// worker returns the worker with a name; nil if it is not listed.
func (o *operator) worker(name string) *fleet.Worker {
	o.Helper()
	all, err := o.f.List(o.Context())
	require.NoError(o, err)
	if i := slices.IndexFunc(all, func(w *fleet.Worker) bool { return w.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// until waits for something about the worker with a name, which is nil if it is not listed.
func (o *operator) until(what, name string, is func(w *fleet.Worker) bool) *fleet.Worker {
	o.Helper()
	var w *fleet.Worker
	require.Eventually(o, func() bool {
		w = o.worker(name)
		return is(w)
	}, soon, 20*time.Millisecond, "%s: %s is %+v", what, name, w)
	return w
}

func there(w *fleet.Worker) bool { return w != nil }
func gone(w *fleet.Worker) bool  { return w == nil }

func runs(id string) func(w *fleet.Worker) bool {
	return func(w *fleet.Worker) bool {
		return w != nil && slices.ContainsFunc(w.Running, func(r fleet.Run) bool { return r.TaskID == id })
	}
}

func (o *operator) stats() driver.Stats {
	o.Helper()
	q, err := o.m.Queue("q")
	require.NoError(o, err)
	s, err := q.Stats(o.Context())
	require.NoError(o, err)
	return s
}

func TestAWorkerIsGone15SecondsAfterKillMinus9(t *testing.T) {
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := address(t)
			o := operate(t, addr)
			killed, stays := spawn(t, addr, "killed"), spawn(t, addr, "stays")
			o.until("it starts", "stays", there)
			w := o.until("it starts", "killed", there)
			host, _ := os.Hostname()
			assert.Equal(t, []any{killed.PID(), host, 2}, []any{w.PID, w.Host, w.Slots})
			killed.Kill()
			began := time.Now()
			o.until("it was killed", "killed", gone)
			// The promise is TTL; the rest is for a busy machine, and for NATS.
			assert.Less(t, time.Since(began), fleet.TTL+10*time.Second)
			require.NotNil(t, o.worker("stays"))
			stays.Quit(t)
			require.Nil(t, o.worker("stays"), "a worker that stops has left when its process ends")
		})
	}
}

func TestWorkersOfOtherProcessesTakeOrders(t *testing.T) {
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := address(t)
			o := operate(t, addr)
			a, b := spawn(t, addr, "a"), spawn(t, addr, "b")
			id := o.until("it starts", "a", there).ID
			o.until("it starts", "b", there)

			require.NoError(t, o.f.Quiet(t.Context(), id))
			o.until("it was told to be quiet", "a", func(w *fleet.Worker) bool { return w != nil && w.Quiet })
			assert.False(t, o.worker("b").Quiet)
			o.enqueue("1", "2", "3")
			o.until("it has two workers", "b", func(w *fleet.Worker) bool { return w != nil && w.Busy == 2 })
			require.Zero(t, said(a, "begins"), "a quiet worker begins nothing")

			require.NoError(t, o.f.Resume(t.Context(), id))
			third := o.until("it was resumed", "a", func(w *fleet.Worker) bool { return w != nil && !w.Quiet && w.Busy == 1 }).Running[0].TaskID
			assert.Zero(t, o.stats().Ready)

			workers, err := o.f.Cancel(t.Context(), third)
			require.NoError(t, err)
			assert.Equal(t, []string{id}, workers)
			o.until("its task was cancelled", "a", func(w *fleet.Worker) bool { return w != nil && w.Busy == 0 })
			require.Eventually(t, func() bool { return said(a, "ends "+third+" "+driver.ErrCancelled.Error()) > 0 }, soon, time.Millisecond)
			require.Eventually(t, func() bool { return o.stats() == driver.Stats{Leased: 2} }, soon, 20*time.Millisecond, "a cancelled task is off its queue, and not dead")
			_, err = o.f.Cancel(t.Context(), third)
			require.ErrorIs(t, err, fleet.ErrNotRunning)
			// Nobody runs it again: a is free to.
			o.enqueue("4")
			o.until("it is free", "a", runs("4"))
			assert.Equal(t, 1, said(a, "begins "+third+"\n")+said(b, "begins "+third+"\n"))
		})
	}
}

// TestNoSecretReachesRedis reads all that the store of workers has written.
func TestNoSecretReachesRedis(t *testing.T) {
	t.Parallel()
	addr := addresses["redis"](t)
	o := operate(t, addr)
	spawn(t, addr, "a")
	o.enqueue("1")
	o.until("it runs", "a", runs("1"))
	options, err := goredis.ParseURL(addr)
	require.NoError(t, err)
	c := goredis.NewClient(options)
	defer c.Close()
	text := dump(t, c, "{taskgen}:fleet:*")
	assert.Contains(t, text, `"task_id":"1"`)
	assert.NotContains(t, text, canary)
	assert.Contains(t, dump(t, c, "{taskgen:q}:*"), canary, "where it is, dump finds it")

	types, err := o.f.Types(t.Context())
	require.NoError(t, err)
	secretType, ok := types.Of("secret")
	require.True(t, ok)
	assert.JSONEq(t, `{"token":"••••"}`, string(payload.Redact(secretType, []byte(`{"token":"`+canary+`"}`))))
	err = payload.Check(secretType, []byte(`{"token":["`+canary+`"]}`))
	require.ErrorIs(t, err, payload.ErrInvalid)
	assert.NotContains(t, err.Error(), canary)
}

// dump returns all that is stored under the keys of a pattern.
func dump(t *testing.T, c *goredis.Client, pattern string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	keys, err := c.Keys(ctx, pattern).Result()
	require.NoError(t, err)
	var all strings.Builder
	for _, key := range keys {
		all.WriteString(key + "\n")
		switch kind := c.Type(ctx, key).Val(); kind {
		case "string":
			all.WriteString(c.Get(ctx, key).Val())
		case "hash":
			fmt.Fprintln(&all, c.HGetAll(ctx, key).Val())
		case "zset":
			fmt.Fprintln(&all, c.ZRange(ctx, key, 0, -1).Val())
		case "list":
			fmt.Fprintln(&all, c.LRange(ctx, key, 0, -1).Val())
		case "set":
			fmt.Fprintln(&all, c.SMembers(ctx, key).Val())
		default:
			require.Fail(t, "a key of type "+kind)
		}
	}
	return all.String()
}
