package generator_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A structSource makes up the source of structs.
type structSource struct{ r *rand.Rand }

func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// structure is the declaration of a struct with one to five fields.
func (s *structSource) structure(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "type %s struct {\n", name)
	if s.r.IntN(6) == 0 {
		fmt.Fprintf(&b, "\t%s\n", pick(s.r, "Base", "base", "*Base", "Deep", "Text", "Base `json:\"base\"`", "parts.StructNoneNone", "time.Time", "*base"))
	}
	for i := range 1 + s.r.IntN(5) {
		fmt.Fprintf(&b, "\tF%d %s%s\n", i, s.typ(0), s.tag(i))
	}
	b.WriteString("}\n")
	return b.String()
}

// tag is a json tag, or none.
func (s *structSource) tag(i int) string {
	if s.r.IntN(3) == 0 {
		return ""
	}
	name := pick(s.r, "", fmt.Sprintf("f%d", i), fmt.Sprintf("f.%d", i), fmt.Sprintf("x/%d*~", i), fmt.Sprintf("é %d", i))
	options := pick(s.r, "", "", "", ",omitempty", ",omitzero", ",string", ",omitempty,string")
	switch s.r.IntN(40) {
	case 0:
		return " `json:\"-\"`"
	case 1:
		name = "b" // a field of Base has it, too
	}
	if name+options == "" {
		return ""
	}
	return fmt.Sprintf(" `json:\"%s%s\"`", name, options)
}

var plainTypes = []string{
	"bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "string",
	"[]byte", "[3]byte", "any", "map[string]any", "time.Duration", "time.Time", "big.Int", "*big.Int", "json.RawMessage", "json.Number", "netip.Addr",
	"Text", "Count", "Words", "Table", "Tree", "*Tree", "Base", "Deep", "struct{}", "Box[int]", "Box[Text]", "Box[*time.Time]",
}

var oddTypes = []string{
	"chan int", "func()", "complex128", "error", "json.Marshaler", "url.URL", "Pointer", "Moment", "struct{ time.Time }", "map[float64]int",
	"Box[parts.IntJSONPtrJSON]", "Box[Moment]", "struct{ Base; B string `json:\"b\"` }",
}

func (s *structSource) typ(depth int) string {
	n := s.r.IntN(100)
	switch {
	case n < 3:
		return pick(s.r, oddTypes...)
	case n < 15:
		return s.part()
	case n < 55 || depth > 3:
		return pick(s.r, plainTypes...)
	case n < 63:
		return "*" + s.notNil(depth)
	case n < 72:
		return "[]" + s.typ(depth+1)
	case n < 77:
		return "[2]" + s.typ(depth+1)
	case n < 90:
		return "map[" + s.key() + "]" + s.typ(depth+1)
	}
	return fmt.Sprintf("struct {\n\t\tG %s%s\n\t\tH %s\n\t}", s.typ(depth+1), s.tag(9), s.typ(depth+1))
}

// notNil is a type that pointers can point to without FIELD_NULL, mostly.
func (s *structSource) notNil(depth int) string {
	for range 5 {
		t := s.typ(depth + 1)
		if !strings.HasPrefix(t, "*") && !strings.HasPrefix(t, "[]") && !strings.HasPrefix(t, "map") && t != "any" && t != "Words" && t != "Table" {
			return t
		}
	}
	return "int"
}

func (s *structSource) key() string {
	if s.r.IntN(8) == 0 {
		return pick(s.r, "parts.Int", "parts.String", "*parts.Int", "parts.Key") + pick(s.r, "None", "JSON", "Text", "TextPtr") + pick(s.r, "None", "JSON", "Text")
	}
	return pick(s.r, "string", "int", "int8", "uint64", "Text", "Count")
}

// part is a type that encodes itself in one of many ways.
func (s *structSource) part() string {
	prefix := pick(s.r, "", "", "", "*")
	// Pairs are what people write, and the others are what they get wrong.
	how := pick(s.r, "JSONJSON", "JSONJSON", "TextText", "TextText", "NoneJSON", "TextJSON")
	if s.r.IntN(5) == 0 {
		how = pick(s.r, encoders...) + pick(s.r, decoders...)
	}
	return prefix + "parts." + pick(s.r, "Int", "String", "Struct", "Bytes", "Map", "List") + how
}

var (
	encoders = []string{"None", "JSON", "JSONPtr", "Text", "TextPtr"}
	decoders = []string{"None", "JSON", "Text"}
	kinds    = map[string]string{
		"Int": "int", "String": "string", "Struct": "struct{ X int; Y string }", "Bytes": "[]byte", "Map": "map[string]int", "List": "[]int", "Key": "struct{ X int }",
	}
)

// partsSource is package parts: a type of each kind for each pair of methods. What they
// write is not what encoding/json would; what reads takes that where nothing else writes.
func partsSource() string {
	var b strings.Builder
	b.WriteString(`package parts

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

const mark = "t:"

func toJSON(v any) ([]byte, error) { return json.Marshal(map[string]any{"wrapped": v}) }

func toText(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	return []byte(mark + base64.StdEncoding.EncodeToString(data)), err
}

// plain reads what encoding/json writes for the kind.
func plain(data []byte, v any) error { return json.Unmarshal(data, v) }

func fromJSON(data []byte, v any) error {
	var object struct{ Wrapped json.RawMessage ` + "`json:\"wrapped\"`" + ` }
	if err := json.Unmarshal(data, &object); err != nil || object.Wrapped == nil {
		return errors.New("this is not JSON of mine")
	}
	return plain(object.Wrapped, v)
}

func fromTextInJSON(data []byte, v any) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	return fromText([]byte(text), v)
}

func fromText(text []byte, v any) error {
	rest, ok := strings.CutPrefix(string(text), mark)
	if !ok {
		return errors.New("this is not text of mine")
	}
	data, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return err
	}
	return plain(data, v)
}

// fromPlainText reads text where nothing writes it: a string, or the key of a map.
func fromPlainText(text []byte, v any) error {
	if s := reflect.ValueOf(v).Elem(); s.Kind() == reflect.String {
		s.SetString(string(text))
		return nil
	}
	return plain(text, v)
}
`)
	for kind, underlying := range kinds {
		for _, enc := range encoders {
			for _, dec := range decoders {
				name := kind + enc + dec
				fmt.Fprintf(&b, "\ntype plain%s %s\n\ntype %s %s\n", name, underlying, name, underlying)
				star, value := "", fmt.Sprintf("plain%s(x)", name)
				if strings.HasSuffix(enc, "Ptr") {
					star, value = "*", fmt.Sprintf("plain%s(*x)", name)
				}
				if form := strings.TrimSuffix(enc, "Ptr"); form != "None" {
					fmt.Fprintf(&b, "\nfunc (x %s%s) Marshal%s() ([]byte, error) { return to%s(%s) }\n", star, name, form, form, value)
				}
				if dec != "None" {
					from := map[string]string{"JSONJSON": "fromJSON", "TextJSON": "fromTextInJSON", "NoneJSON": "plain", "JSONText": "fromText", "TextText": "fromText", "NoneText": "fromPlainText"}
					fmt.Fprintf(&b, "\nfunc (x *%s) Unmarshal%s(data []byte) error { return %s(data, (*plain%s)(x)) }\n", name, dec, from[strings.TrimSuffix(enc, "Ptr")+dec], name)
				}
			}
		}
	}
	return b.String()
}
