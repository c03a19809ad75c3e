package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/drivertest/taskstoretest"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

func TestLettersKeepWhatATaskStorePromises(t *testing.T) {
	taskstoretest.Run(t, func(tb testing.TB) dlq.TaskStore {
		p, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "tasks.db"))
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, p.Close()) })
		return p.Letters()
	})
}
