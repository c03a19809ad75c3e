package sqlite

import (
	"testing"

	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/queuetest"
)

// harness is how the conformance suite gets at this provider.
var harness = queuetest.Harness{
	Name: "sqlite",
	Home: queuetest.InFile,
	Data: func(tb testing.TB) string { return tb.TempDir() + "/tasks.db" },
	Open: func(addr string, clock runtime.Clock) (runtime.Provider, error) {
		return Open(addr, WithClock(clock))
	},
	UsesClock: true,
	Cut:       cut,
	Cost: func(p runtime.Provider) int64 {
		sp := p.(*Provider)
		return sp.writer.c.steps.Load() + sp.reader.c.steps.Load()
	},
}

// cut takes the file away from everybody else: whoever holds the write lock is
// the only one who gets anything done.
func cut(tb testing.TB, addr string) (restore func()) {
	raw, err := sqlite.OpenConn(addr, sqlite.OpenReadWrite)
	require.NoError(tb, err)
	c := &conn{Conn: raw, limit: busyLimit}
	c.SetBusyTimeout(0)
	require.NoError(tb, c.begin())
	return func() {
		c.rollback()
		require.NoError(tb, c.Close())
	}
}

func TestTheProviderKeepsTheLaws(t *testing.T) { queuetest.Run(t, harness) }
