package jsontype

import (
	"cmp"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/internal/typeinfo"
)

// A Tag is the content of a json tag.
type Tag struct {
	Name string // "": none, or one that encoding/json does not accept
	Skip bool   // "-"
}

// ParseTag reads the json tag in a struct tag.
func ParseTag(tag string) Tag {
	text := reflect.StructTag(tag).Get("json")
	if text == "-" {
		return Tag{Skip: true}
	}
	name, _, _ := strings.Cut(text, ",")
	if !typeinfo.ValidName(name) {
		name = ""
	}
	return Tag{Name: name}
}

// FieldName reports whether a field takes part in JSON, and under which name. The name
// is empty for an embedded struct whose own fields take its place.
func FieldName(v *types.Var, tag string) (string, bool) {
	t := ParseTag(tag)
	if t.Skip {
		return "", false
	}
	embedded := StructOf(v.Type())
	switch {
	case v.Embedded() && !v.Exported() && embedded == nil:
		return "", false
	case !v.Embedded() && !v.Exported():
		return "", false
	case v.Embedded() && embedded != nil && t.Name == "":
		return "", true
	case t.Name != "":
		return t.Name, true
	}
	return v.Name(), true
}

// StructOf is the struct that a type is or points to, or nil.
func StructOf(t types.Type) *types.Struct {
	st, _ := behindPointer(t).Underlying().(*types.Struct)
	return st
}

func behindPointer(t types.Type) types.Type {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	return types.Unalias(t)
}

// A Field is one field of the JSON object that a struct becomes.
type Field struct {
	Name   string
	tagged bool
	Tag    string // the whole struct tag
	Var    *types.Var
	Top    *types.Var // the field of the outermost struct through which it came
	index  []int      // the path to it through the embedded structs
}

// A Collision is two fields with the same name.
type Collision struct{ First, Second Field }

// An Object is the JSON object that encoding/json makes of the fields of a struct.
type Object struct {
	Fields []Field
	// Collisions are fields with the same name, so that none of them travels.
	Collisions []Collision
	// shadowed are fields that do not travel, and the fields that have their names.
	shadowed []Collision
}

// An embedding is a struct whose fields take the place of the field that embeds it.
type embedding struct {
	t     types.Type // behind its pointer; nil: the outermost struct
	st    *types.Struct
	v     *types.Var // the field
	top   *types.Var // the field of the outermost struct through which it came
	index []int
	twice bool // several fields at its depth embed it
}

// jsonFields finds the fields of the JSON object that a struct becomes, and those that
// vanish. It is typeFields of encoding/json: of several fields with one name the
// shallowest wins; at one depth the only one with a name in its tag; else none does.
// Each type is visited once, where it is shallowest. If a type is embedded several
// times at that depth, its fields collide; the fields of its own embedded structs are
// found along the first path, and lost on the others.
func jsonFields(st *types.Struct) Object {
	s := fieldSearch{root: st, taken: make(map[string]*Field), seen: make(map[types.Type]*types.Var)}
	s.object.Fields = make([]Field, 0, st.NumFields())
	for level := []embedding{{st: st}}; len(level) > 0; {
		for _, e := range level {
			s.seen[e.t] = e.v
		}
		s.names, s.next, s.queued = make(map[string][]Field), nil, make(map[types.Type]int)
		for i := range level {
			s.visit(&level[i])
		}
		s.settle()
		level = s.next
	}
	slices.SortFunc(s.object.Fields, func(a, b Field) int { return slices.Compare(a.index, b.index) })
	for _, cs := range [][]Collision{s.object.Collisions, s.object.shadowed} {
		slices.SortFunc(cs, func(a, b Collision) int { return slices.Compare(a.First.index, b.First.index) })
	}
	return s.object
}

// Object is jsonFields with a cache, for repeated questions about the same structs. The
// result is shared.
func (in *Info) Object(st *types.Struct) Object {
	object, ok := in.objects[st]
	if !ok {
		object = jsonFields(st)
		in.objects[st] = object
	}
	return object
}

// A fieldSearch visits a struct and those that it embeds, depth by depth.
type fieldSearch struct {
	root   *types.Struct
	object Object
	taken  map[string]*Field         // nil: lost by a collision
	seen   map[types.Type]*types.Var // the fields that embed the types at this depth and above, by type
	names  map[string][]Field
	next   []embedding
	queued map[types.Type]int // indexes in next, by type
}

// visit registers the fields of one struct at a depth.
func (s *fieldSearch) visit(e *embedding) {
	for i := range e.st.NumFields() {
		v, tag := e.st.Field(i), e.st.Tag(i)
		name, travels := FieldName(v, tag)
		f := Field{
			Name: name, tagged: ParseTag(tag).Name != "", Tag: tag, Var: v,
			Top: cmp.Or(e.top, v), index: append(e.index[:len(e.index):len(e.index)], i),
		}
		switch {
		case !travels:
		case name == "":
			s.embed(f)
		case e.twice:
			s.names[name] = append(s.names[name], f, f)
		default:
			s.names[name] = append(s.names[name], f)
		}
	}
}

// embed registers a struct for the next depth.
func (s *fieldSearch) embed(f Field) {
	e := embedding{t: behindPointer(f.Var.Type()), st: StructOf(f.Var.Type()), v: f.Var, top: f.Top, index: f.index}
	if e.st == s.root {
		return
	}
	nearer, again := s.seen[e.t]
	if i, ok := s.queued[e.t]; ok && !again {
		s.next[i].twice, nearer, again = true, s.next[i].v, true
	}
	switch {
	case !again:
		s.queued[e.t] = len(s.next)
		s.next = append(s.next, e)
	case nearer != e.v:
		s.object.shadowed = append(s.object.shadowed, Collision{f, Field{Var: nearer}})
	}
}

// settle decides which fields of a depth get their names.
func (s *fieldSearch) settle() {
	for name, all := range s.names {
		winner, deeper := s.taken[name]
		if !deeper {
			winner = dominant(all)
			s.taken[name] = winner
			if winner == nil {
				s.object.Collisions = append(s.object.Collisions, Collision{all[0], all[1]})
				continue
			}
			s.object.Fields = append(s.object.Fields, *winner)
		}
		for _, f := range all {
			if winner != nil && f.Var != winner.Var {
				s.object.shadowed = append(s.object.shadowed, Collision{f, *winner})
			}
		}
	}
}

// dominant is the one field that wins a name at one depth, or nil.
func dominant(all []Field) *Field {
	if len(all) == 1 {
		return &all[0]
	}
	tagged := slices.DeleteFunc(slices.Clone(all), func(f Field) bool { return !f.tagged })
	if len(tagged) == 1 {
		return &tagged[0]
	}
	return nil
}

// Qualified is the name of a field behind that of the embedded one through which it
// came.
func (f Field) Qualified() string {
	if f.Top != f.Var {
		return f.Top.Name() + "." + f.Var.Name()
	}
	return f.Var.Name()
}
