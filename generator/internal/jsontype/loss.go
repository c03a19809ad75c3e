package jsontype

import (
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// A Loss is a part of a payload that does not arrive, although its type can be encoded.
type Loss struct {
	Kind LossKind
	// Owner is the innermost field of the package around the loss, and Field the lost
	// field; nil if it is not a field.
	Owner, Field *types.Var
	Winner       *types.Var // LostShadowed: the field that has its name
	Names        []string   // lost in a type of another package: the fields; LostShadowed: it, and the one that has its name
	Type         types.Type
}

// A LossKind says what is lost, and why.
type LossKind int

// The kinds of loss.
const (
	LostWhole      LossKind = iota // a struct without a field that travels
	LostUnexported                 // a field that is not exported
	LostShadowed                   // a field whose JSON name another one has
	LostNull                       // whether a pointer was nil, or its target
	LostKey                        // a key that one method writes and another reads
	LostOneWay                     // a method's output that the fields do not read
	LostTag                        // where a tagged field is, in a type that encodes itself
)

// losses reports the fields of a struct that do not travel without a tag that says so.
// Those of a type of another package are reported together.
func (w *jsonWalker) losses(st *types.Struct, fields Object) {
	hidden := w.hidden(st)
	if len(hidden) > 0 && hidden[0].Pkg() != w.in.pkg {
		if !nothingTravels(st) || w.inner != nil && w.inner.Embedded() { // else the whole is reported
			w.lose(Loss{Kind: LostUnexported, Field: hidden[0], Names: namesOf(hidden), Type: w.around()})
		}
		hidden = nil
	}
	for _, v := range hidden {
		w.lose(Loss{Kind: LostUnexported, Field: v})
	}
	for _, s := range fields.shadowed {
		l := Loss{Kind: LostShadowed, Field: s.First.Var, Winner: s.Second.Var}
		if st.Field(0).Pkg() != w.in.pkg {
			l.Names, l.Type = []string{s.First.Qualified(), s.Second.Qualified()}, w.around()
		}
		w.lose(l)
	}
}

func namesOf(vars []*types.Var) []string {
	names := make([]string, len(vars))
	for i, v := range vars {
		names[i] = v.Name()
	}
	return names
}

// hidden are the fields of a struct that encoding/json skips.
func (w *jsonWalker) hidden(st *types.Struct) []*types.Var {
	var hidden []*types.Var
	for i := range st.NumFields() {
		v := st.Field(i)
		if v.Name() == "_" || v.Exported() || saysSo(st.Tag(i)) || holdsNothing(v.Type()) {
			continue
		}
		if _, travels := FieldName(v, st.Tag(i)); !travels {
			hidden = append(hidden, v)
		}
	}
	return hidden
}

// around is the innermost declared type around the place.
func (w *jsonWalker) around() types.Type {
	if len(w.stack) == 0 {
		return types.NewStruct(nil, nil)
	}
	return w.stack[len(w.stack)-1]
}

// holdsNothing reports whether all values of the type are the same: such a field is for
// the compiler only.
func holdsNothing(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Array:
		return t.Len() == 0 || holdsNothing(t.Elem())
	case *types.Struct:
		for v := range t.Fields() {
			if !holdsNothing(v.Type()) {
				return false
			}
		}
		return true
	}
	return false
}

// saysSo reports whether a tag decides about an unexported field.
func saysSo(tag string) bool {
	_, json := reflect.StructTag(tag).Lookup("json")
	_, task := reflect.StructTag(tag).Lookup("task")
	return json || task
}

// nothingTravels reports whether encoding/json writes {} for every value of a struct,
// and some field has no tag that says so.
func nothingTravels(st *types.Struct) bool {
	silent := false
	for i := range st.NumFields() {
		silent = silent || !saysSo(st.Tag(i)) && st.Field(i).Name() != "_"
	}
	if !silent {
		return false
	}
	fields := jsonFields(st)
	return len(fields.Fields)+len(fields.Collisions) == 0
}

// Quotes reports whether the option string of a json tag puts the value of a field into
// a string: encoding/json does it for strings, numbers and booleans, and pointers to
// them.
func Quotes(v *types.Var, tag string) bool {
	_, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	if !slices.Contains(strings.Split(options, ","), "string") {
		return false
	}
	t := types.Unalias(v.Type())
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	return kindOf(t) != otherKind
}
