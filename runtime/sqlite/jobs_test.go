package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/queuetest"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/storetest"
)

func TestJobsKeepTheContractOfAStore(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) storetest.Place {
		path := tb.TempDir() + "/tasks.db"
		clock := queuetest.NewClock(time.Now())
		open := func() schedule.Store {
			p, err := Open(path, WithClock(clock))
			require.NoError(tb, err)
			tb.Cleanup(func() { require.NoError(tb, p.Close()) })
			return p.Jobs()
		}
		return storetest.Place{Open: open, Now: clock.Now, Pass: clock.Advance}
	})
}
