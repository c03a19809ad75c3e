package generator_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator"
)

// Each archive in testdata/compat holds a package before a change (old/tasks.go) and after it
// (new/tasks.go), what there is to say about the change (want/diagnostics), and the lock after
// the change, accepted if it has to be (want/taskgen.lock).
func TestAChangeOfAPayloadIsJudged(t *testing.T) {
	goldens := readGoldens(t, "testdata/compat/*.txtar")
	dir := module(t, nil)
	sources := func(version string) {
		for _, g := range goldens {
			for _, f := range g.files {
				if name, ok := strings.CutPrefix(f.Name, version+"/"); ok {
					put(t, filepath.Join(dir, g.name, name), f.Data)
				}
			}
		}
	}
	writeAll := func(r *generator.Result) {
		changes, err := r.Changes()
		require.NoError(t, err)
		require.NoError(t, generator.Write(changes))
	}
	// judge leaves out that all packages have a type of the same name.
	judge := func() *generator.Result {
		r := generate(t, dir, "", "./...")
		r.Diagnostics = slices.DeleteFunc(r.Diagnostics, func(d generator.Diagnostic) bool { return d.Severity == generator.Warning })
		return r
	}
	sources("old")
	r := judge()
	require.Empty(t, r.Diagnostics)
	writeAll(r)

	sources("new")
	r = judge()
	share(t, dir, goldens, r)
	for _, g := range goldens {
		r, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: []string{"./" + g.name}, Env: env(), Accept: `it is "known"`})
		require.NoError(t, err)
		if !r.HasErrors() {
			writeAll(r)
			text, err := os.ReadFile(filepath.Join(dir, g.name, "taskgen.lock"))
			require.NoError(t, err)
			g.got["taskgen.lock"] = string(text)
		}
	}
	for _, d := range judge().Diagnostics {
		assert.Contains(t, []string{"WIRE_NAME", "WIRE_QUEUE"}, d.Rule, "all else was accepted: %v", d)
	}
	for _, g := range goldens {
		delete(g.got, "tasks_taskgen.go")
		if *update {
			g.rewrite(t)
		} else {
			g.compare(t)
		}
	}
	rules := make(map[string]bool)
	for _, d := range r.Diagnostics {
		rules[d.Rule] = true
	}
	for _, name := range []string{
		"NAME", "QUEUE", "REMOVED", "REQUIRED", "TYPE", "RANGE", "PRECISION", "QUOTED", "LENGTH", "KEY", "NULL", "CODEC", "CASE",
	} {
		assert.True(t, rules["WIRE_"+name], "no archive violates WIRE_%s", name)
	}
	assert.True(t, slices.ContainsFunc(goldens, func(g *golden) bool { return g.got["diagnostics"] == "" }))
}
