package memory_test

import (
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime/drivertest/historystoretest"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestHistoryKeepsWhatAStoreOfHistoriesPromises(t *testing.T) {
	historystoretest.Run(t, func(testing.TB) historystoretest.Place {
		clock := tasktest.NewClock(time.Now())
		s := memory.NewHistory(memory.WithClock(clock))
		return historystoretest.Place{Open: func() historystore.Store { return s }, Pass: clock.Advance}
	})
}
