package sqlite

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite"

	"github.com/taskgen/taskgen/runtime/driver"
)

// TestNoStatementIsPreparedAgain counts preparations by the questions that SQLite asks an
// authorizer. It works on the first queue of a file: an ID of 0 or 1 is what the planner
// looks at.
func TestNoStatementIsPreparedAgain(t *testing.T) {
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := openFile(t, newFile(t))
			q := openQueue(t, p, driver.QueueConfig{Type: kind})
			require.LessOrEqual(t, q.id, int64(1))
			n := 0
			round := func() {
				var sent []*driver.Task
				for range 10 {
					n++
					next := task(fmt.Sprint("t", n))
					if kind == driver.FIFO {
						next.GroupKey = fmt.Sprint("g", n%3)
					}
					sent = append(sent, next)
				}
				enqueue(t, q, sent...)
				held := take(t, q, 3)
				require.Len(t, held, 3)
				require.NoError(t, q.Extend(within(t), held, time.Minute))
				require.NoError(t, q.Complete(within(t), held[:1]))
				require.NoError(t, q.Release(within(t), held[1:2]))
				driver.RecordDeath(held[2].Task, "q", time.Now(), errors.New("it failed"))
				require.NoError(t, q.DeadLetter(within(t), held[2:]))
			}
			var prepared atomic.Int64
			require.NoError(t, p.writer.do(within(t), 0, func(*tx) {
				require.NoError(t, p.writer.c.SetAuthorizer(sqlite.AuthorizeFunc(func(sqlite.Action) sqlite.AuthResult {
					prepared.Add(1)
					return sqlite.AuthResultOK
				})))
			}))
			for range 3 { // setting an authorizer makes all statements be prepared again
				round()
			}
			require.Positive(t, prepared.Swap(0))
			round()
			require.Zero(t, prepared.Load())
		})
	}
}
