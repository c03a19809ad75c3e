package typeinfo

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func basic(kind string) Shape { return Shape{Kind: kind} }

func of(kind string, elem Shape) Shape { return Shape{Kind: kind, Elem: &elem} }

func structOf(fields ...Field) Shape { return Shape{Kind: Struct, Fields: fields} }

// TestAMemberIsFoundAsEncodingJSONFindsIt has the rules of package encoding/json for several
// fields with one name. Each wanted field has a kind that no other has.
func TestAMemberIsFoundAsEncodingJSONFindsIt(t *testing.T) {
	plain := func(name, kind string) Field { return Field{Name: name, Shape: basic(kind)} }
	tagged := func(name, kind string) Field { return Field{Name: name, Tagged: true, Shape: basic(kind)} }
	embed := func(fields ...Field) Field { return Field{Shape: structOf(fields...)} }
	behind := func(fields ...Field) Field { return Field{Shape: of(Pointer, structOf(fields...))} }
	for name, c := range map[string]struct {
		shape Shape
		want  string // the kind; empty: none is found
	}{
		"there is none":                      {structOf(plain("b", "int")), ""},
		"its name has another case":          {structOf(plain("A", "int")), ""},
		"it is the only one":                 {structOf(plain("b", "int"), plain("a", "string")), "string"},
		"it is embedded":                     {structOf(embed(plain("a", "int8"))), "int8"},
		"it is embedded by pointer":          {structOf(behind(embed(plain("a", "int8")))), "int8"},
		"the outer one hides it":             {structOf(embed(tagged("a", "int8")), plain("a", "int16")), "int16"},
		"the tagged one is preferred":        {structOf(embed(plain("a", "int8")), embed(tagged("a", "int16"))), "int16"},
		"two are tagged":                     {structOf(embed(tagged("a", "int8")), embed(tagged("a", "int16"))), ""},
		"two are not tagged":                 {structOf(embed(plain("a", "int8")), embed(plain("a", "int16"))), ""},
		"two hide a third one":               {structOf(embed(plain("a", "int8")), embed(plain("a", "int16"), embed(plain("a", "int32")))), ""},
		"a field of a part is not a member":  {structOf(Field{Name: "b", Shape: structOf(plain("a", "int"))}), ""},
		"a pointer without a type is passed": {structOf(Field{Shape: basic(Pointer)}, embed(plain("a", "int8"))), "int8"},
		"what is no struct has none":         {basic(Code), ""},
	} {
		switch m := c.shape.Member("a"); c.want {
		case "":
			assert.Nil(t, m, name)
		default:
			require.NotNil(t, m, name)
			assert.Equal(t, c.want, m.Kind, name)
		}
	}
}

func TestWhatOnlyCodeCanWriteIsFoundHoweverDeep(t *testing.T) {
	own := Shape{Kind: Code, Type: "example.com/shop.Money"}
	for _, c := range []struct {
		want  string
		shape Shape
	}{
		{"example.com/shop.Money", own},
		{"example.com/shop.Money", of(Pointer, of(Slice, of(Map, structOf(Field{Name: "a", Shape: basic("int")}, Field{Name: "b", Shape: own}))))},
		{"a type of its own", of(Array, basic(Code))},
		{"", structOf(Field{Name: "a", Shape: Shape{Kind: Code, Type: "time.Time"}}, Field{Name: "b", Shape: of(Slice, basic(Any))})},
	} {
		assert.Equal(t, c.want, c.shape.Owned())
	}
}

func TestAKeyIsMadeOfWhatADescriptionCanWrite(t *testing.T) {
	payload := structOf(
		Field{Name: "text", Shape: basic("string")}, Field{Name: "number", Shape: basic("uint8")}, Field{Name: "price", Shape: basic("float64")},
		Field{Name: "list", Shape: of(Slice, basic("string"))}, Field{Name: "at", Shape: Shape{Kind: Code, Type: "time.Time"}},
		Field{Name: "own", Shape: of(Slice, Shape{Kind: Code, Type: "example.com/shop.Money"})},
	)
	for _, c := range []struct {
		unique []string
		group  string
		why    string
	}{
		{nil, "", ""},
		{[]string{"text", "number", "price", "list", "at"}, "text", ""},
		{nil, "number", ""},
		{nil, "price", `its group key is made of "price", which is neither a text nor an integer`},
		{nil, "at", `its group key is made of "at"`},
		{nil, "none", `its payload has no member "none", of which its group key is made`},
		{[]string{"text", "none"}, "", `its payload has no member "none", of which its unique key is made`},
		{[]string{"own"}, "", `its unique key is made of "own", which only the code of example.com/shop.Money can write`},
	} {
		got := Refuses(&payload, c.unique, c.group)
		if c.why == "" {
			assert.Empty(t, got)
			continue
		}
		assert.Contains(t, got, c.why)
	}
	assert.Contains(t, Refuses(&Shape{Kind: Large}, nil, ""), "more than 10000 fields")
}

func TestOfATagTheOptionsThatCountAreKept(t *testing.T) {
	for tag, want := range map[string]string{
		"": "", "name": "", "name,omitempty": "omitempty", ",string": "string", "name,omitzero,string": "omitzero,string",
		"name,omitempty ,later": "", "-": "", "-,omitempty": "omitempty", "omitempty": "",
	} {
		assert.Equal(t, want, Options(tag), tag)
	}
}

func TestANameOfATagIsOneThatEncodingJSONAccepts(t *testing.T) {
	for name, ok := range map[string]bool{
		"": false, "a": true, "a b": true, "ключ": true, "a-b.c/d": true, "€": false, `a"b`: false, `a\b`: false, "a,b": false, "a'b": false, "😀": false, "٣": true, "$ref": true,
	} {
		assert.Equal(t, ok, ValidName(name), name)
	}
}

func TestKeysOfMapsAreTextsOrIntegers(t *testing.T) {
	for kind, ok := range map[string]bool{"string": true, "int": true, "int8": true, "uint64": true, "uintptr": true, "float64": false, "bool": false, "interface": false, Any: false, "": false} {
		assert.Equal(t, ok, IsKey(kind), kind)
	}
}
