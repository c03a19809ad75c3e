package analyze

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHoldersOfTypesWithoutEndAreFound(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", `package p

type Nest[T any] struct { In *Nest[[]T]; V T; Token string `+"`task:\"secret\"`"+` }
type Pair[T any] struct { L *Pair[[]T]; R *Pair[map[string]T] }
type Root struct { P Pair[int]; N Nest[int] }
`, 0)
	require.NoError(t, err)
	conf := types.Config{Error: func(error) {}}
	pkg, _ := conf.Check("p", fset, []*ast.File{file}, nil)
	found := searchHolders([]types.Type{pkg.Scope().Lookup("Root").Type()}).own(pkg)
	assert.Contains(t, found, "Root")
	assert.NotContains(t, found, "Pair")
}
