// Package tasks declares the background work of docsearch.
//
// A document is split by a DocumentTask, which enqueues an EmbeddingTask for
// each chunk. The chunk that completes its document enqueues a
// CollaborationTask, which finishes the document and enqueues the WebhookTask
// that announces it.
//
//taskgen:defaults timeout=30s
//taskgen:retry max=5 backoff=exponential base=100ms cap=2s jitter=0.2
//taskgen:queue name=documents visibility=3s max_deliveries=30
//taskgen:queue name=embeddings visibility=3s max_deliveries=30
//taskgen:queue name=collaborations visibility=3s max_deliveries=30
//taskgen:queue name=webhooks visibility=3s max_deliveries=30
package tasks

import "encoding/json"

//go:generate go tool taskgen

// The visibility is short so that a killed demo continues within seconds of its next
// start; the price is that leases are extended more often. max_deliveries is high because
// this demo invites you to kill it.

// DocumentTask splits one document of the folder into chunks.
//
//taskgen:task queue=documents
//taskgen:retry max=2
//taskgen:unique by=Path
type DocumentTask struct {
	Path string `json:"path" task:"required"` // relative to the folder, with slashes
	// Parameters say how to split; see split.FromParameters.
	Parameters map[string]any `json:"parameters"`
}

// EmbeddingTask embeds one chunk of a document and puts it into the index.
//
//taskgen:task queue=embeddings
//taskgen:unique by=Document,Version,Number
type EmbeddingTask struct {
	Document string `json:"document" task:"required"`
	Version  string `json:"version" task:"required"` // a hash of the document's content
	Number   int    `json:"number"`                  // of the chunk, from 0
	Of       int    `json:"of" task:"required"`      // how many chunks the document has
	Heading  string `json:"heading"`
	Text     string `json:"text" task:"required"`
	Model    string `json:"model" task:"required"`
}

// CollaborationTask is the fan-in: it finishes a document whose chunks are all
// in the index.
//
//taskgen:task queue=collaborations
//taskgen:unique by=Document,Version
type CollaborationTask struct {
	Document     string   `json:"document" task:"required"`
	Version      string   `json:"version" task:"required"`
	Participants []string `json:"participants"` // the chunks, as document#number
	Payload      any      `json:"payload"`      // what they say about it together
}

// WebhookTask tells a receiver what happened.
//
//taskgen:task queue=webhooks timeout=10s
//taskgen:unique by=ID
type WebhookTask struct {
	ID string `json:"id" task:"required"` // the same for each delivery of one message
	// Endpoint is a name, not a URL: where the receiver listens is known when the
	// task runs, and may change while it waits.
	Endpoint string            `json:"endpoint" task:"required"`
	Headers  map[string]string `json:"headers"`
	Body     json.RawMessage   `json:"body" task:"required"`
}
