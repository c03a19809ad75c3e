package all_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
)

// A file can be checked where its broker cannot be reached.
func TestCheckOpensNothing(t *testing.T) {
	c, err := config.Parse("tasks.yaml", []byte("providers: {main: {url: 'redis://127.0.0.1:1'}}\nserver: {listen: '127.0.0.1:1'}\n"))
	require.NoError(t, err)
	code := config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}}
	require.NoError(t, c.Check(code))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = c.Build(ctx, code)
	require.Error(t, err, "nobody listens there")
}
