package sqlite

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite/sqlitex"
)

// soundEngine is the first release of SQLite that is accepted: up to 3.51.2 two
// connections that write and checkpoint at the same moment can lose committed pages
// (sqlite.org/wal.html, "The WAL-Reset Bug"). The engine is a dependency of the
// driver's, so that no update of the driver alone brings it.
var soundEngine = []int{3, 51, 3}

func TestTheEngineIsNewerThanTheKnownCorruptionBugs(t *testing.T) {
	t.Parallel()
	c, err := openWriter(t.Context(), filepath.Join(t.TempDir(), "tasks.db"), Full)
	require.NoError(t, err)
	defer c.Close()
	text, err := sqlitex.ResultText(c.Prep("SELECT sqlite_version()"))
	require.NoError(t, err)
	var version []int
	for _, part := range strings.Split(text, ".") {
		n, err := strconv.Atoi(part)
		require.NoError(t, err, text)
		version = append(version, n)
	}
	t.Logf("SQLite %s", text)
	assert.GreaterOrEqual(t, slices.Compare(version, soundEngine), 0, "SQLite %s: require a newer modernc.org/sqlite in go.mod", text)
}
