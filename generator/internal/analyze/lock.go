package analyze

import "go/types"

// locked reports whether go vet forbids copies of values of the type.
func locked(t types.Type) bool {
	_, lock := lockIn(t)
	return lock != nil
}

// lockIn finds the part that forbids copies of a type's values, by the rule of go vet's
// copylocks: a type whose pointers are a sync.Locker and whose values are not. It returns
// the field that leads there and the type, or nil.
func lockIn(t types.Type) (*types.Var, types.Type) { return findLock(t, make(map[types.Type]bool)) }

func findLock(t types.Type, seen map[types.Type]bool) (*types.Var, types.Type) {
	t = types.Unalias(t)
	if seen[t] {
		return nil, nil
	}
	seen[t] = true
	if named, ok := t.(*types.Named); ok && !types.IsInterface(t) && locks(types.NewPointer(named)) && !locks(named) {
		return nil, named
	}
	switch u := t.Underlying().(type) {
	case *types.Array:
		return findLock(u.Elem(), seen)
	case *types.Struct:
		for v := range u.Fields() {
			if _, lock := findLock(v.Type(), seen); lock != nil {
				return v, lock
			}
		}
	}
	return nil, nil
}

// locks reports whether a type has the methods Lock and Unlock of sync.Locker.
func locks(t types.Type) bool {
	for _, name := range []string{"Lock", "Unlock"} {
		obj, _, _ := types.LookupFieldOrMethod(t, false, nil, name)
		fn, ok := obj.(*types.Func)
		if !ok || fn.Signature().Params().Len()+fn.Signature().Results().Len() > 0 {
			return false
		}
	}
	return true
}
