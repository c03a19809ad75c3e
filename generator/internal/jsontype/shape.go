package jsontype

import (
	"cmp"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/internal/typeinfo"
)

// Shape is how encoding/json reads and writes a type of payloads; its kind is typeinfo.Large if
// it has more than typeinfo.MaxFields fields. The runtime reads the same of a type in a
// program: the two have to agree.
func Shape(t types.Type) typeinfo.Shape {
	var r shapeReader
	shape := r.shape(t)
	if r.fields > typeinfo.MaxFields {
		shape = typeinfo.Shape{Kind: typeinfo.Large}
	}
	return shape
}

type shapeReader struct {
	within []types.Type
	fields int
}

func (r *shapeReader) inside(t types.Type) bool {
	return slices.ContainsFunc(r.within, func(outer types.Type) bool { return types.Identical(outer, t) })
}

func (r *shapeReader) shape(t types.Type) typeinfo.Shape {
	t = types.Unalias(t)
	if encodesItself(t) || len(r.within) == typeinfo.MaxDepth || r.inside(t) {
		return codeShape(t)
	}
	r.within = append(r.within, t)
	defer func() { r.within = r.within[:len(r.within)-1] }()
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if kindOf(u) != otherKind && u.Info()&types.IsUntyped == 0 {
			return typeinfo.Shape{Kind: types.Typ[u.Kind()].Name()}
		}
	case *types.Interface:
		if u.Empty() {
			return typeinfo.Shape{Kind: typeinfo.Any}
		}
	case *types.Pointer:
		return r.list(typeinfo.Pointer, u.Elem())
	case *types.Slice:
		return r.list(typeinfo.Slice, u.Elem())
	case *types.Array:
		s := r.list(typeinfo.Array, u.Elem())
		s.Len = u.Len()
		return s
	case *types.Map:
		if key := r.shape(u.Key()); typeinfo.IsKey(key.Kind) {
			s := r.list(typeinfo.Map, u.Elem())
			s.Key = key.Kind
			return s
		}
	case *types.Struct:
		return r.structure(u)
	}
	return codeShape(t)
}

// codeShape is the shape of a type that only its code can write.
func codeShape(t types.Type) typeinfo.Shape {
	s := typeinfo.Shape{Kind: typeinfo.Code}
	named, ok := t.(*types.Named)
	if ok && named.TypeArgs().Len() == 0 && named.Obj().Pkg() != nil {
		s.Type = named.Obj().Pkg().Path() + "." + named.Obj().Name()
	}
	return s
}

func (r *shapeReader) list(kind string, elem types.Type) typeinfo.Shape {
	shape := r.shape(elem)
	return typeinfo.Shape{Kind: kind, Elem: &shape}
}

func (r *shapeReader) structure(st *types.Struct) typeinfo.Shape {
	s := typeinfo.Shape{Kind: typeinfo.Struct}
	for i := range st.NumFields() {
		if r.fields++; r.fields > typeinfo.MaxFields {
			break
		}
		v, tag := st.Field(i), st.Tag(i)
		name, travels := FieldName(v, tag)
		switch {
		case !travels:
		case name == "":
			if _, pointer := types.Unalias(v.Type()).(*types.Pointer); v.Exported() || !pointer { // encoding/json cannot set it
				s.Fields = append(s.Fields, r.embedded(v.Type())...)
			}
		default:
			own := ParseTag(tag).Name
			s.Fields = append(s.Fields, typeinfo.Field{
				Name: cmp.Or(own, v.Name()), Tagged: own != "", Options: typeinfo.Options(reflect.StructTag(tag).Get("json")), Shape: r.shape(v.Type()),
			})
		}
	}
	return s
}

// embedded is a struct that another one embeds: encoding/json reads its fields, whatever
// methods it has. It has read those of a struct around it already.
func (r *shapeReader) embedded(t types.Type) []typeinfo.Field {
	st := behindPointer(t)
	if r.inside(st) {
		return nil
	}
	r.within = append(r.within, st)
	defer func() { r.within = r.within[:len(r.within)-1] }()
	shape := r.structure(StructOf(st))
	if _, pointer := types.Unalias(t).(*types.Pointer); pointer {
		outer := typeinfo.Shape{Kind: typeinfo.Pointer, Elem: &shape}
		return []typeinfo.Field{{Shape: outer}}
	}
	return []typeinfo.Field{{Shape: shape}}
}

// encodesItself reports whether a type reads or writes itself by methods, or encoding/json
// has a rule for it. The MarshalJSON of a type with secrets writes what encoding/json
// would.
func encodesItself(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Pointer, *types.Interface:
		return false
	}
	if named, ok := t.(*types.Named); ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path()+"."+named.Obj().Name() == "encoding/json.Number" {
		return true
	}
	for _, name := range codecMethods {
		if _, has := codecMethod(t, name); !has {
			continue
		}
		if name != "MarshalJSON" || !holdsSecret(t, make(map[types.Type]bool)) {
			return true
		}
	}
	return false
}

// holdsSecret reports whether values of a type have a field tagged task:"secret", interfaces
// aside.
func holdsSecret(t types.Type, seen map[types.Type]bool) bool {
	t = types.Unalias(t)
	if seen[t] {
		return false
	}
	seen[t] = true
	switch u := t.Underlying().(type) {
	case *types.Map:
		return holdsSecret(u.Key(), seen) || holdsSecret(u.Elem(), seen)
	case interface{ Elem() types.Type }:
		return holdsSecret(u.Elem(), seen)
	case *types.Struct:
		for i := range u.NumFields() {
			if slices.Contains(strings.Split(reflect.StructTag(u.Tag(i)).Get("task"), ","), "secret") || holdsSecret(u.Field(i).Type(), seen) {
				return true
			}
		}
	}
	return false
}
