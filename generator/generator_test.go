package generator

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/analyze"
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/load"
)

// loadOne loads a package of one task, in a module that has the runtime.
func loadOne(t *testing.T) *analyze.Loaded {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("..")
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
	loaded, err := analyze.Load(t.Context(), load.Config{Dir: dir, Env: append(os.Environ(), "GOWORK=off", "GOPROXY=off")})
	require.NoError(t, err)
	require.Empty(t, loaded.Diagnostics)
	return loaded
}

func TestCodeThatDoesNotCompileIsReportedAsABugAndNotReturned(t *testing.T) {
	loaded := loadOne(t)
	for name, want := range map[string]string{
		"not a name": "expected ']', found a",
		"GoneTask":   "one_taskgen.go:35:29: undefined: GoneTask\n",
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

func TestGenerateWithoutAModuleIsAnError(t *testing.T) {
	t.Setenv("GO111MODULE", "on")
	_, err := Generate(t.Context(), Config{Dir: t.TempDir()})
	assert.ErrorContains(t, err, "go.mod file not found")
}

// What is generated for holders compiles, whatever they are called.
func TestMethodsOfHoldersCompileWhateverTheirNames(t *testing.T) {
	names := []string{"t", "f", "plain", "bare", "T", "P", "P2", "fmt", "slog", "runtime", "task", "payload", "verb"}
	var b strings.Builder
	b.WriteString("package one\n\ntype every struct {\n")
	for _, name := range names {
		b.WriteString("\tX" + name + " " + name + "\n")
	}
	b.WriteString("\tG G[int, string, bool]\n}\n\ntype G[A, B, C any] struct {\n\tA A\n\tKey string `task:\"secret\"`\n}\n\ntype H[t any] struct {\n\tG[t, t, t]\n}\n\n")
	for i, name := range names {
		embedded := ""
		if i > 0 {
			embedded = "\t" + names[i-1] + "\n"
		}
		b.WriteString("type " + name + " struct {\n" + embedded + "\tKey string `task:\"secret\"`\n}\n\n")
	}
	loaded := loadOne(t)
	dir := loaded.Packages[0].Dir
	require.NoError(t, os.WriteFile(filepath.Join(dir, "names.go"), []byte(b.String()), 0o644))
	src, err := os.ReadFile(filepath.Join(dir, "one.go"))
	require.NoError(t, err)
	src = append(src, "\n//taskgen:task queue=q\ntype EveryTask struct {\n\tE every `json:\"e\"`\n\tH *H[int] `json:\"h\"`\n}\n"...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one.go"), src, 0o644))
	r, err := Generate(t.Context(), Config{Dir: dir, Env: append(os.Environ(), "GOWORK=off", "GOPROXY=off")})
	require.NoError(t, err)
	require.False(t, diag.HasErrors(r.Diagnostics), "%v", r.Diagnostics)
	text := string(r.Files[filepath.Join(dir, "one_taskgen.go")])
	for _, name := range slices.Concat(names, []string{"every", "EveryTask"}) {
		assert.Contains(t, text, " "+name+") MarshalJSON() ([]byte, error) {")
	}
}
