package diag_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
)

func at(file string, line, column int) model.Pos {
	return model.Pos{File: file, Line: line, Column: column}
}

func TestTextShowsTheSourceTheFixAndTheOtherPlace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sub", "a.go")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte("package a\r\n\r\n\tx\tföö bar\r\n"), 0o644))
	var b strings.Builder
	require.NoError(t, diag.Text(&b, []diag.Diagnostic{
		{
			Rule: "ONE", Severity: diag.Error, Pos: at(file, 3, 4), End: 9, Message: "no föö", Fix: "write foo",
			Related: &diag.Related{Pos: at(file, 1, 1), Note: "package here"},
		},
		{Rule: "TWO", Severity: diag.Warning, Pos: at(file, 1, 1), Message: "hm"},
		{Rule: "THREE", Severity: diag.Error, Pos: at(file, 9, 1), Message: "behind the end"},
		{Rule: "FOUR", Severity: diag.Error, Pos: at(file, 1, 99), End: 120, Message: "behind the line"},
		{Rule: "FIVE", Severity: diag.Error, Pos: at("/away/b.go", 1, 1), Message: "not there"},
	}, dir))
	assert.Equal(t, strings.TrimPrefix(filepath.FromSlash(`
sub/a.go:3:4: no föö [ONE]
    3 | 	x	föö bar
      | 	 	^^^
  fix: write foo
  sub/a.go:1:1: package here
sub/a.go:1:1: warning: hm [TWO]
    1 | package a
      | ^
sub/a.go:9:1: behind the end [THREE]
sub/a.go:1:99: behind the line [FOUR]
    1 | package a
      |          ^
/away/b.go:1:1: not there [FIVE]
`), "\n"), b.String())
}

func TestGitHubEscapesWhatHasAMeaning(t *testing.T) {
	var b strings.Builder
	require.NoError(t, diag.GitHub(&b, []diag.Diagnostic{
		{Rule: "ONE", Severity: diag.Error, Pos: at("/r/a,b:c.go", 3, 4), End: 9, Message: "100% of\nit", Fix: "mend"},
		{Rule: "TWO", Severity: diag.Warning, Pos: at("/elsewhere/x.go", 1, 1), Message: "hm: a, b"},
		{Severity: diag.Warning, Message: "of 100%: nothing"},
	}, "/r"))
	assert.Equal(t, "::error file=a%2Cb%3Ac.go,line=3,col=4,endColumn=8,title=ONE::100%25 of\\nit%0Afix: mend\n"+
		"::warning file=/elsewhere/x.go,line=1,col=1,title=TWO::hm: a, b\n"+
		"::warning::of 100%25: nothing\n", b.String())
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestAFailingWriterIsReported(t *testing.T) {
	ds := []diag.Diagnostic{{Rule: "ONE", Message: "x"}}
	require.EqualError(t, diag.Text(fullDisk{}, ds, ""), "disk full")
	require.EqualError(t, diag.GitHub(fullDisk{}, ds, ""), "disk full")
}

func TestSortOrdersAndDropsRepeats(t *testing.T) {
	a := diag.Diagnostic{Rule: "B", Pos: at("a.go", 2, 1), Message: "x"}
	b := diag.Diagnostic{Rule: "A", Pos: at("a.go", 2, 1), Message: "x"}
	c := diag.Diagnostic{Rule: "A", Pos: at("a.go", 1, 5), Message: "x"}
	d := diag.Diagnostic{Rule: "A", Pos: at("a.go", 2, 1), Message: "w"}
	assert.Equal(t, []diag.Diagnostic{c, d, b, a}, diag.Sort([]diag.Diagnostic{a, b, a, c, d, b}))
	assert.Empty(t, diag.Sort(nil))
}

func TestOnlyErrorsAreErrors(t *testing.T) {
	assert.False(t, diag.HasErrors([]diag.Diagnostic{{Severity: diag.Warning}}))
	assert.True(t, diag.HasErrors([]diag.Diagnostic{{Severity: diag.Warning}, {Severity: diag.Error}}))
}
