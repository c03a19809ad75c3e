package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	signature "github.com/taskgen/taskgen/runtime/webhook"

	"github.com/taskgen/taskgen/examples/docsearch/internal/embed"
	"github.com/taskgen/taskgen/examples/docsearch/internal/index"
	"github.com/taskgen/taskgen/examples/docsearch/internal/webhook"
	"github.com/taskgen/taskgen/examples/docsearch/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outbox is an enqueuer that keeps what it is given, or fails.
type outbox struct {
	tasks []*runtime.Task
	err   error
}

func (o *outbox) Enqueue(_ context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
	if o.err != nil {
		return nil, o.err
	}
	o.tasks = append(o.tasks, tasks...)
	return make([]runtime.Enqueued, len(tasks)), nil
}

// take returns what was enqueued of one type, and empties the outbox.
func take[T any](t *testing.T, o *outbox, spec *runtime.Spec[T]) []T {
	t.Helper()
	var all []T
	for _, task := range o.tasks {
		require.Equal(t, spec.Type, task.Type)
		v, err := spec.Decode(task)
		require.NoError(t, err)
		all = append(all, v)
	}
	o.tasks = nil
	return all
}

// errCrash stands for a death between what a handler wrote and what it was to
// enqueue.
var errCrash = errors.New("crash")

func newHandlers(t *testing.T) (*handlers, *outbox, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	x, err := index.Open("")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, x.Close())
		require.NoError(t, root.Close())
	})
	o := &outbox{}
	return &handlers{root: root, index: x, splitters: newSplitters(), enqueuer: o, sender: webhook.NewSender(signature.NewSecret())}, o, dir
}

func TestEachStepGoesOnWhereItDiedBeforeItEnqueuedTheNext(t *testing.T) {
	h, o, dir := newHandlers(t)
	ctx := context.Background()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("# A\n\none\n\n## B\n\ntwo"), 0o600))

	document := tasks.DocumentTask{Path: "a.md"}
	o.err = errCrash
	require.ErrorIs(t, h.HandleDocument(ctx, document), errCrash)
	o.err = nil
	require.NoError(t, h.HandleDocument(ctx, document))
	chunks := take(t, o, &tasks.EmbeddingSpec)
	require.Len(t, chunks, 2)

	require.NoError(t, h.HandleEmbedding(ctx, chunks[0]))
	assert.Empty(t, o.tasks, "a chunk is missing")
	require.NoError(t, h.HandleDocument(ctx, document))
	assert.Equal(t, chunks[1:], take(t, o, &tasks.EmbeddingSpec), "only what is missing is enqueued again")

	o.err = errCrash
	require.ErrorIs(t, h.HandleEmbedding(ctx, chunks[1]), errCrash)
	o.err = nil
	require.NoError(t, h.HandleEmbedding(ctx, chunks[1]))
	collaborations := take(t, o, &tasks.CollaborationSpec)
	require.Len(t, collaborations, 1)
	assert.Equal(t, []string{"a.md#0", "a.md#1"}, collaborations[0].Participants)

	o.err = errCrash
	require.ErrorIs(t, h.HandleCollaboration(ctx, collaborations[0]), errCrash)
	o.err = nil
	require.NoError(t, h.HandleCollaboration(ctx, collaborations[0]))
	first := take(t, o, &tasks.WebhookSpec)
	require.NoError(t, h.HandleCollaboration(ctx, collaborations[0]))
	assert.Equal(t, first, take(t, o, &tasks.WebhookSpec), "a message that is made twice has the same ID")
	assert.Contains(t, string(first[0].Body), `"about":{"chunks":2,"model":"`+embed.Model+`"}`)
}

func TestTheFanInWaitsForEveryChunk(t *testing.T) {
	h, o, dir := newHandlers(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("text"), 0o600))
	require.NoError(t, h.HandleDocument(context.Background(), tasks.DocumentTask{Path: "a.md"}))
	chunk := take(t, o, &tasks.EmbeddingSpec)[0]
	err := h.HandleCollaboration(context.Background(), tasks.CollaborationTask{Document: "a.md", Version: chunk.Version})
	require.ErrorContains(t, err, "1 of its chunks are missing")
	assert.Empty(t, o.tasks)
}

func TestTasksOfAnOldVersionAreDoneWithNothingDone(t *testing.T) {
	h, o, dir := newHandlers(t)
	ctx := context.Background()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("old text"), 0o600))
	require.NoError(t, h.HandleDocument(ctx, tasks.DocumentTask{Path: "a.md"}))
	old := take(t, o, &tasks.EmbeddingSpec)[0]
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("new text"), 0o600))
	require.NoError(t, h.HandleDocument(ctx, tasks.DocumentTask{Path: "a.md"}))
	take(t, o, &tasks.EmbeddingSpec)

	require.NoError(t, h.HandleEmbedding(ctx, old))
	require.NoError(t, h.HandleCollaboration(ctx, tasks.CollaborationTask{Document: "a.md", Version: old.Version}))
	assert.Empty(t, o.tasks)
}

func TestADeletedDocumentLeavesTheIndex(t *testing.T) {
	h, o, dir := newHandlers(t)
	ctx := context.Background()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("text"), 0o600))
	require.NoError(t, h.HandleDocument(ctx, tasks.DocumentTask{Path: "a.md"}))
	require.NoError(t, os.Remove(filepath.Join(dir, "a.md")))
	take(t, o, &tasks.EmbeddingSpec)
	require.NoError(t, h.HandleDocument(ctx, tasks.DocumentTask{Path: "a.md"}))
	documents, err := h.index.Documents(ctx)
	require.NoError(t, err)
	assert.Empty(t, documents)
	assert.Empty(t, o.tasks)
}

func TestNoTaskReadsOutsideOfTheFolder(t *testing.T) {
	h, o, dir := newHandlers(t)
	outside := filepath.Join(filepath.Dir(dir), "outside.md")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for _, path := range []string{"../outside.md", outside} {
		assert.Error(t, h.HandleDocument(context.Background(), tasks.DocumentTask{Path: path}))
	}
	assert.Empty(t, o.tasks)
}

func TestWhatNoRetryMendsDiesAtOnce(t *testing.T) {
	h, _, dir := newHandlers(t)
	ctx := context.Background()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.md"), []byte("text"), 0o600))
	for name, err := range map[string]error{
		"parameters": h.HandleDocument(ctx, tasks.DocumentTask{Path: "a.md", Parameters: map[string]any{"size": "big"}}),
		"model":      h.HandleEmbedding(ctx, tasks.EmbeddingTask{Model: "large"}),
		"endpoint":   h.HandleWebhook(ctx, tasks.WebhookTask{ID: "msg_1", Endpoint: "nowhere", Body: []byte(`{}`)}),
	} {
		require.Error(t, err, name)
		assert.False(t, runtime.DefaultRetryable(err), name)
	}
	err := h.HandleDocument(ctx, tasks.DocumentTask{Path: "a.md", Parameters: map[string]any{"splitter": lateSplitter}})
	assert.True(t, runtime.DefaultRetryable(err), "another worker may have the splitter")
	h.splitters.rollOut()
	assert.NoError(t, h.HandleDocument(ctx, tasks.DocumentTask{Path: "a.md", Parameters: map[string]any{"splitter": lateSplitter}}))
}

func TestTheReceiverSaysWhenToComeAgain(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", strings.TrimPrefix(r.URL.Path, "/"))
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	h, _, _ := newHandlers(t)
	defer h.sender.Client.CloseIdleConnections()
	h.endpoints = map[string]string{"patient": server.URL + "/7", "silent": server.URL}
	send := func(endpoint string) error {
		return h.HandleWebhook(context.Background(), tasks.WebhookTask{ID: "msg_1", Endpoint: endpoint, Body: []byte(`{}`)})
	}
	var refused *webhook.StatusError
	err := send("patient")
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, runtime.RetryAfter(7*time.Second, refused), err)
	err = send("silent")
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, error(refused), err, "the policy's own backoff")
}
