package jsontype_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/jsontype"
)

func TestJSONFieldsAreThoseOfEncodingJSON(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "shapes_test.go", nil, 0)
	require.NoError(t, err)
	pkg, err := new(types.Config).Check("shapes", fset, []*ast.File{file}, nil)
	require.NoError(t, err)
	for name, v := range shapes {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		if name == "shapePlain" { // omitempty leaves it out of the empty value
			data = []byte(string(data[:len(data)-1]) + `,"ef":0}`)
		}
		var object map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &object))
		var want []string
		for key := range object {
			want = append(want, key)
		}
		fields := jsontype.New(pkg, nil).Object(pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct))
		var got []string
		for _, f := range fields.Fields {
			got = append(got, f.Name)
		}
		slices.Sort(want)
		slices.Sort(got)
		assert.Equal(t, want, got, name)
		assert.Equal(t, name == "shapeEmbeds", len(fields.Collisions) > 0, name)
	}
}
