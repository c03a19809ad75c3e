package sqs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq/boxtest"
)

// boxes opens a provider on a server of onFake or onEmulator.
func boxes(data func(testing.TB) string) func(testing.TB) runtime.Provider {
	return func(tb testing.TB) runtime.Provider {
		p, err := openAt()(data(tb), runtime.SystemClock)
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, p.Close()) })
		return p
	}
}

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]func(testing.TB) string{"emulator": onEmulator, "fake": onFake} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			boxtest.Run(t, boxes(data))
		})
	}
}
