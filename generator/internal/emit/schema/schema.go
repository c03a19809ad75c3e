// Package schema writes the JSON Schema (draft 2020-12) of a task's payload: the model
// in, text out. The schema accepts what encoding/json writes for the struct, and what
// it reads, except members that the struct does not have, which encoding/json silently
// drops.
package schema

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// draft is the dialect of what Text returns.
const draft = "https://json-schema.org/draft/2020-12/schema"

// An object is a part of a schema.
type object struct {
	keywords   []member // without properties
	properties []member
}

// A member is one of a JSON object, with its value as JSON on one line.
type member struct{ name, value string }

func (o *object) set(keyword, value string) { o.keywords = append(o.keywords, member{keyword, value}) }

// A Document is the schema of a task's payload, in parts: several documents may
// have definitions in common. There is no backquote in it, so that it fits raw
// strings of Go.
type Document struct {
	Definitions []Definition // sorted by name
	task        *model.Task
}

// A Definition is one of the types that a payload consists of.
type Definition struct {
	Name string
	Text string // a member of $defs, on one line
}

// Of returns the schema of a task's payload.
func Of(t *model.Task) Document {
	d := Document{task: t}
	for i := range t.Payload.Definitions {
		def := &t.Payload.Definitions[i]
		s := of(&def.Value)
		if def.Doc != "" {
			s.set("description", quote(def.Doc))
		}
		d.Definitions = append(d.Definitions, Definition{def.Name, plain(quote(def.Name) + ": " + s.text())})
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

// Marked is the document as a file of its own, with a comment.
func (d Document) Marked(comment string) string {
	return "{\n  \"$comment\": " + quote(comment) + "," + strings.TrimPrefix(d.Text(), "{") + "\n"
}

// Parts returns the document in parts: those with an odd index are the texts of
// the definitions, in their order.
func (d Document) Parts() []string {
	root := of(&d.task.Payload.Value)
	root.set("$schema", quote(draft))
	root.set("title", quote(d.task.Struct))
	if text := strings.Join(strings.Fields(d.task.Doc), " "); text != "" {
		root.set("description", quote(text))
	}
	rest := plain(root.lines())
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

// plain is JSON without backquotes.
func plain(text string) string { return strings.ReplaceAll(text, "`", `\u0060`) }

// of is the schema of a value.
func of(v *model.Value) object {
	var s object
	kind := ""
	switch v.Kind {
	case model.TextValue:
		kind = "string"
	case model.TimeValue:
		kind = "string"
		s.set("format", `"date-time"`)
	case model.BytesValue:
		kind = "string"
		s.set("contentEncoding", `"base64"`)
	case model.BooleanValue:
		kind = "boolean"
	case model.IntegerValue:
		kind = "integer"
		least, greatest := bounds(v)
		s.set("minimum", least)
		s.set("maximum", greatest)
	case model.NumberValue:
		kind = "number"
	case model.ListValue:
		kind = "array"
		elem := of(v.Elem)
		s.set("items", elem.text())
		if v.Len >= 0 {
			s.set("minItems", strconv.FormatInt(v.Len, 10))
			s.set("maxItems", strconv.FormatInt(v.Len, 10))
		}
	case model.MapValue:
		kind = "object"
		elem := of(v.Elem)
		s.set("additionalProperties", elem.text())
		if v.Keys.Kind == model.IntegerValue {
			s.set("propertyNames", `{"pattern":`+quote(digits(v.Keys))+"}")
		}
	case model.ObjectValue:
		kind = "object"
		members(&s, v.Members)
	case model.RefValue:
		ref := "#"
		if v.Ref != "" {
			ref = "#/$defs/" + v.Ref
		}
		s.set("$ref", quote(ref))
	}
	if v.Quoted {
		kind, s = "string", quoted(v)
	}
	switch {
	case kind == "" && v.Null && len(s.keywords) > 0:
		return object{keywords: []member{{"anyOf", "[" + s.text() + `,{"type":"null"}]`}}}
	case kind == "": // anything, null included
	case v.Null:
		s.set("type", "["+quote(kind)+`,"null"]`)
	default:
		s.set("type", quote(kind))
	}
	return s
}

// quoted is the schema of a value that is written as a string, without its type.
func quoted(v *model.Value) object {
	var s object
	switch v.Kind {
	case model.IntegerValue:
		s.set("pattern", quote(digits(v)))
	case model.BooleanValue:
		s.set("pattern", `"^(true|false)$"`)
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
func bounds(v *model.Value) (least, greatest string) {
	if v.Unsigned {
		return "0", strconv.FormatUint(math.MaxUint64>>(64-v.Bits), 10)
	}
	most := int64(math.MaxInt64 >> (64 - v.Bits))
	return strconv.FormatInt(-most-1, 10), strconv.FormatInt(most, 10)
}

// members fills in the schema of an object.
func members(s *object, ms []model.Member) {
	var required []string
	s.properties = make([]member, len(ms))
	for i := range ms {
		m := &ms[i]
		v := m.Value
		if m.Required {
			v.Null = false
			required = append(required, m.Name)
		}
		p := of(&v)
		if m.Required {
			notZero(&p, &v)
		}
		if m.Doc != "" {
			p.set("description", quote(m.Doc))
		}
		if m.Secret {
			p.set("writeOnly", "true")
		}
		s.properties[i] = member{m.Name, p.text()}
	}
	s.set("additionalProperties", "false")
	if len(required) > 0 {
		for i, name := range required {
			required[i] = quote(name)
		}
		s.set("required", "["+strings.Join(required, ",")+"]")
	}
}

// notZero refuses the zero value of a required member, as its task does.
func notZero(s *object, v *model.Value) {
	switch {
	case v.Quoted || v.Pointer:
	case v.Kind == model.TextValue || v.Kind == model.BytesValue:
		s.set("minLength", "1")
	case v.Kind == model.ListValue && v.Len < 0:
		s.set("minItems", "1")
	case v.Kind == model.MapValue:
		s.set("minProperties", "1")
	case v.Kind == model.IntegerValue || v.Kind == model.NumberValue:
		s.set("not", `{"const":0}`)
	}
}

// lines is a schema with a line for each of its keywords and properties, all
// sorted.
func (o *object) lines() string {
	properties := "{}"
	if len(o.properties) > 0 {
		properties = "{\n    " + joined(o.properties, ": ", ",\n    ") + "\n  }"
	}
	return "{\n  " + joined(o.all(properties), ": ", ",\n  ") + "\n}"
}

// text is a schema on one line.
func (o *object) text() string {
	return "{" + joined(o.all("{"+joined(o.properties, ":", ",")+"}"), ":", ",") + "}"
}

// all are the keywords, properties included if there may be any.
func (o *object) all(properties string) []member {
	if o.properties == nil {
		return o.keywords
	}
	return append(o.keywords[:len(o.keywords):len(o.keywords)], member{"properties", properties})
}

// joined are members sorted by their names.
func joined(members []member, colon, comma string) string {
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	for i, m := range members {
		if i > 0 {
			b.WriteString(comma)
		}
		b.WriteString(quote(m.name))
		b.WriteString(colon)
		b.WriteString(m.value)
	}
	return b.String()
}

// quote is a text as JSON.
func quote(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return `"` + text + `"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // there is nothing in a text that JSON does not have
	}
	return strings.TrimSuffix(b.String(), "\n")
}
