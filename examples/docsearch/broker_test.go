package main

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"

	"github.com/taskgen/taskgen/examples/docsearch/internal/app"
)

// brokers start the servers that the tests share. They end with the process.
var brokers = map[string]func() (*testserver.Server, error){
	app.Redis:    sync.OnceValues(func() (*testserver.Server, error) { return testserver.Redis() }),
	app.SQS:      sync.OnceValues(testserver.SQS),
	app.NATS:     sync.OnceValues(func() (*testserver.Server, error) { return testserver.NATS() }),
	app.RabbitMQ: sync.OnceValues(func() (*testserver.Server, error) { return testserver.RabbitMQ() }),
}

// on returns the flags that select a provider, once its broker runs.
func on(t *testing.T, provider string) []string {
	t.Helper()
	start, ok := brokers[provider]
	if !ok {
		return []string{"-provider", provider}
	}
	s, err := start()
	require.NoError(t, err)
	url := s.URL
	if provider == app.SQS {
		t.Setenv("AWS_ACCESS_KEY_ID", "test") // an emulator takes any
		t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
		url = "sqs://us-east-1?endpoint=" + url
	}
	return []string{"-provider", provider, "-url", url}
}
