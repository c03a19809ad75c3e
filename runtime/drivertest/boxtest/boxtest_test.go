package boxtest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/drivertest/boxtest"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBoxesInMemoryKeepWhatTheyPromise(t *testing.T) {
	boxtest.Run(t, func(tb testing.TB) runtime.Provider {
		p := memory.New()
		tb.Cleanup(func() {
			if err := p.Close(); err != nil {
				tb.Errorf("close: %v", err)
			}
		})
		return p
	})
}
