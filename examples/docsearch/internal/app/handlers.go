package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/taskgen/taskgen/runtime"

	"github.com/taskgen/taskgen/examples/docsearch/internal/embed"
	"github.com/taskgen/taskgen/examples/docsearch/internal/index"
	"github.com/taskgen/taskgen/examples/docsearch/internal/split"
	"github.com/taskgen/taskgen/examples/docsearch/internal/webhook"
	"github.com/taskgen/taskgen/examples/docsearch/tasks"
)

// handlers do the work. Each may be killed at any point and run again, from its
// beginning: what it writes is keyed by what it is about, and it enqueues the
// next task before it returns, under a key that only one can hold.
type handlers struct {
	root      *os.Root
	index     *index.Index
	splitters *splitters
	enqueuer  runtime.Enqueuer
	sender    *webhook.Sender
	endpoints map[string]string // name → URL
}

var _ tasks.Handlers = (*handlers)(nil)

// endpointDocuments is the URL that receives webhooks about documents.
const endpointDocuments = "documents"

// HandleDocument splits a document and enqueues its chunks.
func (h *handlers) HandleDocument(ctx context.Context, task tasks.DocumentTask) error {
	source, err := h.root.ReadFile(task.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return h.index.Remove(ctx, task.Path) // deleted while it waited
	}
	if err != nil {
		return err
	}
	options, err := split.FromParameters(task.Parameters)
	if err != nil {
		return runtime.Skip(err) // no retry makes it right
	}
	cut, err := h.splitters.find(options.Splitter)
	if err != nil {
		return err // another worker may have it, or this one soon
	}
	chunks := cut(source, options)
	d := index.Document{
		Path: task.Path, Version: versionOf(source, task.Parameters), Chunks: len(chunks),
		Title: cmp.Or(split.Title(source), path.Base(task.Path)),
	}
	missing, err := h.index.Begin(ctx, d)
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		return h.enqueueCollaboration(ctx, d.Path, d.Version, d.Chunks)
	}
	todo := make([]tasks.EmbeddingTask, len(missing))
	for i, number := range missing {
		todo[i] = tasks.EmbeddingTask{
			Document: d.Path, Version: d.Version, Number: number, Of: d.Chunks,
			Heading: chunks[number].Heading, Text: chunks[number].Text, Model: embed.Model,
		}
	}
	_, err = tasks.EnqueueEmbeddingBatch(ctx, h.enqueuer, todo)
	return err
}

// HandleEmbedding embeds a chunk. The one that completes its document sets the
// next step off.
func (h *handlers) HandleEmbedding(ctx context.Context, task tasks.EmbeddingTask) error {
	if task.Model != embed.Model {
		return runtime.Skip(fmt.Errorf("the task asks for the model %q, this worker has %q", task.Model, embed.Model))
	}
	missing, err := h.index.Put(ctx, &index.Chunk{
		Path: task.Document, Version: task.Version, Number: task.Number,
		Heading: task.Heading, Text: task.Text,
		Vector: embed.Text(index.Embedded(task.Heading, task.Text)),
	})
	if errors.Is(err, index.ErrSuperseded) {
		return nil // the document has changed: its new version has tasks of its own
	}
	if err != nil || missing > 0 {
		return err
	}
	return h.enqueueCollaboration(ctx, task.Document, task.Version, task.Of)
}

func (h *handlers) enqueueCollaboration(ctx context.Context, document, version string, chunks int) error {
	task := tasks.CollaborationTask{Document: document, Version: version, Payload: map[string]any{"chunks": chunks, "model": embed.Model}}
	for number := range chunks {
		task.Participants = append(task.Participants, fmt.Sprintf("%s#%d", document, number))
	}
	_, err := tasks.EnqueueCollaboration(ctx, h.enqueuer, task)
	return err
}

// announcement is the body of a webhook.
type announcement struct {
	Type         string   `json:"type"`
	Document     string   `json:"document"`
	Version      string   `json:"version"`
	Participants []string `json:"participants"`
	About        any      `json:"about"`
}

// HandleCollaboration finishes a document and enqueues its announcement.
func (h *handlers) HandleCollaboration(ctx context.Context, task tasks.CollaborationTask) error {
	err := h.index.Finish(ctx, task.Document, task.Version)
	if errors.Is(err, index.ErrSuperseded) {
		return nil
	}
	if err != nil {
		return err
	}
	const event = "document.finished"
	body, err := json.Marshal(announcement{event, task.Document, task.Version, task.Participants, task.Payload})
	if err != nil {
		return runtime.Skip(err)
	}
	_, err = tasks.EnqueueWebhook(ctx, h.enqueuer, tasks.WebhookTask{
		// The ID follows from what is announced: however often this runs, the
		// receiver can tell that it is the same message.
		ID:       "msg_" + versionOf([]byte(task.Document), map[string]any{"version": task.Version}),
		Endpoint: endpointDocuments,
		Headers:  map[string]string{"X-Event": event},
		Body:     body,
	})
	return err
}

// HandleWebhook delivers a message.
func (h *handlers) HandleWebhook(ctx context.Context, task tasks.WebhookTask) error {
	url, ok := h.endpoints[task.Endpoint]
	if !ok {
		return runtime.Skip(fmt.Errorf("there is no endpoint %q", task.Endpoint))
	}
	err := h.sender.Send(ctx, url, webhook.Message{ID: task.ID, Headers: task.Headers, Body: task.Body})
	var refused *webhook.StatusError
	if errors.As(err, &refused) && refused.Retryable() && refused.RetryAfter > 0 {
		return runtime.RetryAfter(refused.RetryAfter, err)
	}
	return err
}
