package load

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is read past a Trace could change without the cache taking note. unlisted.go
// looks for folders that go list leaves out: every run does it anew, and one that finds
// any asks the go command twice, so that it is not remembered.
func TestTheGeneratorReadsThroughATraceAlone(t *testing.T) {
	for _, dir := range []string{".", "../..", "../directive", "../jsontype", "../analyze", "../check", "../model", "../wire", "../compat", "../emit", "../emit/catalog", "../emit/gosrc", "../emit/schema"} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "trace.go" || name == "unlisted.go" {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok {
					assert.NotContains(t, []string{
						"os.ReadFile", "os.ReadDir", "os.Open", "os.OpenFile", "os.OpenRoot", "os.DirFS", "os.Stat", "os.Lstat", "os.Readlink", "os.Getwd", "os.Getenv", "os.LookupEnv",
						"filepath.Walk", "filepath.WalkDir", "filepath.Glob", "filepath.EvalSymlinks", "filepath.Abs", "parser.ParseDir", "build.Import", "build.ImportDir", "exec.Command", "exec.CommandContext",
					}, pkg.Name+"."+sel.Sel.Name, fset.Position(n.Pos()).String())
				}
				return true
			})
		}
	}
}

func TestWhatChangesWhileItIsReadNeverHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	var trace Trace
	for _, text := range []string{"package a", "package b", "package b"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		_, _, err := trace.readFile(path)
		require.NoError(t, err)
	}
	require.False(t, trace.Inputs().Hold())
}

func TestAFileThatIsAwayHoldsUntilItIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	var trace Trace
	_, _, err := trace.readFile(path)
	require.Error(t, err)
	require.True(t, trace.Inputs().Hold())
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.False(t, trace.Inputs().Hold())
}
