package sqlite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/queuetest"
	"github.com/taskgen/taskgen/runtime/resulttest"
)

func TestResultsKeepWhatAResultStorePromises(t *testing.T) {
	resulttest.Run(t, func(tb testing.TB) resulttest.Place {
		path := tb.TempDir() + "/tasks.db"
		clock := queuetest.NewClock(time.Now())
		return resulttest.Place{
			Open: func() runtime.ResultStore {
				p, err := Open(path, WithClock(clock))
				require.NoError(tb, err)
				tb.Cleanup(func() { require.NoError(tb, p.Close()) })
				return p.Results()
			},
			Pass: clock.Advance,
		}
	})
}

// TestAResultOfTheSameProcessNeedsNoLook takes away the watcher, which looks for what
// other processes write.
func TestAResultOfTheSameProcessNeedsNoLook(t *testing.T) {
	p := openFile(t, newFile(t))
	p.watcher.close()
	got := make(chan string, 1)
	go func() {
		data, err := p.Results().Await(within(t), "a")
		if err != nil {
			data = []byte(err.Error())
		}
		got <- string(data)
	}()
	require.Eventually(t, p.results.awaited, soon, time.Millisecond)
	require.NoError(t, p.Results().PutResult(within(t), "a", []byte("1"), "", time.Minute))
	require.Equal(t, "1", <-got)
}
