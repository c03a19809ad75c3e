package jsontype

import (
	"go/types"
	"slices"
)

// A codec is how encoding/json turns a Go value into JSON, or JSON into a Go value, at
// one place.
type codec int

const (
	natural   codec = iota // by its kind: numbers, lists, the fields of a struct
	textCodec              // by MarshalText or UnmarshalText, as a JSON string
	jsonCodec              // by MarshalJSON or UnmarshalJSON
)

// The methods by which a type encodes and decodes itself.
var (
	marshalers   = map[codec]string{jsonCodec: "MarshalJSON", textCodec: "MarshalText"}
	unmarshalers = map[codec]string{jsonCodec: "UnmarshalJSON", textCodec: "UnmarshalText"}
)

// codecMethods are all of them, in encoding/json's order of preference.
var codecMethods = []string{"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"}

// maxPointers bounds how many pointers are followed: type T *T never ends.
const maxPointers = 100

// encoderAt returns how encoding/json writes a value of type t, and the type that is
// written: that behind the pointers, if it follows any. It is newTypeEncoder of
// encoding/json: methods of a pointer count only for addressable values, which those in
// a map are not.
func encoderAt(t types.Type, addressable bool) (codec, types.Type) {
	for depth := 0; ; depth++ {
		t = types.Unalias(t)
		pointer, isPointer := t.Underlying().(*types.Pointer)
		for _, c := range []codec{jsonCodec, textCodec} {
			if !isPointer && addressable && hasMethod(types.NewPointer(t), marshalers[c]) || hasMethod(t, marshalers[c]) {
				return c, t
			}
		}
		if !isPointer || depth == maxPointers {
			return natural, t
		}
		t, addressable = pointer.Elem(), true
	}
}

// decoderAt returns how encoding/json reads a value of type t, and the type that is
// read. It is indirect of encoding/json: it looks for methods only on pointers, and
// takes the address only of declared types, where it begins.
func decoderAt(t types.Type) (codec, types.Type) {
	t = types.Unalias(t)
	if _, isPointer := t.Underlying().(*types.Pointer); !isPointer {
		if hasName(t) {
			return readBy(types.NewPointer(t)), t
		}
		return natural, t
	}
	for depth := 0; ; depth++ {
		pointer, isPointer := t.Underlying().(*types.Pointer)
		if !isPointer || depth == maxPointers {
			return natural, t
		}
		if c := readBy(t); c != natural {
			return c, types.Unalias(pointer.Elem())
		}
		t = types.Unalias(pointer.Elem())
	}
}

func readBy(pointer types.Type) codec {
	for _, c := range []codec{jsonCodec, textCodec} {
		if hasMethod(pointer, unmarshalers[c]) {
			return c
		}
	}
	return natural
}

// keyEncoder returns how encoding/json writes the keys of a map, and false if it
// cannot. Keys are not addressable, and strings are written as they are, whatever
// methods they have.
func keyEncoder(t types.Type) (codec, bool) {
	switch kindOf(t) {
	case stringKind:
		return natural, true
	case integerKind:
		if hasMethod(t, marshalers[textCodec]) {
			return textCodec, true
		}
		return natural, true
	}
	return textCodec, hasMethod(t, marshalers[textCodec])
}

// keyDecoder returns how encoding/json reads the keys of a map, and false if it cannot.
func keyDecoder(t types.Type) (codec, bool) {
	pointer := types.NewPointer(t)
	switch {
	case hasMethod(pointer, unmarshalers[textCodec]) && hasMethod(pointer, unmarshalers[jsonCodec]):
		return jsonCodec, true
	case hasMethod(pointer, unmarshalers[textCodec]):
		return textCodec, true
	}
	kind := kindOf(t)
	return natural, kind == stringKind || kind == integerKind
}

// kind is a class of basic types that encoding/json distinguishes.
type kind int

const (
	otherKind kind = iota
	stringKind
	integerKind
	floatKind
	booleanKind
)

func kindOf(t types.Type) kind {
	basic, ok := t.Underlying().(*types.Basic)
	if !ok {
		return otherKind
	}
	switch info := basic.Info(); {
	case info&types.IsString != 0:
		return stringKind
	case info&types.IsInteger != 0:
		return integerKind
	case info&types.IsFloat != 0:
		return floatKind
	case info&types.IsBoolean != 0:
		return booleanKind
	}
	return otherKind
}

// hasName reports whether reflect has a name for the type: encoding/json looks for
// methods only on named types.
func hasName(t types.Type) bool {
	switch t.(type) {
	case *types.Named, *types.Basic:
		return true
	}
	return false
}

// hasMethod reports whether the type itself, and not only a pointer to it, has the
// codec's method with this name, with the signature of its interface.
func hasMethod(t types.Type, name string) bool {
	_, ok := methodPath(t, name)
	return ok
}

// methodPath finds a codec's method in the method set of a type, and the path of
// embedded fields to it.
func methodPath(t types.Type, name string) ([]int, bool) {
	obj, index, _ := types.LookupFieldOrMethod(t, false, nil, name)
	fn, ok := obj.(*types.Func)
	if !ok {
		return nil, false
	}
	sig := fn.Signature()
	in, out := typesOf(sig.Params()), typesOf(sig.Results())
	bytes, failure := types.NewSlice(types.Typ[types.Byte]), types.Universe.Lookup("error").Type()
	wantIn, wantOut := []types.Type{}, []types.Type{bytes, failure}
	if name == "UnmarshalJSON" || name == "UnmarshalText" {
		wantIn, wantOut = []types.Type{bytes}, []types.Type{failure}
	}
	same := func(have, want types.Type) bool { return types.Identical(have, want) }
	return index, !sig.Variadic() && slices.EqualFunc(in, wantIn, same) && slices.EqualFunc(out, wantOut, same)
}

func typesOf(tuple *types.Tuple) []types.Type {
	list := make([]types.Type, 0, tuple.Len())
	for v := range tuple.Variables() {
		list = append(list, v.Type())
	}
	return list
}

// codecMethod finds a method by which a pointer to the type encodes or decodes
// itself, and the path of embedded fields to it.
func codecMethod(t types.Type, name string) ([]int, bool) {
	return methodPath(types.NewPointer(t), name)
}

// EncodesItself reports whether encoding/json writes an addressable value of the type
// by a method, and so does not look into it.
func EncodesItself(t types.Type) bool {
	c, _ := encoderAt(t, true)
	return c != natural
}

// DecodesItself reports whether encoding/json reads a value of the type by a method.
func DecodesItself(t types.Type) bool {
	c, _ := decoderAt(t)
	return c != natural
}

// nullable reports whether a value of the type can itself be null in JSON.
func nullable(t types.Type) bool {
	bytes, isSlice := t.Underlying().(*types.Slice)
	switch c, _ := encoderAt(t, true); {
	case c == jsonCodec && isSlice && isBytes(bytes):
		return true // raw JSON, as in json.RawMessage
	case c != natural:
		return false
	}
	switch t.Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map, *types.Interface:
		return true
	}
	return false
}

func isBytes(t *types.Slice) bool {
	elem, ok := t.Elem().Underlying().(*types.Basic)
	return ok && elem.Kind() == types.Byte
}
