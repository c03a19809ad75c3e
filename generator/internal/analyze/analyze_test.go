package analyze_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/taskgen/taskgen/generator/internal/check"
	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/load"
)

// module unpacks a txtar archive as the module example.com/app.
func module(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	files := txtar.Parse([]byte(archive)).Files
	files = append(files, txtar.File{Name: "go.mod", Data: []byte("module example.com/app\n\ngo 1.26\n")})
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, f.Data, 0o644))
	}
	return dir
}

func loaded(t *testing.T, dir string, patterns ...string) *check.Result {
	t.Helper()
	l, err := load.Find(t.Context(), load.Query{Dir: dir, Patterns: patterns, Env: append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")})
	require.NoError(t, err)
	r, err := check.Run(t.Context(), l)
	require.NoError(t, err)
	return r
}

const header = "//taskgen:defaults timeout=1m queue=q\n//taskgen:retry none\n//taskgen:queue name=q\n"

func TestLoadIsTheSameEveryTime(t *testing.T) {
	dir := module(t, `
-- a/a.go --
`+header+`package a

import "example.com/app/b"

//taskgen:task
type ATask struct {
	B b.BTask
	X chan int
	M missing
}
-- a/z.go --
package a

//taskgen:task name=a
type ZTask struct {
	C1 string `+"`json:\"x\"`"+`
	C2 string `+"`json:\"x\"`"+`
	C3 string `+"`json:\"y\"`"+`
	C4 string `+"`json:\"y\"`"+`
}
-- b/b.go --
`+header+`package b

//taskgen:task
type BTask struct{ A string }
-- c/c.go --
package c
`)
	var first string
	patterns := []string{"./a", "./b", "./c"}
	for range 3 {
		for range patterns {
			patterns = append(patterns[1:], patterns[0])
			l := loaded(t, dir, patterns...)
			data, err := json.Marshal([]any{l.Packages, l.Diagnostics})
			require.NoError(t, err)
			if first == "" {
				first = string(data)
			}
			assert.Equal(t, first, string(data))
			require.Len(t, l.Packages, 2)
			require.Len(t, l.Diagnostics, 5)
			assert.True(t, slices.IsSortedFunc(l.Diagnostics, func(a, b diag.Diagnostic) int {
				if a.Pos.File != b.Pos.File {
					return map[bool]int{true: -1, false: 1}[a.Pos.File < b.Pos.File]
				}
				return a.Pos.Line - b.Pos.Line
			}))
		}
	}
}

func TestTheDefaultPatternIsTheDirectory(t *testing.T) {
	dir := module(t, "-- a.go --\n"+header+"package app\n\n//taskgen:task\ntype ATask struct{}\n-- b/b.go --\n"+header+"package b\n\n//taskgen:task\ntype BTask struct{}\n")
	l := loaded(t, dir)
	require.Empty(t, l.Diagnostics)
	require.Len(t, l.Packages, 1)
	assert.Equal(t, "example.com/app", l.Packages[0].Path)
	assert.Equal(t, dir, l.Packages[0].Dir)
}

func TestAPackageThatOnlyMentionsTaskgenIsNone(t *testing.T) {
	dir := module(t, "-- a.go --\npackage app\n\nconst usage = \"write //taskgen:task\"\n\nfunc broken( {\n-- b/b.go --\npackage b\n\nfunc alsoBroken( {\n")
	l := loaded(t, dir, "./...")
	assert.Empty(t, l.Packages)
	require.Len(t, l.Diagnostics, 1, "a directive may be lost behind the error in a.go, none in b.go")
	assert.Equal(t, "PACKAGE_SYNTAX", l.Diagnostics[0].Rule)
}

func TestOutputIsCheckedWithThePackage(t *testing.T) {
	dir := module(t, "-- a.go --\n"+header+"package app\n\n//taskgen:task\ntype ATask struct{ A string }\n\nvar _ = EnqueueA\n")
	l := loaded(t, dir)
	require.Empty(t, l.Diagnostics)
	file := filepath.Join(dir, "app_taskgen.go")
	require.NoError(t, l.Programs["example.com/app"].CheckOutput(t.Context(), "example.com/app", file, []byte("package app\n\nfunc EnqueueA(t ATask) string { return t.A }\n")))
	err := l.Programs["example.com/app"].CheckOutput(t.Context(), "example.com/app", file, []byte("package app\n\nfunc EnqueueA(t ATask) string { return t.B }\n"))
	require.ErrorContains(t, err, file+":3:42: t.B undefined")
}

func TestTypesAreSharedBetweenPackages(t *testing.T) {
	dir := module(t, "-- a/a.go --\n"+header+"package a\n\n//taskgen:task\ntype ATask struct{ Part Part }\n\ntype Part struct{ F func() }\n-- b/b.go --\n"+header+"package b\n\nimport \"example.com/app/a\"\n\n//taskgen:task\ntype BTask struct{ Part a.Part }\n")
	l := loaded(t, dir, "./...")
	require.Len(t, l.Diagnostics, 2)
	for _, d := range l.Diagnostics {
		assert.Equal(t, "FIELD_KIND", d.Rule)
		assert.Contains(t, d.Message, "its field F: a function cannot be encoded")
	}
}

func TestLoadFailsWhenNothingCanBeSaid(t *testing.T) {
	l, err := load.Find(t.Context(), load.Query{Dir: module(t, ""), Patterns: []string{"./nope"}})
	require.NoError(t, err)
	_, err = check.Run(t.Context(), l)
	require.ErrorContains(t, err, "nope")
}
