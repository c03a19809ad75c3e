package load_test

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
)

const generatedLib = model.Header + "\n\npackage lib\n\nfunc EnqueueLib() {}\n"

func TestADependencyWithAGeneratedFileLoads(t *testing.T) {
	const tasks = "-- tasks.go --\npackage app\n\nimport \"example.com/app/lib\"\n\n// taskgen:\ntype FooTask struct{ A lib.Key }\n-- lib/lib.go --\npackage lib\n\ntype Key string\n"
	for name, broken := range map[string]string{
		"lib_taskgen.go":   generatedLib,
		"other_taskgen.go": "",
		"crlf_taskgen.go":  "\ufeff" + model.Header + "\r\n\r\npackage crlf\r\n",
		"a.go":             "package lib\n\nfunc {{{",
	} {
		dir := write(t, goMod+tasks)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "lib", name), []byte(broken), 0o644))
		assert.Equal(t, "A example.com/app/lib.Key\n", check(t, loadAll(t, load.Query{Dir: dir}), "FooTask"), name)
	}
	dir := write(t, goMod+tasks)
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "lib", "gone.go")))
	assert.Equal(t, "A example.com/app/lib.Key\n", check(t, loadAll(t, load.Query{Dir: dir}), "FooTask"), "a link that leads nowhere")
}

// Third parties call their files what they like.
func TestAHandwrittenFileWithOurNameIsRead(t *testing.T) {
	dir := write(t, goMod+`
-- tasks.go --
package app

import "example.com/app/lib"

// taskgen:
type FooTask struct { A lib.Key; B Own }
-- mine_taskgen.go --
package app

type Own int
-- lib/lib_taskgen.go --
package lib

type Key string
`)
	prog := loadAll(t, load.Query{Dir: dir})
	assert.Equal(t, "A example.com/app/lib.Key\nB example.com/app.Own\n", check(t, prog, "FooTask"))
	assert.Empty(t, prog.Generated)
	assert.Empty(t, prog.Copies)
}

func TestOnlyFilesWithOurHeaderAndOurNameAreGenerated(t *testing.T) {
	const clause = "\n\npackage app\n"
	const tasks = "// taskgen:\npackage app\n"
	for name, c := range map[string]struct {
		files             map[string]string
		generated, copies []string
	}{
		"a copy under another name":     {map[string]string{"a.go": tasks, "by_hand.go": model.Header + clause}, nil, []string{"by_hand.go"}},
		"a copy beside the original":    {map[string]string{"a.go": tasks, "app_taskgen.go": model.Header + clause, "old_taskgen.go": model.Header + clause}, []string{"app_taskgen.go"}, []string{"old_taskgen.go"}},
		"a copy without tasks":          {map[string]string{"a.go": "package app\n", "old_taskgen.go": model.Header + clause}, nil, []string{"old_taskgen.go"}},
		"of the package's old name":     {map[string]string{"a.go": tasks, "old_taskgen.go": model.Header + "\n\npackage old\n"}, []string{"old_taskgen.go"}, nil},
		"renamed with the package":      {map[string]string{"a.go": tasks, "old_taskgen.go": model.Header + clause}, []string{"old_taskgen.go"}, nil},
		"of a package without tasks":    {map[string]string{"a.go": "package app\n", "app_taskgen.go": model.Header + clause}, []string{"app_taskgen.go"}, nil},
		"the header in the code":        {map[string]string{"a.go": tasks + "\n" + model.Header + "\n"}, nil, nil},
		"merge markers around the name": {map[string]string{"a.go": tasks, "app_taskgen.go": "<<<<<<< HEAD\n" + model.Header + "\n=======\n"}, []string{"app_taskgen.go"}, nil},
	} {
		dir := write(t, goMod)
		for file, src := range c.files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(src), 0o644))
		}
		prog := loadAll(t, load.Query{Dir: dir})
		assert.Equal(t, c.generated, bases(prog.Generated), name)
		assert.Equal(t, c.copies, bases(prog.Copies), name)
	}
}

func bases(paths []string) []string {
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

// go/types would follow every one of 2^60 ways.
func TestATypeWithoutMeasureIsRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString(goMod + "-- tasks.go --\npackage app\n\n// taskgen:\ntype FooTask struct { A T0; B int }\n")
	for i := range 60 {
		fmt.Fprintf(&b, "type T%d struct { A, B T%d }\n", i, i+1)
	}
	b.WriteString("type T60 struct{ X int }\n")
	prog := loadAll(t, load.Query{Dir: write(t, b.String())})
	check(t, prog, "FooTask")
	spec := prog.Packages[0].Files[0].Syntax.Decls[0].(*ast.GenDecl).Specs[0].(*ast.TypeSpec)
	faults := prog.Faults(prog.Packages[0], spec)
	require.NotEmpty(t, faults)
	assert.Contains(t, faults[0].Msg, "is too large: it has more than 1048576 parts")
}
