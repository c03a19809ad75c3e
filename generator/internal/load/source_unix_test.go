//go:build unix

package load_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/load"
)

// Reading a pipe would not end. Its name keeps the go command from reading it.
func TestWhatIsNoRegularFileIsLeftAlone(t *testing.T) {
	dir := write(t, goMod+"-- tasks.go --\npackage app\n\n// taskgen:\ntype FooTask struct{ A string }\n")
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "x_plan9.go"), 0o644))
	require.NoError(t, os.Symlink(os.DevNull, filepath.Join(dir, "y_plan9.go")))
	require.NoError(t, os.Symlink(".", filepath.Join(dir, "loop")))
	assert.Equal(t, "A string\n", check(t, loadAll(t, load.Query{Dir: dir, Patterns: []string{"./..."}}), "FooTask"))
}
