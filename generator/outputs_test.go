package generator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator"
)

// outputsModule is a module with the package of testdata/outputs.txtar, generated.
func outputsModule(t *testing.T) (dir string, files map[string][]byte) {
	t.Helper()
	dir = module(t, readGoldens(t, "testdata/outputs.txtar"))
	r := generate(t, dir, "", "./...")
	require.Empty(t, r.Diagnostics)
	for path, src := range r.Files {
		put(t, path, src)
	}
	return dir, r.Files
}

// TestSchemasAreOfWhatTheTasksAre validates what a program writes with encoding/json.
func TestSchemasAreOfWhatTheTasksAre(t *testing.T) {
	dir, _ := outputsModule(t)
	put(t, filepath.Join(dir, "main.go"), []byte(payloadsDriver))
	lines := strings.Split(strings.TrimSpace(goRun(t, dir, "run", ".")), "\n")
	require.Len(t, lines, 7)
	for _, line := range lines {
		name, payload, _ := strings.Cut(line, "\t")
		file, wrong := strings.CutPrefix(name, "wrong ")
		s, err := jsonschema.NewCompiler().Compile(filepath.Join(dir, "outputs", "schemas", file+".schema.json"))
		require.NoError(t, err)

		value, err := jsonschema.UnmarshalJSON(strings.NewReader(payload))
		require.NoError(t, err)
		if err = s.Validate(value); wrong {
			assert.Error(t, err, line)
		} else {
			assert.NoError(t, err, line)
		}
	}
}

const payloadsDriver = `package main

import (
	"encoding/json"
	"fmt"
	"time"

	"example.com/golden/outputs"
)

func main() {
	letter := outputs.LetterTask{Email: "a@example.com", Token: "t"}
	letter.Login.User = "<u>"
	home := &outputs.Address{Street: "s", City: "c"}
	show("ship_parcel", outputs.ShipParcelTask{Customer: "c", Order: -1, To: home, Gifts: []outputs.Address{*home}, Labels: map[string]string{"": "x"}})
	show("ship_parcel", outputs.ShipParcelTask{Customer: "c", Order: 1})
	show("letter", letter)
	show("statement", outputs.StatementTask{Kind: "k", Since: time.Unix(1, 2)})
	show("wrong ship_parcel", outputs.ShipParcelTask{Customer: "c"})
	show("wrong letter", outputs.LetterTask{})
	show("wrong statement", map[string]any{"kind": 1})
}

func show(name string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\t%s\n", name, data)
}
`

func TestACatalogIsNoOutput(t *testing.T) {
	dir, _ := outputsModule(t)
	for path, want := range map[string]string{"outputs/schemas/letter.schema.json": "a package has the file as an output", "outputs/mine.json": ""} {
		path = filepath.Join(dir, filepath.FromSlash(path))
		_, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: []string{"./..."}, Env: env(), Catalog: path})
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestOutputsStayInTheModuleWhateverLinksAreThere(t *testing.T) {
	dir := module(t, readGoldens(t, "testdata/outputs.txtar"))
	outside := t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "outputs", "schemas")))
	changes, err := generate(t, dir, "", "./...").Changes()
	require.NoError(t, err)
	require.Error(t, generator.Write(changes))
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, entries)
	assert.NoFileExists(t, filepath.Join(dir, "outputs", "outputs_taskgen.go"), "nothing is written")
}
