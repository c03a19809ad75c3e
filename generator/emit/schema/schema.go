// Package schema writes the JSON Schema (draft 2020-12) of a task's payload: the
// model in, text out. It takes what encoding/json writes for the struct, and of
// what encoding/json reads all but members that the struct does not have, which it
// would drop without a word.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/model"
)

// Draft is the dialect of what Text returns.
const Draft = "https://json-schema.org/draft/2020-12/schema"

// object is a part of a schema. encoding/json sorts its keys.
type object map[string]any

// A Document is the schema of a task's payload, in parts: several documents may
// have definitions in common. There is no backquote in it, so that it fits raw
// strings of Go.
type Document struct {
	Definitions []Definition // sorted by name
	rest        object
}

// A Definition is one of the types that a payload consists of.
type Definition struct {
	Name string
	Text string // a member of $defs, on one line
}

// Of returns the schema of a task's payload.
func Of(t *model.Task) Document {
	root := of(&t.Payload.Value)
	root["$schema"], root["title"] = Draft, t.Struct
	if text := strings.Join(strings.Fields(t.Doc), " "); text != "" {
		root["description"] = text
	}
	d := Document{rest: root}
	for i := range t.Payload.Definitions {
		def := &t.Payload.Definitions[i]
		s := of(&def.Value)
		if def.Doc != "" {
			s["description"] = def.Doc
		}
		d.Definitions = append(d.Definitions, Definition{def.Name, plain(compact(def.Name) + ": " + compact(s))})
	}
	slices.SortFunc(d.Definitions, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	return d
}

// Text returns the document. The same task gives the same bytes.
func (d Document) Text() string {
	var b strings.Builder
	for _, part := range d.Parts() {
		b.WriteString(part)
	}
	return b.String()
}

// Parts returns the document in parts: those with an odd index are the texts of
// the definitions, in their order.
func (d Document) Parts() []string {
	rest := plain(lines(d.rest))
	if len(d.Definitions) == 0 {
		return []string{rest}
	}
	parts := make([]string, 0, 2*len(d.Definitions)+1)
	before := "{\n  \"$defs\": {\n    " // $defs sorts before all other keywords
	for _, def := range d.Definitions {
		parts = append(parts, before, def.Text)
		before = ",\n    "
	}
	return append(parts, "\n  },\n"+strings.TrimPrefix(rest, "{\n"))
}

// Text returns the schema of a task's payload. The same task gives the same bytes.
func Text(t *model.Task) string { return Of(t).Text() }

// plain is JSON without backquotes.
func plain(text string) string { return strings.ReplaceAll(text, "`", `\u0060`) }

// of is the schema of a value.
func of(v *model.Value) object {
	s := object{}
	switch v.Kind {
	case model.TextValue:
		s["type"] = "string"
	case model.TimeValue:
		s["type"], s["format"] = "string", "date-time"
	case model.BytesValue:
		s["type"], s["contentEncoding"] = "string", "base64"
	case model.BooleanValue:
		s["type"] = "boolean"
	case model.IntegerValue:
		s["type"] = "integer"
		s["minimum"], s["maximum"] = bounds(v)
	case model.NumberValue:
		s["type"] = "number"
	case model.ListValue:
		s["type"], s["items"] = "array", of(v.Elem)
		if v.Len >= 0 {
			s["minItems"], s["maxItems"] = v.Len, v.Len
		}
	case model.MapValue:
		s["type"], s["additionalProperties"] = "object", of(v.Elem)
		if v.Keys.Kind == model.IntegerValue {
			s["propertyNames"] = object{"pattern": digits(v.Keys)}
		}
	case model.ObjectValue:
		members(s, v.Members)
	case model.RefValue:
		s["$ref"] = "#"
		if v.Ref != "" {
			s["$ref"] = "#/$defs/" + v.Ref
		}
	}
	if v.Quoted {
		s = quoted(v)
	}
	if v.Null {
		s = orNull(s)
	}
	return s
}

// quoted is the schema of a value that stands within a string.
func quoted(v *model.Value) object {
	s := object{"type": "string"}
	switch v.Kind {
	case model.IntegerValue:
		s["pattern"] = digits(v)
	case model.BooleanValue:
		s["pattern"] = "^(true|false)$"
	}
	return s
}

func digits(v *model.Value) string {
	if v.Unsigned {
		return "^[0-9]+$"
	}
	return "^-?[0-9]+$"
}

// bounds are the least and the greatest value of an integer.
func bounds(v *model.Value) (least, greatest json.Number) {
	bits := uint(v.Bits)
	lowest := new(big.Int)
	if !v.Unsigned {
		bits--
		lowest.Neg(lowest.Lsh(big.NewInt(1), bits))
	}
	highest := new(big.Int).Lsh(big.NewInt(1), bits)
	highest.Sub(highest, big.NewInt(1))
	return json.Number(lowest.String()), json.Number(highest.String())
}

func orNull(s object) object {
	if kind, ok := s["type"].(string); ok {
		s["type"] = []string{kind, "null"}
		return s
	}
	if len(s) == 0 {
		return s // anything, null included
	}
	return object{"anyOf": []object{s, {"type": "null"}}}
}

// members fills in the schema of an object.
func members(s object, ms []model.Member) {
	properties := make(object, len(ms))
	var required []string
	for i := range ms {
		m := &ms[i]
		v := m.Value
		if m.Required {
			v.Null = false
			required = append(required, m.Name)
		}
		p := of(&v)
		if m.Required {
			notZero(p, &v)
		}
		if m.Doc != "" {
			p["description"] = m.Doc
		}
		if m.Secret {
			p["writeOnly"] = true
		}
		properties[m.Name] = p
	}
	s["type"], s["properties"], s["additionalProperties"] = "object", properties, false
	if len(required) > 0 {
		s["required"] = required
	}
}

// notZero refuses the zero value of a required member, as its task does.
func notZero(s object, v *model.Value) {
	switch {
	case v.Quoted || v.Pointer:
	case v.Kind == model.TextValue || v.Kind == model.BytesValue:
		s["minLength"] = 1
	case v.Kind == model.ListValue && v.Len < 0:
		s["minItems"] = 1
	case v.Kind == model.MapValue:
		s["minProperties"] = 1
	case v.Kind == model.IntegerValue || v.Kind == model.NumberValue:
		s["not"] = object{"const": 0}
	}
}

// lines prints a schema with a line for each of its keywords and properties, all
// sorted.
func lines(s object) string {
	var b strings.Builder
	b.WriteString("{\n")
	for i, key := range slices.Sorted(maps.Keys(s)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		nested, ok := s[key].(object)
		if !ok || len(nested) == 0 || key != "properties" {
			fmt.Fprintf(&b, "  %s: %s", compact(key), compact(s[key]))
			continue
		}
		fmt.Fprintf(&b, "  %s: {\n", compact(key))
		for j, name := range slices.Sorted(maps.Keys(nested)) {
			if j > 0 {
				b.WriteString(",\n")
			}
			fmt.Fprintf(&b, "    %s: %s", compact(name), compact(nested[name]))
		}
		b.WriteString("\n  }")
	}
	b.WriteString("\n}")
	return b.String()
}

// compact is a value as JSON on one line.
func compact(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // there is nothing in a schema that JSON does not have
	}
	return strings.TrimSuffix(b.String(), "\n")
}
