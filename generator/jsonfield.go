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

// collision is two fields that take each other's name.
type collision struct{ first, second jsonField }

// jsonFields finds the fields of the JSON object that a struct becomes, and
// those that vanish because their names collide. It follows typeFields of
// encoding/json: of several fields with one name the shallowest wins; at one
// depth the only one with a name in its tag; else none does.
func jsonFields(st *types.Struct) ([]jsonField, []collision) {
	type embedded struct {
		st  *types.Struct
		top *types.Var
	}
	var (
		fields     []jsonField
		collisions []collision
		taken      = make(map[string]bool)
		seen       = make(map[*types.Struct]bool)
		level      = []embedded{{st: st}}
	)
	for len(level) > 0 {
		var (
			next  []embedded
			names = make(map[string][]jsonField)
		)
		for _, e := range level {
			seen[e.st] = true
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
				case !seen[structOf(v.Type())]:
					next = append(next, embedded{structOf(v.Type()), top})
				}
			}
		}
		for name, all := range names {
			if taken[name] {
				continue
			}
			taken[name] = true
			if one, ok := dominant(all); ok {
				fields = append(fields, one)
			} else {
				collisions = append(collisions, collision{all[0], all[1]})
			}
		}
		level = next
	}
	byPos := func(a, b jsonField) int { return cmp.Compare(a.v.Pos(), b.v.Pos()) }
	slices.SortFunc(fields, byPos)
	slices.SortFunc(collisions, func(a, b collision) int { return byPos(a.first, b.first) })
	return fields, collisions
}

// dominant is the one field that wins a name at one depth.
func dominant(all []jsonField) (jsonField, bool) {
	if len(all) == 1 {
		return all[0], true
	}
	tagged := slices.DeleteFunc(slices.Clone(all), func(f jsonField) bool { return !f.tagged })
	if len(tagged) == 1 {
		return tagged[0], true
	}
	return jsonField{}, false
}
