package gosrc

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/model"
)

func str() model.Type { return model.Type{Kind: model.Basic, Name: "string", Comparable: true} }

func embedding() model.Package {
	return model.Package{
		Name: "tasks", Path: "example.com/app/tasks",
		Scope: []string{"Embedding", "EmbeddingTask"},
		Queues: []model.Queue{
			{Name: "embeddings", Visibility: 5 * time.Minute, MaxDeliveries: 10, DLQ: "embeddings-dlq", Retention: 14 * 24 * time.Hour},
			{Name: "payments", Type: "fifo"},
		},
		Tasks: []model.Task{{
			Struct: "EmbeddingTask", Base: "Embedding", Type: "embedding", Queue: "embeddings",
			Doc:     "EmbeddingTask asks a model for the embedding of a text.",
			Aliases: []string{"embed"}, Timeout: 2 * time.Minute,
			Retry:  model.Retry{Max: 5, Backoff: "exponential", Base: time.Second, Cap: 5 * time.Minute, Factor: 2, Jitter: 0.2},
			Unique: &model.Unique{By: []string{"Text", "Model"}, Within: time.Hour},
			Result: &model.Type{Kind: model.Named, Name: "Embedding", Underlying: model.Struct},
			Fields: []model.Field{
				{Name: "Text", JSON: "text", Tag: `json:"text" task:"required"`, Type: str(), Required: true},
				{Name: "Model", JSON: "model", Tag: `json:"model"`, Type: str()},
				{Name: "APIKey", JSON: "api_key", Tag: `json:"api_key" task:"secret"`, Type: str(), Secret: true},
			},
		}, {
			Struct: "PingTask", Base: "Ping", Type: "ping", Queue: "payments",
			Fields: []model.Field{{Name: "Account", JSON: "account", Type: str(), Group: true}},
		}},
	}
}

func TestFile(t *testing.T) {
	pkg := embedding()
	src, err := File(&pkg)
	require.NoError(t, err)
	require.Contains(t, string(src), "func EnqueueEmbedding(ctx context.Context")
}
