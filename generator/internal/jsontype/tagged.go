package jsontype

import (
	"go/types"
	"reflect"

	"github.com/taskgen/taskgen/generator/internal/directive"
)

// taggedField finds a field with a task tag, or with a likely misspelling of one, in a
// type and all that its values hold, at any depth and in any encoding. It is nil if
// there is none.
func (in *Info) taggedField(t types.Type) *types.Var {
	s := tagSearch{known: in.tagged, seen: make(map[types.Type]bool)}
	found := s.search(t)
	if found == nil {
		for t := range s.seen {
			in.tagged[t] = nil
		}
	} else {
		in.tagged[types.Unalias(t)] = found
	}
	return found
}

// Tagged reports whether taggedField finds one.
func (in *Info) Tagged(t types.Type) bool { return in.taggedField(t) != nil }

type tagSearch struct {
	known map[types.Type]*types.Var // declared types, and undeclared structs, which aliases may name
	seen  map[types.Type]bool
}

func (s *tagSearch) search(t types.Type) *types.Var {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		if found, ok := s.known[t]; ok || s.seen[t] {
			return found
		}
		s.seen[t] = true
		return s.search(t.Underlying())
	case *types.Map:
		if found := s.search(t.Key()); found != nil {
			return found
		}
		return s.search(t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays
		return s.search(t.Elem())
	case *types.Struct:
		if found, ok := s.known[t]; ok || s.seen[t] {
			return found
		}
		s.seen[t] = true
		for i := range t.NumFields() {
			_, ok := reflect.StructTag(t.Tag(i)).Lookup("task")
			if ok || directive.Unreadable(t.Tag(i), "task") {
				return t.Field(i)
			}
			if found := s.search(t.Field(i).Type()); found != nil {
				return found
			}
		}
	}
	return nil
}
