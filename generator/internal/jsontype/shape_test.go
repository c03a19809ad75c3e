package jsontype_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/jsontype"
)

const shapeSource = `package shop

type Plain struct {
	Name  string ` + "`json:\"name,omitempty\"`" + `
	Count int8   ` + "`json:\",string\"`" + `
	Skip  bool   ` + "`json:\"-\"`" + `
	inner int
	Maps  map[uint16][2]*[]byte
	Any   any
}

type Node struct {
	Name string
	Next *Node
	List []Node
}

type Money struct{ Cents int }

func (m Money) MarshalJSON() ([]byte, error) { return nil, nil }

type base struct{ Trace string }

type Embeds struct {
	base
	*Plain
}

type Hidden struct {
	*base
	Price Money
}

type Box[T any] struct{ In T }

type Boxes struct{ A Box[int] }

type Odd struct {
	F func()
	M map[float64]int
	I interface{ M() }
}

type W0 struct{ A, B, C, D, E, F, G, H *W1 }
type W1 struct{ A, B, C, D, E, F, G, H *W2 }
type W2 struct{ A, B, C, D, E, F, G, H *W3 }
type W3 struct{ A, B, C, D, E, F, G, H *W4 }
type W4 struct{ A, B, C, D, E, F, G, H *W5 }
type W5 struct{ A, B, C, D, E, F, G, H *W6 }
type W6 struct{ A, B, C, D, E, F, G, H *W0 }
`

// TestAShapeIsHowEncodingJSONReadsAType has what is special; the goldens of the generator
// compare all else with what a program finds out about its types.
func TestAShapeIsHowEncodingJSONReadsAType(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "shop.go", shapeSource, 0)
	require.NoError(t, err)
	pkg, err := new(types.Config).Check("example.com/shop", fset, []*ast.File{file}, nil)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"Plain": `{"kind":"struct","fields":[
			{"name":"name","options":"omitempty","tagged":true,"shape":{"kind":"string"}}, {"name":"Count","options":"string","shape":{"kind":"int8"}},
			{"name":"Maps","shape":{"kind":"map","key":"uint16","elem":{"kind":"array","len":2,"elem":{"kind":"pointer","elem":{"kind":"slice","elem":{"kind":"uint8"}}}}}},
			{"name":"Any","shape":{"kind":"any"}}]}`,
		"Node": `{"kind":"struct","fields":[{"name":"Name","shape":{"kind":"string"}},
			{"name":"Next","shape":{"kind":"pointer","elem":{"kind":"code","type":"example.com/shop.Node"}}},
			{"name":"List","shape":{"kind":"slice","elem":{"kind":"code","type":"example.com/shop.Node"}}}]}`,
		"Embeds": `{"kind":"struct","fields":[{"shape":{"kind":"struct","fields":[{"name":"Trace","shape":{"kind":"string"}}]}},
			{"shape":{"kind":"pointer","elem":{"kind":"struct","fields":[
				{"name":"name","options":"omitempty","tagged":true,"shape":{"kind":"string"}}, {"name":"Count","options":"string","shape":{"kind":"int8"}},
				{"name":"Maps","shape":{"kind":"map","key":"uint16","elem":{"kind":"array","len":2,"elem":{"kind":"pointer","elem":{"kind":"slice","elem":{"kind":"uint8"}}}}}},
				{"name":"Any","shape":{"kind":"any"}}]}}}]}`,
		"Hidden": `{"kind":"struct","fields":[{"name":"Price","shape":{"kind":"code","type":"example.com/shop.Money"}}]}`,
		"Boxes":  `{"kind":"struct","fields":[{"name":"A","shape":{"kind":"struct","fields":[{"name":"In","shape":{"kind":"int"}}]}}]}`,
		"Odd":    `{"kind":"struct","fields":[{"name":"F","shape":{"kind":"code"}},{"name":"M","shape":{"kind":"code"}},{"name":"I","shape":{"kind":"code"}}]}`,
		"W0":     `{"kind":"large"}`,
	} {
		got, err := json.Marshal(jsontype.Shape(pkg.Scope().Lookup(name).Type()))
		require.NoError(t, err)
		assert.JSONEq(t, want, string(got), name)
	}
}
