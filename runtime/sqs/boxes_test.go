package sqs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/boxtest"
)

// boxes opens a provider on a server of onFake or onEmulator.
func boxes(data func(testing.TB) string) func(testing.TB) driver.Provider {
	return func(tb testing.TB) driver.Provider {
		p, err := openAt()(data(tb), driver.SystemClock)
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
