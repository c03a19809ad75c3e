// Package tasks holds the task that the benchmarks send.
//
//taskgen:defaults timeout=1m
//taskgen:queue name=embeddings
package tasks

//go:generate go tool taskgen

// EmbeddingTask asks a model for the embedding of a text.
//
//taskgen:task queue=embeddings
//taskgen:retry max=3
type EmbeddingTask struct {
	Text    string `json:"text" task:"required"`
	Model   string `json:"model"`
	AgentID string `json:"agent_id"`
	APIKey  string `json:"api_key" task:"secret"`
}
