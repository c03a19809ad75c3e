package jsontype

import (
	"fmt"
	"go/types"
)

// pair reports a value that encoding/json writes in one way and reads in another. A
// method's output must be read by a method. A method's input may be written without
// one: such methods accept the type's plain form, and more.
func (w *jsonWalker) pair(t types.Type, at place) *Problem {
	enc, base := encoderAt(t, at.addressable)
	dec, read := decoderAt(t)
	meant, _ := encoderAt(t, true)
	name := w.in.Text(base)
	switch {
	case types.IsInterface(base) && enc == natural:
		return nil // shape reports that
	case types.IsInterface(base) && !at.written:
		return &Problem{Text: "an interface with methods cannot be decoded"}
	case enc == natural && dec == natural:
		return nil
	case at.quoted && (enc != natural || dec == textCodec && kindOf(read) != stringKind):
		return &Problem{Text: fmt.Sprintf("%s has its own JSON, which the option string of the json tag keeps from being read", name)}
	case at.written:
		return nil
	case enc != meant:
		return &Problem{Text: fmt.Sprintf("%s of %s has a pointer receiver, and encoding/json does not call it for the values of a map, but %s when it reads them: put pointers to it into the map",
			marshalers[meant], name, unmarshalers[dec])}
	case enc != natural && dec == natural && isNamedPointer(t):
		return &Problem{Text: fmt.Sprintf("%s writes it, and encoding/json finds no methods of a declared pointer type when it reads: use %s itself", marshalers[enc], "*"+name)}
	case enc != natural && dec == natural:
		if enc == jsonCodec && w.readByFields(base) {
			w.lose(Loss{Kind: LostOneWay, Type: base, Field: w.inner})
			return nil
		}
		return &Problem{Text: fmt.Sprintf("%s of %s writes it, and nothing reads that back: give it %s, too", marshalers[enc], name, unmarshalers[enc])}
	case enc == jsonCodec && dec == textCodec:
		return &Problem{Text: fmt.Sprintf("MarshalJSON of %s writes it, and UnmarshalText reads it: give it UnmarshalJSON, too", name)}
	case enc == natural && dec == textCodec && kindOf(read) != stringKind:
		return &Problem{Text: fmt.Sprintf("UnmarshalText of %s reads a string, and encoding/json does not write one: give it MarshalText, too", name)}
	}
	return nil
}

// readByFields reports whether encoding/json may read the output of a type's
// MarshalJSON into its fields. A struct's method may only write a field in a way that
// no tag can request. For types of the module itself the rule is stricter: they can be
// mended.
func (w *jsonWalker) readByFields(t types.Type) bool {
	if p, ok := t.(*types.Pointer); ok { // only pointers have the method
		t = types.Unalias(p.Elem())
	}
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil || !w.in.modules.Foreign(named.Obj().Pkg().Path()) {
		return false
	}
	if _, ok := named.Underlying().(*types.Struct); !ok {
		return false
	}
	if readable, ok := w.in.oneWay[named]; ok {
		return readable
	}
	w.in.oneWay[named] = true // if it holds itself
	in := *w.in               // findings here say nothing about the type where its fields write it
	in.plain, in.leaky = make(map[visit]bool), make(map[*types.Named]bool)
	w.in.oneWay[named] = in.newJSONWalker(Visitor{}).shape(named.Underlying(), place{addressable: true}) == nil
	return w.in.oneWay[named]
}

// key walks the type of a map's keys.
func (w *jsonWalker) key(t types.Type, at place) *Problem {
	if b, ok := t.Underlying().(*types.Basic); ok && b.Kind() == types.Invalid {
		return basicProblem(b)
	}
	name := w.in.Text(t)
	enc, writes := keyEncoder(t)
	dec, reads := keyDecoder(t)
	text := hasMethod(types.NewPointer(t), marshalers[textCodec]) || hasMethod(types.NewPointer(t), marshalers[jsonCodec])
	switch {
	case !writes, !reads && !at.written:
		return &Problem{Text: "encoding/json does not support map keys of type " + name}
	case at.written:
		return w.encoded(t)
	case enc == textCodec && dec == natural:
		return &Problem{Text: fmt.Sprintf("MarshalText of %s writes the keys of the map, and nothing reads that back: give it UnmarshalText, too", name)}
	case dec == jsonCodec && enc == textCodec:
		if hasMethod(types.NewPointer(t), marshalers[jsonCodec]) && !isTime(t) {
			w.lose(Loss{Kind: LostKey, Type: t})
		}
	case dec == jsonCodec:
		return &Problem{Text: fmt.Sprintf("encoding/json reads the keys of the map with UnmarshalJSON of %s, and does not write them with MarshalJSON", name)}
	case enc == natural && dec == textCodec && text && kindOf(t) == stringKind:
		return &Problem{Text: fmt.Sprintf("encoding/json writes the keys of the map without the methods of %s, which is a string, and reads them with UnmarshalText", name)}
	case enc == natural && dec == textCodec && text:
		return &Problem{Text: fmt.Sprintf("MarshalText of %s has a pointer receiver, and encoding/json does not call it for the keys of a map, but UnmarshalText when it reads them: give it a value receiver", name)}
	}
	if enc == natural {
		return nil
	}
	return w.encoded(t)
}

// isTime reports whether a type is time.Time, which writes the same text either way.
func isTime(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == "Time" && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "time"
}

func isNamedPointer(t types.Type) bool {
	for depth := 0; depth < maxPointers; depth++ {
		switch u := types.Unalias(t).(type) {
		case *types.Named:
			_, ok := u.Underlying().(*types.Pointer)
			return ok
		case *types.Pointer:
			t = u.Elem()
		default:
			return false
		}
	}
	return true
}
