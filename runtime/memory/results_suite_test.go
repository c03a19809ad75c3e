package memory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/queuetest"
	"github.com/taskgen/taskgen/runtime/resulttest"
)

func TestResultsKeepWhatAResultStorePromises(t *testing.T) {
	resulttest.Run(t, func(testing.TB) resulttest.Place {
		clock := queuetest.NewClock(time.Now())
		rs := memory.NewResults(memory.WithClock(clock))
		return resulttest.Place{Open: func() driver.ResultStore { return rs }, Pass: clock.Advance}
	})
}

func TestWhatBecameOfATaskBelongsToOneLife(t *testing.T) {
	resulttest.RunLives(t, func(tb testing.TB) resulttest.Lives {
		p := memory.New()
		tb.Cleanup(func() { require.NoError(tb, p.Close()) })
		return resulttest.Lives{Provider: p, Results: memory.NewResults(), Letters: memory.NewLetters()}
	})
}
