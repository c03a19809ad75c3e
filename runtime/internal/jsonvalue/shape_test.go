package jsonvalue

//lint:file-ignore SA5008 odd tags are what a shape is for

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/typeinfo"
)

type (
	shapeNode struct {
		Name string       `json:"name,omitempty"`
		Next *shapeNode   `json:"next"`
		List []*shapeNode `json:"list"`
	}
	shapeBase   struct{ Trace string }
	shapeEmbeds struct {
		shapeBase
		*ShapeOuter
		hidden int
		Skip   bool `json:"-"`
	}
	ShapeOuter struct {
		At    time.Time         `json:"at,omitzero"`
		Count int8              `json:",string"`
		Maps  map[uint16][2]any `json:"a\"b"`
	}
	shapeUnset  struct{ *shapeBase }
	shapeSecret struct {
		PIN int `json:"pin" task:"secret"`
	}
	shapeBox[T any] struct{ In T }
	shapeOdd        struct {
		F func()
		M map[float64]int
		I interface{ M() }
	}
)

// MarshalJSON is what the generator writes for a type with secrets.
func (s shapeSecret) MarshalJSON() ([]byte, error) { return nil, nil }

// TestAShapeIsHowEncodingJSONReadsAType has what is special; the goldens of the generator
// compare all else with what it finds in source files.
func TestAShapeIsHowEncodingJSONReadsAType(t *testing.T) {
	const node = `"type":"github.com/taskgen/taskgen/runtime/internal/jsonvalue.shapeNode"`
	for want, v := range map[string]any{
		`{"kind":"struct","fields":[{"name":"name","tagged":true,"options":"omitempty","shape":{"kind":"string"}},
			{"name":"next","tagged":true,"shape":{"kind":"pointer","elem":{"kind":"code",` + node + `}}},
			{"name":"list","tagged":true,"shape":{"kind":"slice","elem":{"kind":"pointer","elem":{"kind":"code",` + node + `}}}}]}`: shapeNode{},
		`{"kind":"struct","fields":[{"shape":{"kind":"struct","fields":[{"name":"Trace","shape":{"kind":"string"}}]}},
			{"shape":{"kind":"pointer","elem":{"kind":"struct","fields":[{"name":"at","tagged":true,"options":"omitzero","shape":{"kind":"code","type":"time.Time"}},
				{"name":"Count","options":"string","shape":{"kind":"int8"}},
				{"name":"Maps","shape":{"kind":"map","key":"uint16","elem":{"kind":"array","len":2,"elem":{"kind":"any"}}}}]}}}]}`: shapeEmbeds{},
		`{"kind":"struct"}`: shapeUnset{},
		`{"kind":"struct","fields":[{"name":"pin","tagged":true,"shape":{"kind":"int"}}]}`:                                                            shapeSecret{},
		`{"kind":"struct","fields":[{"name":"In","shape":{"kind":"slice","elem":{"kind":"code","type":"time.Time"}}}]}`:                               shapeBox[[]time.Time]{},
		`{"kind":"struct","fields":[{"name":"F","shape":{"kind":"code"}},{"name":"M","shape":{"kind":"code"}},{"name":"I","shape":{"kind":"code"}}]}`: shapeOdd{},
	} {
		got, err := json.Marshal(ShapeOf(reflect.TypeOf(v)))
		require.NoError(t, err)
		assert.JSONEq(t, want, string(got), "%T", v)
	}
	_ = shapeEmbeds{}.hidden
}

// Wide types have ten times the fields of the next one, and ten more.
type (
	wide0 struct{ A, B, C, D, E, F, G, H, I, J *wide1 }
	wide1 struct{ A, B, C, D, E, F, G, H, I, J *wide2 }
	wide2 struct{ A, B, C, D, E, F, G, H, I, J *wide3 }
	wide3 struct{ A, B, C, D, E, F, G, H, I, J int }
)

func TestATypeWithTooManyFieldsIsLarge(t *testing.T) {
	assert.Equal(t, typeinfo.Shape{Kind: typeinfo.Large}, ShapeOf(reflect.TypeFor[wide0]()))
	assert.Equal(t, typeinfo.Struct, ShapeOf(reflect.TypeFor[wide1]()).Kind)
}
