package model_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
)

var update = flag.Bool("update", false, "rewrite the models that the cases in testdata want")

// The cases in testdata are modules and the models read from them: they test the
// reading without the writing.
func TestModels(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/app\n\ngo 1.26\n"), 0o644))
			source, want := &txtar.Archive{Comment: archive.Comment}, ""
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				source.Files = append(source.Files, f)
				path := filepath.Join(dir, f.Name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, f.Data, 0o644))
			}
			listing, err := load.Find(t.Context(), load.Query{
				Dir: dir, Patterns: []string{"./..."}, Env: append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off"),
			})
			require.NoError(t, err)
			loaded, err := check.Run(t.Context(), listing)
			require.NoError(t, err)
			require.False(t, diag.HasErrors(loaded.Diagnostics), "%v", loaded.Diagnostics)
			got := dump(t, dir, loaded.Packages)
			if *update {
				source.Files = append(source.Files, txtar.File{Name: "want", Data: []byte(got)})
				require.NoError(t, os.WriteFile(file, txtar.Format(source), 0o644))
				return
			}
			assert.Equal(t, want, got)
		})
	}
}

// dump prints packages as JSON, positions as file:line:column.
func dump(t *testing.T, dir string, packages []model.Package) string {
	t.Helper()
	data, err := json.Marshal(packages)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(data, &v))
	data, err = json.MarshalIndent(places(dir, v), "", "  ")
	require.NoError(t, err)
	return string(data) + "\n"
}

func places(dir string, v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = places(dir, v[i])
		}
	case map[string]any:
		if file, ok := v["file"].(string); ok {
			return fmt.Sprintf("%s:%v:%v", strings.TrimPrefix(filepath.ToSlash(file), filepath.ToSlash(dir)+"/"), v["line"], v["column"])
		}
		for key := range v {
			v[key] = places(dir, v[key])
		}
	}
	return v
}
