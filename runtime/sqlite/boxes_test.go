package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/boxtest"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

func TestBoxesOfDeadLettersKeepWhatTheyPromise(t *testing.T) {
	boxtest.Run(t, func(tb testing.TB) driver.Provider {
		p, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "tasks.db"))
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, p.Close()) })
		return p
	})
}
