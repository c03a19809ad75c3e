package load_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
)

const outputModule = goMod + `
-- tasks.go --
package app

import "example.com/app/lib"

// taskgen:
type FooTask struct{ A string }

var helper = lib.New()

var typed map[string]int = broken()

type maps int // clashes with an import of that name

func use(FooTask) (int, error) { return undefined }
-- app_taskgen.go --
package stale (
-- lib/lib.go --
package lib

type Lib struct{ parts []string }

func New() *Lib { return nil }

func (l *Lib) Join(sep string) string { return "" }
-- far/far.go --
package far

import "strings"

func Far[T ~string](v T) T { return T(strings.ToUpper(string(v))) }
`

const output = model.Header + `

package app

import (
	"fmt"
	"strings"

	"example.com/app/far"
)

const TypeFoo = "foo"

func EnqueueFoo(task FooTask) (string, error) {
	n, err := use(task)
	for key, value := range typed {
		n += len(key) + value
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", n, far.Far(helper.Join(TypeFoo)))
	return b.String(), err
}
`

func outputProgram(t *testing.T) (*load.Program, string) {
	dir := write(t, outputModule)
	prog := loadAll(t, load.Query{Dir: dir})
	return prog, filepath.Join(dir, "app_taskgen.go")
}

func TestOutputThatCompilesIsFine(t *testing.T) {
	prog, file := outputProgram(t)
	require.NoError(t, prog.CheckOutput(t.Context(), "example.com/app", file, []byte(output)))
}

func TestOutputThatDoesNotCompileSaysWhere(t *testing.T) {
	prog, file := outputProgram(t)
	for src, want := range map[string]string{
		strings.Replace(output, "fmt.Fprintf", "fmt.Nope", 1):                     "20:6: undefined: fmt.Nope",
		strings.Replace(output, "helper.Join(TypeFoo)", "helper.Join(1)", 1):      `20:50: cannot use 1`,
		strings.Replace(output, "use(task)", "use()", 1):                          "15:16: not enough arguments in call to use",
		strings.Replace(output, `"example.com/app/far"`, `"example.com/nope"`, 1): "9:2: could not import example.com/nope",
		output + "\nfunc unused() { x := 1 }\n":                                   "24:17: declared and not used: x",
		strings.Replace(output, `"strings"`, `maps "strings"`, 1):                 "7:2: maps is declared by the package already",
		output + "\nfunc use() {}\n":                                              "24:6: use redeclared in this block",
		output + "\nfunc {\n":                                                     "24:6: expected",
		strings.Replace(output, "package app", "package other", 1):                "3:1: package other; expected package app",
	} {
		err := prog.CheckOutput(t.Context(), "example.com/app", file, []byte(src))
		var bad *load.OutputError
		require.ErrorAs(t, err, &bad, want)
		assert.Contains(t, err.Error(), file+":"+want)
		assert.Equal(t, file, bad.Filename)
	}
}

func TestOutputOfAnUnknownPackageIsAnError(t *testing.T) {
	prog, file := outputProgram(t)
	err := prog.CheckOutput(t.Context(), "example.com/unknown", file, []byte(output))
	require.ErrorContains(t, err, "example.com/unknown is not loaded")
}

func TestOutputsMayBeCheckedSideBySide(t *testing.T) {
	prog, file := outputProgram(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { assert.NoError(t, prog.CheckOutput(t.Context(), "example.com/app", file, []byte(output))) })
	}
	wg.Wait()
}
