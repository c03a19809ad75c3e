package generator

import (
	"cmp"
	"go/types"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// jsonTag is what a json tag says.
type jsonTag struct {
	name string // "": none, or one that encoding/json does not take
	skip bool   // "-"
}

func parseJSONTag(tag string) jsonTag {
	text := reflect.StructTag(tag).Get("json")
	if text == "-" {
		return jsonTag{skip: true}
	}
	name, _, _ := strings.Cut(text, ",")
	if !validJSONName(name) {
		name = ""
	}
	return jsonTag{name: name}
}

// validJSONName follows isValidTag of encoding/json.
func validJSONName(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return s != ""
}

// jsonName says whether a field takes part in JSON, and under which name. The
// name is empty for an embedded struct whose own fields stand in its place.
func jsonName(v *types.Var, tag string) (string, bool) {
	t := parseJSONTag(tag)
	if t.skip {
		return "", false
	}
	embedded := structOf(v.Type())
	switch {
	case v.Embedded() && !v.Exported() && embedded == nil:
		return "", false
	case !v.Embedded() && !v.Exported():
		return "", false
	case v.Embedded() && embedded != nil && t.name == "":
		return "", true
	case t.name != "":
		return t.name, true
	}
	return v.Name(), true
}

// structOf is the struct that a type is or points to, or nil.
func structOf(t types.Type) *types.Struct {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	st, _ := t.Underlying().(*types.Struct)
	return st
}

// A jsonField is one field of the JSON object that a struct becomes.
type jsonField struct {
	name   string
	tagged bool
	tag    string // the whole struct tag
	v      *types.Var
	top    *types.Var // the field of the outermost struct that it came through
}

// A collision is two fields with one name.
type collision struct{ first, second jsonField }

// A jsonObject is what encoding/json makes of the fields of a struct.
type jsonObject struct {
	fields []jsonField
	// collisions are fields that take each other's name, so that none of them
	// travels.
	collisions []collision
	// shadowed are fields that do not travel, and those that have their names.
	shadowed []collision
}

// jsonFields finds the fields of the JSON object that a struct becomes, and those
// that vanish. It follows typeFields of encoding/json: of several fields with one
// name the shallowest wins; at one depth the only one with a name in its tag; else
// none does.
func jsonFields(st *types.Struct) jsonObject {
	type embedded struct {
		st  *types.Struct
		v   *types.Var // the field that embeds it
		top *types.Var
	}
	var (
		object jsonObject
		taken  = make(map[string]*jsonField)        // nil: by a collision
		seen   = make(map[*types.Struct]*types.Var) // and which field embeds it there
		level  = []embedded{{st: st}}
	)
	for len(level) > 0 {
		var (
			next  []embedded
			names = make(map[string][]jsonField)
		)
		for _, e := range level {
			seen[e.st] = e.v
		}
		for _, e := range level {
			for i := range e.st.NumFields() {
				v := e.st.Field(i)
				name, travels := jsonName(v, e.st.Tag(i))
				top := cmp.Or(e.top, v)
				switch {
				case !travels:
				case name != "":
					names[name] = append(names[name], jsonField{name, parseJSONTag(e.st.Tag(i)).name != "", e.st.Tag(i), v, top})
				default:
					inner := structOf(v.Type())
					if nearer, again := seen[inner]; !again {
						next = append(next, embedded{inner, v, top})
					} else if nearer != nil && nearer != v {
						object.shadowed = append(object.shadowed, collision{jsonField{v: v, top: top}, jsonField{v: nearer}})
					}
				}
			}
		}
		for name, all := range names {
			winner, deeper := taken[name]
			if !deeper {
				winner = dominant(all)
				taken[name] = winner
				if winner == nil {
					object.collisions = append(object.collisions, collision{all[0], all[1]})
					continue
				}
				object.fields = append(object.fields, *winner)
			}
			for _, f := range all {
				if winner != nil && f.v != winner.v {
					object.shadowed = append(object.shadowed, collision{f, *winner})
				}
			}
		}
		level = next
	}
	slices.SortFunc(object.fields, func(a, b jsonField) int { return cmp.Compare(a.v.Pos(), b.v.Pos()) })
	for _, cs := range [][]collision{object.collisions, object.shadowed} {
		slices.SortFunc(cs, func(a, b collision) int { return cmp.Compare(a.first.v.Pos(), b.first.v.Pos()) })
	}
	return object
}

// dominant is the one field that wins a name at one depth, or nil.
func dominant(all []jsonField) *jsonField {
	if len(all) == 1 {
		return &all[0]
	}
	tagged := slices.DeleteFunc(slices.Clone(all), func(f jsonField) bool { return !f.tagged })
	if len(tagged) == 1 {
		return &tagged[0]
	}
	return nil
}
