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
	inTwos(t, map[string]func(*testing.T){
		"emulator": func(t *testing.T) { boxtest.Run(t, boxes(onEmulator)) },
		"fake":     func(t *testing.T) { boxtest.Run(t, boxes(onFake)) },
	})
}
