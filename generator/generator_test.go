package generator_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator"
)

func TestGenerateWithoutAModuleIsAnError(t *testing.T) {
	t.Setenv("GO111MODULE", "on")
	_, err := generator.Generate(t.Context(), generator.Config{Dir: t.TempDir()})
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
	dir := filepath.Join(module(t, nil), "one")
	put(t, filepath.Join(dir, "names.go"), []byte(b.String()))
	put(t, filepath.Join(dir, "one.go"), []byte(header+"package one\n\n//taskgen:task\ntype EveryTask struct {\n\tE every `json:\"e\"`\n\tH *H[int] `json:\"h\"`\n}\n"))
	r := generate(t, dir, "")
	require.False(t, r.HasErrors(), "%v", r.Diagnostics)
	text := string(r.Files[filepath.Join(dir, "one_taskgen.go")])
	for _, name := range slices.Concat(names, []string{"every", "EveryTask"}) {
		assert.Contains(t, text, " "+name+") MarshalJSON() ([]byte, error) {")
	}
}
