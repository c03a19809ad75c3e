package analyze

import (
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// A loss is something of a payload that does not arrive, though its type travels.
type loss struct {
	kind lossKind
	// owner is the innermost field of the package around the loss, and field the one
	// that is lost; nil where it is not a field.
	owner, field *types.Var
	winner       *types.Var // lostShadowed: the field that has its place
	names        []string   // lost in a type of another package: the fields; lostShadowed: it, and the one that has its place
	t            types.Type
}

type lossKind int

const (
	lostWhole      lossKind = iota // a struct without a field that travels
	lostUnexported                 // a field that is not exported
	lostShadowed                   // a field whose JSON name another one has
	lostNull                       // whether a pointer was nil, or what it points to
	lostKey                        // a key that one method writes and another reads
	lostOneWay                     // what a method writes and the fields do not read
	lostTag                        // where a tagged field is, in a type that encodes itself
)

// lossOf is what there is to say of a loss. at is where that is said, unless the loss
// is a field of the package.
func (b *builder) lossOf(l loss, at model.Span) diag.Diagnostic {
	var where string
	if l.owner != nil {
		where = "field " + b.fieldName(l.owner) + ": "
	}
	if (l.kind == lostUnexported || l.kind == lostShadowed) && l.field.Pkg() == b.pkg.Types {
		at = b.at(l.field.Pos(), len(l.field.Name()))
	}
	switch l.kind {
	case lostWhole:
		if l.field != nil && l.field != l.owner {
			where += "its field " + l.field.Name() + ": "
		}
		r := rule.FieldEmpty
		if l.field != nil && b.json.elsewhere(l.field.Pkg()) {
			r = rule.FieldLost // whose type it is, the user cannot mend
		}
		return r.At(at, rule.FieldEmpty.Fix, "%snothing of %s travels, it has no exported fields", where, b.json.text(l.t))
	case lostNull:
		return rule.FieldNull.At(at, "", "%sa %s that points to nil is null in JSON, and arrives as nil", where, b.json.text(l.t))
	case lostKey:
		return rule.FieldKey.At(at, "", "%sMarshalText of %s writes the keys of the map, and encoding/json reads them with UnmarshalJSON", where, b.json.text(l.t))
	case lostOneWay:
		if l.field != nil && l.field != l.owner {
			where += "its field " + l.field.Name() + ": "
		}
		return rule.FieldOneWay.At(at, "", "%sMarshalJSON of %s writes it, and encoding/json reads that by its fields", where, b.json.text(l.t))
	case lostTag:
		return rule.TagUseless.At(at, "put the tag on the field that holds it",
			"%s%s is tagged and lies in a type that encodes itself, %s", where, b.fieldName(l.field), b.json.text(l.t))
	case lostShadowed:
		if len(l.names) > 0 {
			return rule.FieldLost.At(at, useOther, "%sfield %s of %s does not travel: its field %s has the same JSON name", where, l.names[0], b.json.text(l.t), l.names[1])
		}
		d := rule.FieldLost.At(at, "give one of the two another JSON name", "field %s does not travel where %s stands beside it: that has its JSON name",
			b.fieldName(l.field), b.fieldName(l.winner))
		return rule.Related(d, b.at(l.winner.Pos(), 0).Pos, "%s", l.winner.Name())
	}
	if len(l.names) > 0 {
		what, why := "field "+l.names[0], "does not travel: it is not exported"
		if len(l.names) > 1 {
			what, why = "fields "+strings.Join(l.names, ", "), "do not travel: they are not exported"
		}
		return rule.FieldLost.At(at, useOther, "%s%s of %s %s", where, what, b.json.text(l.t), why)
	}
	return rule.FieldLost.At(at, "", "field %s does not travel: it is not exported", b.fieldName(l.field))
}

// useOther is what to do about a loss in a type of another package.
const useOther = "put what you need of it into a type of your own, or say with //taskgen:allow that it stays behind"

// losses tells of the fields of a struct that do not travel, though no tag says so.
// Those of a type of another package are told of together.
func (w *jsonWalker) losses(st *types.Struct, fields jsonObject) {
	hidden := w.hidden(st)
	if len(hidden) > 0 && hidden[0].Pkg() != w.in.pkg {
		if !nothingTravels(st) || w.inner != nil && w.inner.Embedded() { // else it is told as a whole
			w.lose(loss{kind: lostUnexported, field: hidden[0], names: namesOf(hidden), t: w.around()})
		}
		hidden = nil
	}
	for _, v := range hidden {
		w.lose(loss{kind: lostUnexported, field: v})
	}
	for _, s := range fields.shadowed {
		l := loss{kind: lostShadowed, field: s.first.v, winner: s.second.v}
		if st.Field(0).Pkg() != w.in.pkg {
			l.names, l.t = []string{qualified(s.first), qualified(s.second)}, w.around()
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

// hidden are the fields of a struct that encoding/json passes over.
func (w *jsonWalker) hidden(st *types.Struct) []*types.Var {
	var hidden []*types.Var
	for i := range st.NumFields() {
		v := st.Field(i)
		if v.Name() == "_" || v.Exported() || saysSo(st.Tag(i)) || holdsNothing(v.Type()) {
			continue
		}
		if _, travels := jsonName(v, st.Tag(i)); !travels {
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

// holdsNothing says that all values of the type are the same: such a field only says
// something to the compiler.
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

// saysSo says whether a tag has an opinion of its own about an unexported field.
func saysSo(tag string) bool {
	_, json := reflect.StructTag(tag).Lookup("json")
	_, task := reflect.StructTag(tag).Lookup("task")
	return json || task
}

// nothingTravels says whether encoding/json writes {} for a struct whatever its value,
// though not all of its fields have a tag that says so.
func nothingTravels(st *types.Struct) bool {
	silent := false
	for i := range st.NumFields() {
		silent = silent || !saysSo(st.Tag(i)) && st.Field(i).Name() != "_"
	}
	if !silent {
		return false
	}
	fields := jsonFields(st)
	return len(fields.fields)+len(fields.collisions) == 0
}

// quotes says whether the option string of a json tag puts the value of a field into
// a string: encoding/json does it for strings, numbers and booleans, and pointers to
// such.
func quotes(v *types.Var, tag string) bool {
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
