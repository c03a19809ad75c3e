package load_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/load"
)

const hard = `
-- tasks.go --
package app

import (
	. "encoding/json"
	"math/big"
	"net/netip"
	"net/url"
	"time"
	"unsafe"

	"example.com/lib"
	other "example.com/lib/v2/lib"
)

// taskgen:
type FooTask struct {
	lib.Base
	*Local
	Raw     RawMessage
	Set     lib.Set[Key]
	Pair    lib.Pair[string, []lib.Base]
	Alias   lib.Alias
	Generic lib.List[Key]
	Big     *big.Int
	Addr    netip.Addr
	URL     url.URL
	At      *time.Time
	Sum     [Size]byte
	Two     [len(table)]int
	Ptr     [unsafe.Sizeof(0)]int
	Other   other.Base
	Deep    map[Key][]struct{ X lib.Level }
}

type (
	Key   string
	Local struct{ ID int }
)

const (
	_ = iota * 16
	_
	Size
)

var table = [...]int{1, 2, 3}

func unused() { undefined() }
`

const lib = `
-- lib/go.mod --
module example.com/lib

go 1.26
-- lib/lib.go --
package lib

import "fmt"

type Base struct{ Tenant string }

type Set[T comparable] map[T]struct{}

type Pair[A, B any] struct {
	A A
	B B
}

type Alias = Pair[int, Level]

type List[T fmt.Stringer] []T

type Level int

func (l Level) String() string { return fmt.Sprint(int(l)) }
-- lib/v2/lib/lib.go --
package lib

type Base struct{ Region string }
`

const hardWant = `Base example.com/lib.Base
Local *example.com/app.Local
Raw encoding/json.RawMessage
Set example.com/lib.Set[example.com/app.Key]
Pair example.com/lib.Pair[string, []example.com/lib.Base]
Alias example.com/lib.Alias
Generic example.com/lib.List[example.com/app.Key]
Big *math/big.Int
Addr net/netip.Addr
URL net/url.URL
At *time.Time
Sum [32]byte
Two [3]int
Ptr [8]int
Other example.com/lib/v2/lib.Base
Deep map[example.com/app.Key][]struct{X example.com/lib.Level}
`

func TestTypesOfOtherModulesAreResolved(t *testing.T) {
	dir := write(t, hard+lib+`
-- go.mod --
module example.com/app

go 1.26

require example.com/lib v1.0.0

replace example.com/lib => ./lib
`)
	assert.Equal(t, hardWant, check(t, loadAll(t, load.Query{Dir: dir}), "FooTask"))
}

func TestVendoredTypesAreResolved(t *testing.T) {
	vendored := strings.NewReplacer("-- lib/go.mod --\nmodule example.com/lib\n\ngo 1.26\n", "", "-- lib/", "-- vendor/example.com/lib/").Replace(lib)
	dir := write(t, hard+vendored+`
-- go.mod --
module example.com/app

go 1.26

require example.com/lib v1.0.0
-- vendor/modules.txt --
# example.com/lib v1.0.0
## explicit; go 1.26
example.com/lib
example.com/lib/v2/lib
`)
	prog := loadAll(t, load.Query{Dir: dir, Env: env("GOFLAGS=-mod=vendor")})
	assert.Equal(t, hardWant, check(t, prog, "FooTask"))
}

func TestTypesOfAWorkspaceAreResolved(t *testing.T) {
	dir := write(t, strings.ReplaceAll(hard, "-- tasks.go --", "-- app/tasks.go --")+lib+`
-- app/go.mod --
module example.com/app

go 1.26
-- go.work --
go 1.26

use (
	./app
	./lib
)
`)
	prog := loadAll(t, load.Query{Dir: filepath.Join(dir, "app"), Env: env("GOWORK=", "GOFLAGS=")})
	assert.Equal(t, hardWant, check(t, prog, "FooTask"))
}

func TestBuildTagsChooseFiles(t *testing.T) {
	archive := goMod + `
-- tasks.go --
package app

// taskgen:
type FooTask struct{ A Kind }
-- small.go --
//go:build !big

package app

type Kind int8
-- big.go --
//go:build big

package app

// taskgen:
type Kind int64
`
	dir := write(t, archive)
	prog := loadAll(t, load.Query{Dir: dir})
	check(t, prog, "FooTask")
	assert.Equal(t, "int8", prog.Packages[0].Types.Scope().Lookup("Kind").Type().Underlying().String())
	require.Len(t, prog.Packages[0].Excluded, 1)
	assert.Equal(t, filepath.Join(dir, "big.go"), prog.Packages[0].Excluded[0].Path)

	prog = loadAll(t, load.Query{Dir: dir, Tags: "big,other"})
	check(t, prog, "FooTask")
	assert.Equal(t, "int64", prog.Packages[0].Types.Scope().Lookup("Kind").Type().Underlying().String())
	assert.Empty(t, prog.Packages[0].Excluded)
}

func TestTheArchitectureIsThatOfTheEnvironment(t *testing.T) {
	dir := write(t, goMod+"-- tasks.go --\npackage app\n\nimport \"unsafe\"\n\n// taskgen:\ntype FooTask struct{ A [unsafe.Sizeof(uintptr(0))]byte }\n")
	got := check(t, loadAll(t, load.Query{Dir: dir, Env: env("GOARCH=386", "CGO_ENABLED=0")}), "FooTask")
	assert.Equal(t, "A [4]byte\n", got)
}
