package generator

import (
	"go/types"
	"reflect"

	"golang.org/x/tools/go/types/typeutil"
)

// parts calls visit for every declared type whose values are in values of t, and
// says whether a slice, an array or a map stands between the two. It does not
// look into declared types.
func parts(t types.Type, listed bool, visit func(t *types.Named, listed bool)) {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		visit(t, listed)
	case *types.Pointer:
		parts(t.Elem(), listed, visit)
	case *types.Slice:
		parts(t.Elem(), true, visit)
	case *types.Array:
		parts(t.Elem(), true, visit)
	case *types.Map:
		parts(t.Elem(), true, visit)
	case *types.Struct:
		for i := range t.NumFields() {
			if _, travels := jsonName(t.Field(i), t.Tag(i)); travels {
				parts(t.Field(i).Type(), listed, visit)
			}
		}
	}
}

// inside is parts of a declared type that does not encode itself.
func inside(t *types.Named, visit func(t *types.Named, listed bool)) {
	if !encodesItself(t) {
		parts(t.Underlying(), false, visit)
	}
}

// tagged says whether a struct that t holds, however deep, has a task tag, or
// what may have been meant for one.
func (b *builder) tagged(t *types.Named) bool {
	if known, ok := b.tags[t]; ok {
		return known
	}
	var (
		seen  typeutil.Map
		found bool
		visit func(t *types.Named, listed bool)
	)
	visit = func(t *types.Named, _ bool) {
		if found || seen.Set(t, true) != nil {
			return
		}
		found = hasTags(t.Underlying())
		inside(t, visit)
	}
	visit(t, false)
	b.tags[t] = found
	return found
}

// hasTags says whether a struct, or one that is written out in it, has a task
// tag.
func hasTags(t types.Type) bool {
	switch t := types.Unalias(t).(type) {
	case *types.Pointer:
		return hasTags(t.Elem())
	case *types.Slice:
		return hasTags(t.Elem())
	case *types.Array:
		return hasTags(t.Elem())
	case *types.Map:
		return hasTags(t.Elem())
	case *types.Struct:
		for i := range t.NumFields() {
			_, ok := reflect.StructTag(t.Tag(i)).Lookup("task")
			if ok || unreadable(t.Tag(i)) || hasTags(t.Field(i).Type()) {
				return true
			}
		}
	}
	return false
}

// leadsBack finds a type in a field of the struct from whose values pointers
// alone lead back to values of the same type. It follows the types depth first,
// and comes back to one that it has not left yet where there is such a way.
func leadsBack(from *types.Named, field types.Type) *types.Named {
	const entered, left = 1, 2
	var (
		state typeutil.Map
		lists []*types.Named // seen behind lists, where a way begins anew
		found *types.Named
		visit func(t *types.Named, listed bool)
	)
	visit = func(t *types.Named, listed bool) {
		switch at := state.At(t); {
		case found != nil || at == left:
		case listed:
			lists = append(lists, t)
		case at == entered:
			found = t
		default:
			state.Set(t, entered)
			inside(t, visit)
			state.Set(t, left)
		}
	}
	state.Set(from, entered)
	parts(field, false, visit)
	state.Set(from, left)
	for len(lists) > 0 {
		t := lists[0]
		lists = lists[1:]
		visit(t, false)
	}
	return found
}
