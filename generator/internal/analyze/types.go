package analyze

import (
	"go/types"

	"github.com/taskgen/taskgen/generator/internal/jsontype"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// typeOf models a type as it is written in the source.
func (b *builder) typeOf(t types.Type) model.Type {
	m := b.shape(t)
	m.Comparable = types.Comparable(t)
	m.IsZero = hasIsZero(t)
	return m
}

func (b *builder) shape(t types.Type) model.Type {
	switch t := t.(type) {
	case *types.Alias:
		if t.Obj().Pkg() == nil { // any
			return model.Type{Kind: model.Any}
		}
		return b.named(t.Obj(), t.TypeArgs(), t)
	case *types.Named:
		return b.named(t.Obj(), t.TypeArgs(), t)
	case *types.Basic:
		switch t.Kind() {
		case types.UnsafePointer:
			return model.Type{Kind: model.Named, Name: "Pointer", Path: "unsafe", Package: "unsafe", Underlying: model.Opaque}
		case types.Invalid: // of a field that does not travel: it may be generated yet
			return model.Type{Kind: model.Opaque, Text: b.json.Text(t)}
		}
		return model.Type{Kind: model.Basic, Name: t.Name()}
	case *types.Pointer:
		return model.Type{Kind: model.Pointer, Elem: b.elem(t.Elem())}
	case *types.Slice:
		return model.Type{Kind: model.Slice, Elem: b.elem(t.Elem())}
	case *types.Array:
		return model.Type{Kind: model.Array, Len: t.Len(), Elem: b.elem(t.Elem())}
	case *types.Map:
		return model.Type{Kind: model.Map, Key: b.elem(t.Key()), Elem: b.elem(t.Elem())}
	case *types.Struct:
		return model.Type{Kind: model.Struct, Fields: b.literal(t)}
	case *types.Interface:
		if t.Empty() {
			return model.Type{Kind: model.Any}
		}
		return model.Type{Kind: model.Iface, Text: b.json.Text(t)}
	}
	return model.Type{Kind: model.Opaque, Text: b.json.Text(t)}
}

func (b *builder) elem(t types.Type) *model.Type {
	m := b.typeOf(t)
	return &m
}

// named models a declared type or alias.
func (b *builder) named(obj *types.TypeName, args *types.TypeList, t types.Type) model.Type {
	m := model.Type{Kind: model.Named, Name: obj.Name()}
	if pkg := obj.Pkg(); pkg != nil && pkg != b.pkg.Types {
		m.Path, m.Package = pkg.Path(), pkg.Name()
	}
	for arg := range args.Types() {
		m.Args = append(m.Args, b.typeOf(arg))
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		m.Underlying, m.BasicName = model.Basic, u.Name()
	default:
		m.Underlying = b.kind(u)
	}
	return m
}

func (b *builder) kind(t types.Type) model.Kind {
	switch t := t.(type) {
	case *types.Pointer:
		return model.Pointer
	case *types.Slice:
		return model.Slice
	case *types.Array:
		return model.Array
	case *types.Map:
		return model.Map
	case *types.Struct:
		return model.Struct
	case *types.Interface:
		if t.Empty() {
			return model.Any
		}
		return model.Iface
	}
	return model.Opaque
}

// literal models the fields of a struct literal.
func (b *builder) literal(st *types.Struct) []model.Field {
	fields := make([]model.Field, st.NumFields())
	for i := range fields {
		v := st.Field(i)
		fields[i] = model.Field{
			Name: v.Name(), Tag: st.Tag(i), Embedded: v.Embedded(),
			Type: b.typeOf(v.Type()), Pos: b.at(v.Pos(), 0).Pos,
		}
		if name, travels := jsontype.FieldName(v, st.Tag(i)); travels {
			fields[i].JSON = name
		}
	}
	return fields
}

// hasIsZero reports whether values of the type have a method IsZero() bool.
func hasIsZero(t types.Type) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, false, nil, "IsZero")
	fn, ok := obj.(*types.Func)
	if !ok {
		return false
	}
	sig := fn.Signature()
	return sig.Params().Len() == 0 && sig.Results().Len() == 1 &&
		types.Identical(sig.Results().At(0).Type(), types.Typ[types.Bool])
}
