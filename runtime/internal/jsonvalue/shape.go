package jsonvalue

import (
	"cmp"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/taskgen/taskgen/internal/typeinfo"
	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// shapes remembers what ShapeOf has found out: a server asks for each enqueue.
var shapes sync.Map // reflect.Type → typeinfo.Shape

// ShapeOf is the shape of a type of payloads; its kind is typeinfo.Large if it has more than
// typeinfo.MaxFields fields.
func ShapeOf(t reflect.Type) typeinfo.Shape {
	if known, ok := shapes.Load(t); ok {
		return known.(typeinfo.Shape)
	}
	var r shapeReader
	shape := r.shape(t)
	if r.fields > typeinfo.MaxFields {
		shape = typeinfo.Shape{Kind: typeinfo.Large}
	}
	shapes.Store(t, shape)
	return shape
}

// A shapeReader reads the shape of a type. The generator's package jsontype reads that of
// a type in source files, and a test compares them.
type shapeReader struct {
	within []reflect.Type
	fields int
}

func (r *shapeReader) shape(t reflect.Type) typeinfo.Shape {
	if encodesItself(t) || len(r.within) == typeinfo.MaxDepth || slices.Contains(r.within, t) {
		return code(t)
	}
	r.within = append(r.within, t)
	defer func() { r.within = r.within[:len(r.within)-1] }()
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return typeinfo.Shape{Kind: t.Kind().String()}
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return typeinfo.Shape{Kind: typeinfo.Any}
		}
	case reflect.Pointer:
		return r.list(typeinfo.Pointer, t)
	case reflect.Slice:
		return r.list(typeinfo.Slice, t)
	case reflect.Array:
		s := r.list(typeinfo.Array, t)
		s.Len = int64(t.Len())
		return s
	case reflect.Map:
		if key := r.shape(t.Key()); typeinfo.IsKey(key.Kind) {
			s := r.list(typeinfo.Map, t)
			s.Key = key.Kind
			return s
		}
	case reflect.Struct:
		return r.structure(t)
	}
	return code(t)
}

// code is the shape of a type that only its code can write.
func code(t reflect.Type) typeinfo.Shape {
	s := typeinfo.Shape{Kind: typeinfo.Code}
	if t.Name() != "" && !strings.Contains(t.Name(), "[") {
		s.Type = t.PkgPath() + "." + t.Name()
	}
	return s
}

func (r *shapeReader) list(kind string, t reflect.Type) typeinfo.Shape {
	elem := r.shape(t.Elem())
	return typeinfo.Shape{Kind: kind, Elem: &elem}
}

func (r *shapeReader) structure(t reflect.Type) typeinfo.Shape {
	s := typeinfo.Shape{Kind: typeinfo.Struct}
	for i := range t.NumField() {
		if r.fields++; r.fields > typeinfo.MaxFields {
			break
		}
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if !typeinfo.ValidName(name) {
			name = ""
		}
		isStruct := indirectOnce(f.Type).Kind() == reflect.Struct
		switch {
		case tag == "-" || !f.IsExported() && (!f.Anonymous || !isStruct):
		case f.Anonymous && isStruct && name == "":
			if f.IsExported() || f.Type.Kind() != reflect.Pointer { // encoding/json cannot set it
				s.Fields = append(s.Fields, r.embedded(f.Type)...)
			}
		default:
			s.Fields = append(s.Fields, typeinfo.Field{
				Name: cmp.Or(name, f.Name), Tagged: name != "", Options: typeinfo.Options(tag), Shape: r.shape(f.Type),
			})
		}
	}
	return s
}

// embedded is a struct that another one embeds: encoding/json reads its fields, whatever
// methods it has. It has read those of a struct around it already.
func (r *shapeReader) embedded(t reflect.Type) []typeinfo.Field {
	st := indirectOnce(t)
	if slices.Contains(r.within, st) {
		return nil
	}
	r.within = append(r.within, st)
	defer func() { r.within = r.within[:len(r.within)-1] }()
	shape := r.structure(st)
	if t.Kind() == reflect.Pointer {
		shape = typeinfo.Shape{Kind: typeinfo.Pointer, Elem: new(shape)}
	}
	return []typeinfo.Field{{Shape: shape}}
}

func indirectOnce(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonNumber      = reflect.TypeFor[json.Number]()
)

// encodesItself reports whether the type reads or writes itself by methods, or
// encoding/json has a rule for it. The MarshalJSON of a type with secrets writes what
// encoding/json would.
func encodesItself(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false
	}
	p := reflect.PointerTo(t)
	reads := p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler)
	writes := p.Implements(textMarshaler) || p.Implements(jsonMarshaler) && !redact.HoldsSecret(t)
	return reads || writes || t == jsonNumber
}
