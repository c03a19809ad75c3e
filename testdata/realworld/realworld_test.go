package realworld_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// The packages of tasks, and how many tasks each has at least.
var packages = map[string]int{"github": 70, "kubernetes": 40, "lambda": 90, "stripe": 100}

func TestTheTasksAreThoseOfAllTypes(t *testing.T) {
	command(t, "run", "./internal/list", "-check")
}

func TestEveryPayloadArrivesAndItsSchemaAcceptsIt(t *testing.T) {
	var patterns []string
	for name := range packages {
		patterns = append(patterns, "./"+name)
	}
	r := generate(t, patterns...)
	told(t, r)
	require.False(t, r.HasErrors())
	samples := samplesOf(t)

	// The files are laid over the module, and nothing is left in it.
	temp, replace := t.TempDir(), make(map[string]string)
	for path, src := range r.Files {
		replace[path] = filepath.Join(temp, filepath.Base(path))
		require.NoError(t, os.WriteFile(replace[path], src, 0o644))
	}
	for i := range r.Packages {
		pkg := &r.Packages[i]
		assert.GreaterOrEqual(t, len(pkg.Tasks), packages[pkg.Name], "tasks of %s", pkg.Name)
		path := filepath.Join(temp, pkg.Name+"_roundtrip_test.go")
		require.NoError(t, os.WriteFile(path, roundTrip(t, pkg, samples[pkg.Name]), 0o644))
		replace[filepath.Join(pkg.Dir, "roundtrip_test.go")] = path
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay := filepath.Join(temp, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, data, 0o644))

	t.Setenv(tasktest.SeedVariable, cmp.Or(os.Getenv(tasktest.SeedVariable), "1"))
	command(t, append([]string{"vet", "-overlay=" + overlay}, patterns...)...)
	command(t, append([]string{"test", "-overlay=" + overlay, "-vet=off"}, patterns...)...)
}

func generate(t *testing.T, patterns ...string) *generator.Result {
	t.Helper()
	dir, err := filepath.Abs(".")
	require.NoError(t, err)
	r, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: patterns})
	require.NoError(t, err)
	return r
}

// roundTrip is a test that sends values of all tasks of a package.
func roundTrip(t *testing.T, pkg *generator.Package, samples map[string][]string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, roundTripTest.Execute(&b, map[string]any{"Package": pkg, "Samples": samples}))
	return b.Bytes()
}

var roundTripTest = template.Must(template.New("").Parse(`package {{.Package.Name}}_test

import (
	"testing"

	tasks "{{.Package.Path}}"
	"github.com/taskgen/taskgen/testdata/realworld/internal/roundtrip"
)

func TestEveryPayloadArrives(t *testing.T) {
	s := Suite()
{{- range .Package.Tasks}}
	roundtrip.Add(s, &tasks.{{.Base}}Spec, tasks.Enqueue{{.Base}}{{range index $.Samples .Struct}}, {{printf "%q" .}}{{end}})
{{- end}}
	s.Run(t, tasks.Queues())
}
`))

// command runs the go command in the module.
func command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "go %s:\n%s", strings.Join(args, " "), out)
	return string(out)
}
