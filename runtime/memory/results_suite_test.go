package memory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/resultstoretest"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestResultsKeepWhatAResultStorePromises(t *testing.T) {
	resultstoretest.Run(t, func(testing.TB) resultstoretest.Place {
		clock := tasktest.NewClock(time.Now())
		rs := memory.NewResults(memory.WithClock(clock))
		return resultstoretest.Place{Open: func() driver.ResultStore { return rs }, Pass: clock.Advance}
	})
}

func TestWhatBecameOfATaskBelongsToOneLife(t *testing.T) {
	resultstoretest.RunLives(t, func(tb testing.TB) resultstoretest.Lives {
		p := memory.New()
		tb.Cleanup(func() { require.NoError(tb, p.Close()) })
		return resultstoretest.Lives{Provider: p, Results: memory.NewResults(), Letters: memory.NewLetters()}
	})
}
