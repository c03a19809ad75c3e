package analyze

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/taskgen/taskgen/generator/internal/load"
)

func TestTheOrderOfFilesDoesNotMatter(t *testing.T) {
	archive := ""
	for _, name := range []string{"a", "b", "c", "d"} {
		archive += "-- " + name + ".go --\n//taskgen:queue name=" + name + "\npackage app\n\n//taskgen:task queue=" + name + "\ntype Z" + name + "Task struct{ P Part" + name +
			" }\n\ntype Part" + name + " struct{ A string }\n\n//taskgen:task queue=" + name + "\ntype A" + name + "Task struct{}\n"
	}
	files := txtar.Parse([]byte(archive + "-- e.go --\n//taskgen:defaults timeout=1m queue=q\n//taskgen:retry none\n//taskgen:queue name=q\npackage app\n" +
		"-- go.mod --\nmodule example.com/app\n\ngo 1.26\n")).Files
	dir := t.TempDir()
	for _, f := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644))
	}
	var first string
	for seed := range uint64(5) {
		prog, err := load.Load(t.Context(), load.Query{Dir: dir, Patterns: []string{"."}, Env: append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")})
		require.NoError(t, err)
		files := prog.Packages[0].Files
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		l, err := read(t.Context(), prog, nil)
		require.NoError(t, err)
		require.Empty(t, l.Packages[0].Diagnostics)
		require.Len(t, l.Packages[0].Model.Tasks, 8)
		data, err := json.Marshal(l.Packages[0].Model)
		require.NoError(t, err)
		if first == "" {
			first = string(data)
		}
		assert.Equal(t, first, string(data))
	}
}
