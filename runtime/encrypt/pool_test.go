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
	requireHidden := func(state runtime.State) {
		t.Helper()
		tasks, _, err := q.(runtime.Browser).Browse(t.Context(), state, "", 10)
		require.NoError(t, err)
		require.Len(t, tasks, 1)
		assert.Equal(t, "zstd,aes-gcm", tasks[0].Encoding)
		assert.NotContains(t, string(runtime.AppendEnvelope(nil, tasks[0])), "hunter2")
	}

	_, err = runtime.Enqueue(t.Context(), m, spec, &secret)
	require.NoError(t, err)
	requireHidden(runtime.Ready)
	runs, err := pool.Drain(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, runs)
	requireHidden(runtime.Dead)
	_, err = q.(runtime.Redriver).Redrive(t.Context(), nil)
	require.NoError(t, err)
	requireHidden(runtime.Ready)
	runs, err = pool.Drain(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, runs)
	assert.Empty(t, outcomes)
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
	require.Len(t, file.Vectors, 3)
	c, err := compress.New(compress.Config{})
	require.NoError(t, err)
	for _, v := range file.Vectors {
		t.Run(v.About, func(t *testing.T) {
			task, err := runtime.DecodeEnvelope([]byte(v.Envelope))
			require.NoError(t, err)
			got, err := handled(task, newRing(t, "2026-03", file.Keys).Handle, c.Handle)
			require.NoError(t, err)
			assert.Empty(t, got.Encoding)
			assert.Equal(t, v.Payload, string(got.Payload))
		})
	}
}
