package rabbitmq

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq/boxtest"
)

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	t.Parallel()
	boxtest.Run(t, func(tb testing.TB) runtime.Provider {
		p, err := openAddr(data(tb), nil)
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, p.Close()) })
		return p
	})
}
