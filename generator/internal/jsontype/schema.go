package jsontype

import (
	"cmp"
	"fmt"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/tools/go/types/typeutil"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// maxDefinitions bounds the types that a payload may consist of: generic types can lead
// to ever new ones. Beyond it a value may be anything.
const maxDefinitions = 1000

// A schemaBuilder finds the JSON form of a payload.
type schemaBuilder struct {
	pkg   *types.Package
	root  *types.Named
	names typeutil.Map // of definitions, by declared type
	alias map[*types.Struct]string
	taken map[string]bool
	defs  []model.Definition
	docs  map[token.Pos]string
	at    func(*types.Var) model.Span
}

// Payload is the JSON form of a task's struct. docs are the comments on fields and
// types, by the positions of their names, and at says where in a file the name of a field is.
func (in *Info) Payload(named *types.Named, docs map[token.Pos]string, at func(*types.Var) model.Span) model.Payload {
	s := schemaBuilder{pkg: in.pkg, root: named, alias: make(map[*types.Struct]string), taken: make(map[string]bool), docs: docs, at: at}
	var p model.Payload
	if p.Value = codecValue(named); p.Value.Kind == "" {
		p.Value = s.shape(named.Underlying())
	}
	slices.SortFunc(s.defs, func(x, y model.Definition) int { return cmp.Compare(x.Name, y.Name) })
	p.Definitions = s.defs
	return p
}

// value is the JSON form of values of a type.
func (s *schemaBuilder) value(t types.Type) model.Value {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return s.undeclared(t)
	}
	if v := codecValue(named); v.Kind != "" {
		return v
	}
	switch u := named.Underlying().(type) {
	case *types.Basic, *types.Interface:
		return s.shape(u)
	case *types.Slice:
		if isByteString(u) {
			return s.shape(u)
		}
	}
	return s.define(named)
}

// undeclared is the JSON form of values of an undeclared type. A struct with an alias
// is defined under the alias: aliases of aliases may hold it many times.
func (s *schemaBuilder) undeclared(t types.Type) model.Value {
	alias, ok := t.(*types.Alias)
	st, isStruct := types.Unalias(t).(*types.Struct)
	if !ok || !isStruct {
		return s.shape(types.Unalias(t))
	}
	name, ok := s.alias[st]
	switch {
	case ok:
		return model.Value{Kind: model.RefValue, Ref: name}
	case len(s.defs) >= maxDefinitions:
		return model.Value{Kind: model.AnyValue}
	}
	name = s.definitionName(alias)
	s.alias[st] = name
	s.defs = append(s.defs, model.Definition{Name: name, Doc: s.docs[alias.Obj().Pos()], Value: s.shape(st)})
	return model.Value{Kind: model.RefValue, Ref: name}
}

// codecValue is the JSON form of a type that encodes itself; its kind is empty for all
// others.
func codecValue(t *types.Named) model.Value {
	obj := t.Obj()
	if pkg := obj.Pkg(); pkg != nil {
		switch pkg.Path() + "." + obj.Name() {
		case "time.Time":
			return model.Value{Kind: model.TimeValue}
		case "encoding/json.Number":
			return model.Value{Kind: model.NumberValue}
		}
	}
	has := make(map[string]bool, len(codecMethods))
	for _, name := range codecMethods {
		_, has[name] = codecMethod(t, name)
	}
	switch {
	case has["MarshalJSON"] || has["UnmarshalJSON"]:
		return model.Value{Kind: model.AnyValue, Codec: codecName(t)}
	case has["MarshalText"] && has["UnmarshalText"] && byValue(t, "MarshalText"):
		return model.Value{Kind: model.TextValue, Codec: codecName(t)}
	case has["MarshalText"] || has["UnmarshalText"]: // written in one form here and in another there
		return model.Value{Kind: model.AnyValue, Codec: codecName(t)}
	}
	return model.Value{}
}

// codecName is the name of a type with its import path, as that of its type arguments.
func codecName(t *types.Named) string { return types.TypeString(t, (*types.Package).Path) }

// byValue reports whether a type has a method on values. A method on pointers only is
// called by encoding/json for fields, and not for the values of maps.
func byValue(t *types.Named, name string) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, false, nil, name)
	_, ok := obj.(*types.Func)
	return ok
}

// define refers to a declared type, and defines it at its first use.
func (s *schemaBuilder) define(t *types.Named) model.Value {
	if types.Identical(t, s.root) {
		return model.Value{Kind: model.RefValue}
	}
	if name, ok := s.names.At(t).(string); ok {
		return model.Value{Kind: model.RefValue, Ref: name}
	}
	if s.names.Len() >= maxDefinitions {
		return model.Value{Kind: model.AnyValue}
	}
	name := s.definitionName(t)
	s.names.Set(t, name)
	d := model.Definition{Name: name, Doc: s.docs[t.Obj().Pos()]}
	d.Value = s.shape(t.Underlying())
	s.defs = append(s.defs, d)
	return model.Value{Kind: model.RefValue, Ref: name}
}

// definitionName is the type's own name, with those of its arguments, as letters,
// digits, dots and underscores. Later types with the same name have numbers.
func (s *schemaBuilder) definitionName(t types.Type) string {
	text := types.TypeString(t, func(p *types.Package) string {
		if p == s.pkg {
			return ""
		}
		return p.Name()
	})
	name := strings.Trim(strings.Map(func(c rune) rune {
		switch {
		case c == '.' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			return c
		}
		return '_'
	}, text), "_")
	if name == "" {
		name = "type"
	}
	unique := name
	for n := 2; s.taken[unique]; n++ {
		unique = fmt.Sprint(name, "_", n)
	}
	s.taken[unique] = true
	return unique
}

// shape is the JSON form of values of an undeclared type.
func (s *schemaBuilder) shape(t types.Type) model.Value {
	switch t := t.(type) {
	case *types.Basic:
		return basicValue(t)
	case *types.Pointer:
		v := s.value(t.Elem())
		v.Null, v.Pointer = true, true
		return v
	case *types.Slice:
		if isByteString(t) {
			return model.Value{Kind: model.BytesValue, Null: true}
		}
		elem := s.value(t.Elem())
		return model.Value{Kind: model.ListValue, Elem: &elem, Len: -1, Null: true}
	case *types.Array:
		elem := s.value(t.Elem())
		return model.Value{Kind: model.ListValue, Elem: &elem, Len: t.Len()}
	case *types.Map:
		elem, keys := s.value(t.Elem()), keyValue(t.Key())
		return model.Value{Kind: model.MapValue, Keys: &keys, Elem: &elem, Null: true}
	case *types.Struct:
		return model.Value{Kind: model.ObjectValue, Members: s.members(t)}
	}
	return model.Value{Kind: model.AnyValue}
}

// isByteString reports whether encoding/json writes the list as base64.
func isByteString(t *types.Slice) bool {
	if !isBytes(t) {
		return false
	}
	for _, name := range []string{"MarshalJSON", "MarshalText"} {
		if _, encodes := codecMethod(t.Elem(), name); encodes {
			return false
		}
	}
	return true
}

func basicValue(t *types.Basic) model.Value {
	switch info := t.Info(); {
	case info&types.IsBoolean != 0:
		return model.Value{Kind: model.BooleanValue}
	case info&types.IsString != 0:
		return model.Value{Kind: model.TextValue}
	case info&types.IsFloat != 0:
		if t.Kind() == types.Float32 {
			return model.Value{Kind: model.NumberValue, Bits: 32}
		}
		return model.Value{Kind: model.NumberValue, Bits: 64}
	case info&types.IsInteger != 0:
		bits := 64 // int, uint and uintptr: as wide as on the widest machine
		switch t.Kind() {
		case types.Int8, types.Uint8:
			bits = 8
		case types.Int16, types.Uint16:
			bits = 16
		case types.Int32, types.Uint32:
			bits = 32
		}
		return model.Value{Kind: model.IntegerValue, Bits: bits, Unsigned: info&types.IsUnsigned != 0}
	}
	return model.Value{Kind: model.AnyValue}
}

// keyValue is the JSON form of the keys of a map.
func keyValue(t types.Type) model.Value {
	b, ok := t.Underlying().(*types.Basic)
	if !ok || b.Info()&types.IsInteger == 0 {
		return textKey(t)
	}
	if _, encodes := codecMethod(t, "MarshalText"); encodes {
		return textKey(t)
	}
	v := basicValue(b)
	v.Quoted = true
	return v
}

// textKey is the form of keys that are texts: those of a type that reads them itself are not
// just any text.
func textKey(t types.Type) model.Value {
	v := model.Value{Kind: model.TextValue}
	if named, ok := types.Unalias(t).(*types.Named); ok {
		if _, decodes := codecMethod(t, "UnmarshalText"); decodes {
			v.Codec = codecName(named)
		}
	}
	return v
}

// members are the members of the object that a struct becomes.
func (s *schemaBuilder) members(st *types.Struct) []model.Member {
	fields := jsonFields(st).Fields
	members := make([]model.Member, len(fields))
	for i, f := range fields {
		words := strings.Split(reflect.StructTag(f.Tag).Get("task"), ",")
		m := model.Member{
			Name: f.Name, Doc: s.docs[f.Var.Pos()], Value: s.value(f.Var.Type()),
			Required: slices.Contains(words, "required"), Secret: slices.Contains(words, "secret"), Place: s.at(f.Var),
		}
		m.Value.Quoted = isQuoted(f)
		members[i] = m
	}
	slices.SortFunc(members, func(x, y model.Member) int { return cmp.Compare(x.Name, y.Name) })
	return members
}

// isQuoted reports whether the value of a field is written within a string.
func isQuoted(f Field) bool {
	t := types.Unalias(f.Var.Type())
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		if v := codecValue(named); v.Kind != "" && v.Kind != model.NumberValue {
			return false
		}
	}
	return Quotes(f.Var, f.Tag)
}
