package encrypt

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/compress"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A secret task fails, is retried, dies, is redriven and succeeds: the handler
// reads it each time, and nobody can read it on the queue.
func TestTaskStaysEncryptedThroughItsWholeLife(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	c, err := compress.New(compress.Config{})
	require.NoError(t, err)
	provider := memory.New()
	defer provider.Close()
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{c.Enqueue, ring.Enqueue}})
	defer m.Close()
	require.NoError(t, m.Open(t.Context(), provider, runtime.QueueConfig{Name: "q"}))
	q, err := m.Queue("q")
	require.NoError(t, err)

	spec := &runtime.Spec[string]{Type: "t", Queue: "q", Retry: runtime.RetryPolicy{Max: 1}}
	secret := strings.Repeat("hunter2 ", 1000)
	failure := errors.New("no answer")
	outcomes := []error{runtime.RetryAfter(0, failure), failure, nil}
	router := runtime.NewRouter()
	router.Use(ring.Handle, c.Handle)
	runtime.Register(router, spec, func(_ context.Context, got string) error {
		assert.Equal(t, secret, got)
		err := outcomes[0]
		outcomes = outcomes[1:]
		return err
	})
	pool, err := runtime.NewPool(m, router, runtime.PoolConfig{Workers: 1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	requireHidden := func(state driver.State) {
		t.Helper()
		tasks, _, err := q.(driver.Browser).Browse(t.Context(), state, "", 10)
		require.NoError(t, err)
		require.Len(t, tasks, 1)
		assert.Equal(t, "zstd,aes-gcm", tasks[0].Encoding)
		assert.NotContains(t, string(driver.AppendEnvelope(nil, tasks[0])), "hunter2")
	}

	_, err = runtime.Enqueue(t.Context(), m, spec, &secret)
	require.NoError(t, err)
	requireHidden(driver.Ready)
	runs, err := pool.Drain(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, runs)
	requireHidden(driver.Dead)
	_, err = q.(driver.Redriver).Redrive(t.Context(), nil)
	require.NoError(t, err)
	requireHidden(driver.Ready)
	runs, err = pool.Drain(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, runs)
	assert.Empty(t, outcomes)
}

// charges is the spec of a task with a result, whose old name is an alias.
func charges() *runtime.Spec[string] {
	return &runtime.Spec[string]{Type: "charge", Aliases: []string{"old-charge"}, Queue: "q", Secrets: []string{""}}
}

func work(t *testing.T, m *runtime.Manager, results driver.ResultStore, ring *KeyRing) {
	t.Helper()
	router := runtime.NewRouter()
	router.Use(ring.Handle)
	runtime.RegisterWithResult(router, charges(), func(_ context.Context, card string) (string, error) { return "paid by " + card, nil })
	pool, err := runtime.NewPool(m, router, runtime.PoolConfig{Workers: 1, Results: results})
	require.NoError(t, err)
	_, err = pool.Drain(t.Context())
	require.NoError(t, err)
}

func open(t *testing.T, ring *KeyRing) (*runtime.Manager, driver.Queue) {
	t.Helper()
	provider := memory.New()
	t.Cleanup(func() { require.NoError(t, provider.Close()) })
	m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{ring.Enqueue}})
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	require.NoError(t, m.Open(t.Context(), provider, runtime.QueueConfig{Name: "q"}))
	q, err := m.Queue("q")
	require.NoError(t, err)
	return m, q
}

func TestResultIsEncryptedInItsStore(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	m, _ := open(t, ring)
	results, card := memory.NewResults(), "hunter2"
	enqueued, err := runtime.Enqueue(t.Context(), m, charges(), &card)
	require.NoError(t, err)
	work(t, m, results, ring)

	stored, err := results.Await(t.Context(), enqueued.ID)
	require.NoError(t, err)
	assert.NotContains(t, string(stored), "hunter2")
	_, err = runtime.Await[string, string](t.Context(), results, charges(), enqueued.ID)
	require.ErrorContains(t, err, `is encoded as "aes-gcm"`)
	got, err := runtime.Await[string, string](t.Context(), ring.Results(results), charges(), enqueued.ID)
	require.NoError(t, err)
	assert.Equal(t, "paid by hunter2", got)

	require.NoError(t, results.PutResult(t.Context(), "another", stored, "", 0))
	_, err = ring.Results(results).Await(t.Context(), "another")
	require.ErrorIs(t, err, runtime.ErrInvalidTask, "it is another task's")
	other := newRing(t, "other", map[string][]byte{"other": newKey(t)})
	_, err = other.Results(results).Await(t.Context(), enqueued.ID)
	require.ErrorIs(t, err, ErrUnknownKey)

	require.NoError(t, results.PutResult(t.Context(), "plain", []byte(`"1"`), "", 0))
	plain, err := ring.Results(results).Await(t.Context(), "plain")
	require.NoError(t, err, "of before there was a ring")
	assert.Equal(t, `"1"`, string(plain))
	strict := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	RequireAll()(strict)
	_, err = strict.Results(results).Await(t.Context(), "plain")
	require.ErrorIs(t, err, ErrNotEncrypted)
}

func TestStrictRingRefusesATypeByItsAliasesToo(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	Require("charge")(ring)
	m, q := open(t, ring)
	for _, name := range []string{"charge", "old-charge"} {
		_, err := q.Enqueue(t.Context(), []*runtime.Task{{ID: name, Type: name, Queue: "q", Payload: []byte(`"forged"`)}})
		require.NoError(t, err)
	}
	card := "hunter2"
	good, err := runtime.Enqueue(t.Context(), m, charges(), &card)
	require.NoError(t, err)
	results := memory.NewResults()
	work(t, m, results, ring)
	for _, name := range []string{"charge", "old-charge"} {
		_, err := results.Await(t.Context(), name)
		require.ErrorIs(t, err, runtime.ErrTaskFailed)
		require.ErrorContains(t, err, "encrypt: not encrypted")
	}
	_, err = results.Await(t.Context(), good.ID)
	require.NoError(t, err)
	dead, _, err := q.(driver.Browser).Browse(t.Context(), driver.Dead, "", 10)
	require.NoError(t, err)
	assert.Len(t, dead, 2)
}

// The vectors of testdata/envelope/encodings.json, for other languages, decode
// to what they say.
func TestEncodingVectors(t *testing.T) {
	data, err := os.ReadFile("../../testdata/envelope/encodings.json")
	require.NoError(t, err)
	var file struct {
		Keys    map[string][]byte `json:"keys"`
		Vectors []struct{ About, Envelope, Payload string }
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.Len(t, file.Vectors, 5)
	ring := newRing(t, "2026-03", file.Keys)
	c, err := compress.New(compress.Config{})
	require.NoError(t, err)
	for _, v := range file.Vectors {
		t.Run(v.About, func(t *testing.T) {
			task, err := driver.DecodeEnvelope([]byte(v.Envelope))
			require.NoError(t, err)
			got, err := handled(task, ring.Handle, c.Handle)
			require.NoError(t, err)
			assert.Empty(t, got.Encoding)
			assert.Equal(t, v.Payload, string(got.Payload))
		})
	}
}

// A hook for dead tasks reads what the handler does, and what dies stays encrypted.
func TestAHookForDeadTasksIsGivenTheDecryptedPayload(t *testing.T) {
	ring := newRing(t, "k", map[string][]byte{"k": newKey(t)})
	c, err := compress.New(compress.Config{})
	require.NoError(t, err)
	secret := strings.Repeat("hunter2 ", 1000)
	for _, typed := range []bool{true, false} {
		provider := memory.New()
		defer provider.Close()
		m := runtime.NewManager(runtime.ManagerConfig{Middleware: []runtime.EnqueueMiddleware{c.Enqueue, ring.Enqueue}})
		require.NoError(t, m.Open(t.Context(), provider, runtime.QueueConfig{Name: "q"}))
		router := runtime.NewRouter()
		router.Use(ring.Handle, c.Handle)
		spec := charges()
		runtime.Register(router, spec, func(context.Context, string) error { return runtime.Skip(nil) })
		var told []string
		if typed {
			runtime.OnDead(router, spec, func(_ context.Context, got string, _ error) error {
				told = append(told, got)
				return nil
			})
		} else {
			router.OnDead(spec.Type, func(_ context.Context, got *runtime.Task, _ error) error {
				assert.Empty(t, got.Encoding)
				var text string
				assert.NoError(t, json.Unmarshal(got.Payload, &text))
				told = append(told, text)
				return nil
			})
		}
		pool, err := runtime.NewPool(m, router, runtime.PoolConfig{Workers: 1, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		_, err = runtime.Enqueue(t.Context(), m, spec, &secret)
		require.NoError(t, err)
		_, err = pool.Drain(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{secret}, told, "typed: %t", typed)
		q, err := m.Queue("q")
		require.NoError(t, err)
		dead, _, err := q.(driver.Browser).Browse(t.Context(), driver.Dead, "", 10)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		assert.Equal(t, "zstd,aes-gcm", dead[0].Encoding)
		require.NoError(t, m.Close())
	}
}
