package rabbitmq

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/boxtest"
)

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	t.Parallel()
	boxtest.Run(t, func(tb testing.TB) driver.Provider {
		p, err := openAddr(data(tb), nil)
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, p.Close()) })
		return p
	})
}
