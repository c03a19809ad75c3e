package emit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/load"
)

// loadOne loads a package of one task, in a module that has the runtime.
func loadOne(t *testing.T) *check.Result {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	_, requires, _ := strings.Cut(string(mod), "\n")
	text := "module example.com/one\n" + requires + "\nrequire github.com/taskgen/taskgen v0.0.0\n\nreplace github.com/taskgen/taskgen => " + root + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644))
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644))
	src := "//taskgen:defaults timeout=1m\n//taskgen:retry none\n//taskgen:queue name=q\npackage one\n\n//taskgen:task queue=q\ntype PingTask struct{ Host string }\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one.go"), []byte(src), 0o644))
	listing, err := load.Find(t.Context(), load.Query{Dir: dir, Env: append(os.Environ(), "GOWORK=off", "GOPROXY=off")})
	require.NoError(t, err)
	loaded, err := check.Run(t.Context(), listing)
	require.NoError(t, err)
	require.Empty(t, loaded.Diagnostics)
	return loaded
}

func TestCodeThatDoesNotCompileIsReportedAsABugAndNotReturned(t *testing.T) {
	loaded := loadOne(t)
	for name, want := range map[string]string{
		"not a name": "expected ']', found a",
		"GoneTask":   "one_taskgen.go:36:29: undefined: GoneTask\n",
	} {
		pkg := loaded.Packages[0]
		pkg.Tasks = slices.Clone(pkg.Tasks)
		pkg.Tasks[0].Struct = name
		src, note, err := write(t.Context(), loaded, &pkg, filepath.Join(pkg.Dir, "one_taskgen.go"))
		assert.Empty(t, src)
		assert.Empty(t, note)
		assert.ErrorContains(t, err, "taskgen has a bug")
		assert.ErrorContains(t, err, want)
	}
}
