package check_test

import (
	"flag"
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
	"github.com/taskgen/taskgen/generator/internal/rule"
)

var update = flag.Bool("update", false, "rewrite what the cases in testdata want")

// The cases in testdata are packages and what is said about them: one for each
// rule, named after it, and some more.
func TestRules(t *testing.T) {
	cases := readCases(t)
	got := diagnose(t, cases)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			require.NoError(t, diag.Text(&b, got[name], filepath.Join(c.dir, name)))
			if *update {
				c.write(t, b.String())
				return
			}
			assert.Equal(t, c.want, b.String())
		})
	}
	for _, r := range rule.Rules() {
		if strings.HasPrefix(r.ID, "WIRE_") {
			continue // package compat finds them
		}
		name := strings.ToLower(r.ID)
		broken := false
		for _, d := range got[name] {
			broken = broken || d.Rule == r.ID
			assert.NotEmpty(t, d.Fix, "%s: %s", d.Rule, d.Message)
			assert.Positive(t, d.Pos.Line, "%s: %s", d.Rule, d.Message)
		}
		assert.True(t, broken, "testdata/%s.txtar does not break %s", name, r.ID)
	}
}

type testCase struct {
	file    string
	dir     string // the module that the packages are written to
	archive *txtar.Archive
	want    string
}

// readCases writes each case as a package of one module, so that go list runs
// once for all.
func readCases(t *testing.T) map[string]testCase {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "go.mod"), "module example.com/rules\n\ngo 1.26\n\n"+
		"require example.com/other v0.0.0\n\nreplace example.com/other => ./field_one_way/other\n")
	cases := make(map[string]testCase)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		c := testCase{file: file, dir: dir, archive: archive}
		for _, f := range archive.Files {
			if f.Name == "want" {
				c.want = string(f.Data)
				continue
			}
			writeFile(t, filepath.Join(dir, name, f.Name), string(f.Data))
		}
		cases[name] = c
	}
	return cases
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func (c *testCase) write(t *testing.T, want string) {
	t.Helper()
	a := &txtar.Archive{Comment: c.archive.Comment}
	for _, f := range c.archive.Files {
		if f.Name != "want" {
			a.Files = append(a.Files, f)
		}
	}
	a.Files = append(a.Files, txtar.File{Name: "want", Data: []byte(want)})
	require.NoError(t, os.WriteFile(c.file, txtar.Format(a), 0o644))
}

// diagnose returns what is said about each package.
func diagnose(t *testing.T, cases map[string]testCase) map[string][]diag.Diagnostic {
	t.Helper()
	got := make(map[string][]diag.Diagnostic)
	for _, c := range cases {
		listing, err := load.Find(t.Context(), load.Query{
			Dir: c.dir, Patterns: []string{"./..."}, Env: append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off"),
		})
		require.NoError(t, err)
		loaded, err := check.Run(t.Context(), listing)
		require.NoError(t, err)
		for _, d := range loaded.Diagnostics {
			rel, err := filepath.Rel(c.dir, d.Pos.File)
			require.NoError(t, err)
			name, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
			if d.Related != nil && !strings.HasPrefix(d.Related.Pos.File, filepath.Join(c.dir, name)+string(filepath.Separator)) {
				continue // a rule over all packages, broken by two cases
			}
			got[name] = append(got[name], d)
		}
		break // they share the module
	}
	return got
}
