package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taskgen/taskgen/internal/output"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/encrypt"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/server"
)

// A burial is a call of a hook.
type burial struct {
	task  runtime.TaskInfo
	mail  mail
	cause string
}

// hooked makes a pool, which does not work, with a hook for mails.
func hooked(t *testing.T, m *runtime.Manager, answer error, mw ...runtime.Middleware) *[]burial {
	t.Helper()
	all := new([]burial)
	r := runtime.NewRouter()
	r.Use(mw...)
	runtime.Register(r, mailSpec, func(context.Context, mail) error { return errors.New("it does not run here") })
	runtime.OnDead(r, mailSpec, func(ctx context.Context, payload mail, cause error) error {
		info, ok := runtime.TaskFromContext(ctx)
		assert.True(t, ok)
		deadline, ok := ctx.Deadline()
		assert.True(t, ok && time.Until(deadline) > 0)
		*all = append(*all, burial{info, payload, cause.Error()})
		return answer
	})
	_, err := runtime.NewPool(m, r, runtime.PoolConfig{Queues: []runtime.PoolQueue{{Name: "mails"}}})
	require.NoError(t, err)
	return all
}

func TestTheHookOfATaskThatDiesOverTheWireIsCalled(t *testing.T) {
	q := serveQueues(t, inMemory(t), func(cfg *server.Config) { cfg.Results = nil })
	hooks := hooked(t, q.m, nil)
	c := q.as(firstToken, connect.WithGRPC())
	task := aMail("ada")
	task.Type = "old-mail"
	id := enqueued(t, c, task)
	failed(t, c, &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "no", RetryAfter: durationpb.New(0)})
	assert.Empty(t, *hooks, "it is tried again")
	failed(t, c, &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "never", Permanent: true})
	require.Len(t, *hooks, 1)
	got := (*hooks)[0]
	assert.Equal(t, id, got.task.ID)
	assert.Equal(t, "ada", got.mail.To)
	assert.Equal(t, "never", got.cause)
	assert.Equal(t, 2, got.task.Attempt)
	assert.Equal(t, "never", got.task.Metadata[driver.MetaFailureReason])
	assert.Equal(t, driver.Dead, q.found(t, "mails", id).State)

	enqueued(t, c, aMail("bob"))
	_, err := c.DeadLetter(soonEnough(t), &v1.DeadLetterRequest{LeaseIds: []string{dequeued(t, c, "mails").GetLeaseId()}, Reason: "spam"})
	require.NoError(t, err)
	require.Len(t, *hooks, 2)
	assert.Equal(t, "spam", (*hooks)[1].cause)

	enqueued(t, c, aMail("cai"))
	completed(t, c, dequeued(t, c, "mails").GetLeaseId())
	assert.Len(t, *hooks, 2)
}

func TestAHookOverTheWireGetsWhatTheMiddlewareDecrypts(t *testing.T) {
	ring, err := encrypt.NewKeyRing("1", map[string][]byte{"1": bytes.Repeat([]byte{7}, 32)})
	require.NoError(t, err)
	store := inMemory(t)
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{ring.Enqueue}})
	require.NoError(t, m.Open(t.Context(), store.provider, queues...))
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	q := serveManager(t, m, store, func(cfg *server.Config) { cfg.Results = nil })
	hooks := hooked(t, m, nil, ring.Handle)
	c := q.as(firstToken, connect.WithGRPC())
	enqueued(t, c, aMail("ada"))
	d := dequeued(t, c, "mails")
	require.NotEmpty(t, d.GetTask().GetEncoding())
	failed(t, c, &v1.FailedTask{LeaseId: d.GetLeaseId(), Error: "never", Permanent: true})
	require.Len(t, *hooks, 1)
	assert.Equal(t, "ada", (*hooks)[0].mail.To)
	assert.Empty(t, (*hooks)[0].task.Encoding)
}

func TestAHookThatFailsOverTheWireIsLogged(t *testing.T) {
	var log output.Buffer
	q := serveQueues(t, inMemory(t), func(cfg *server.Config) { cfg.Results, cfg.Logger = nil, slog.New(slog.NewTextHandler(&log, nil)) })
	hooks := hooked(t, q.m, errors.New("the hook is broken"))
	c := q.as(firstToken, connect.WithGRPC())
	id := enqueued(t, c, aMail("ada"))
	failed(t, c, &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "never", Permanent: true})
	require.Len(t, *hooks, 1)
	assert.Contains(t, log.String(), "the hook is broken")
	assert.NotContains(t, log.String(), mailCanary)
	assert.Equal(t, driver.Dead, q.found(t, "mails", id).State)
}

// A program that serves the API and has no pool records all the same, also what ends with it.
func TestARunOverTheWireIsInTheHistory(t *testing.T) {
	store, past := inMemory(t), history.New(memory.NewHistory(), history.Config{})
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{past.Listener()}})
	require.NoError(t, m.Open(t.Context(), store.provider, queues...))
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	q := serveManager(t, m, store, func(cfg *server.Config) { cfg.History = past })
	c := q.as(firstToken, connect.WithGRPC())
	id := enqueued(t, c, aMail("ada"))
	failed(t, c, &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "no", RetryAfter: durationpb.New(0)})
	dequeued(t, c, "mails")
	require.NoError(t, q.Close())
	require.NoError(t, past.Close(t.Context()))
	runs, err := past.Task(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, runs, 2)
	assert.Equal(t, []history.Outcome{driver.Retried, driver.Released}, []history.Outcome{runs[0].Outcome, runs[1].Outcome})
	assert.Equal(t, "no", runs[0].Error)
	assert.Equal(t, "first", runs[0].Worker)
	assert.Equal(t, "mail", runs[0].Type)
	assert.Equal(t, 1, runs[0].Attempt)
}

func TestListenersLearnTheTypesOfAServer(t *testing.T) {
	var mu sync.Mutex
	known := make(map[string]bool)
	knows := func(name string) bool {
		mu.Lock()
		defer mu.Unlock()
		return known[name]
	}
	store := inMemory(t)
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{{TypesLearned: func(types []observe.Type) {
		mu.Lock()
		defer mu.Unlock()
		for _, d := range types {
			known[d.Name] = true
		}
	}}}})
	require.NoError(t, m.Open(t.Context(), store.provider, queues...))
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	workers := memory.NewFleet()
	require.NoError(t, workers.PutTypes(t.Context(), []fleet.Type{{Name: "of the fleet", Queue: "mails"}}, time.Hour))
	q := serveManager(t, m, store, func(cfg *server.Config) {
		cfg.Fleet = fleet.New(workers, fleet.Config{})
		cfg.Catalog = fleet.Types{{Name: "of the catalog", Queue: "mails"}}
	})
	assert.True(t, knows("mail") && knows("of the catalog"), "from the start")
	_, err := m.Enqueue(t.Context(), []*runtime.Task{{Type: "of the fleet", Queue: "mails", Payload: []byte("1")}})
	require.NoError(t, err)
	dequeued(t, q.as(firstToken, connect.WithGRPC()), "mails")
	assert.True(t, knows("of the fleet"), "once a worker has a task of it")
	assert.False(t, knows("invented"))
}
