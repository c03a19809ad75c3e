package generator

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// trouble is what keeps a type from travelling.
type trouble struct {
	text string
	// unresolved says that a type could not be resolved, field which one's.
	unresolved bool
	field      *types.Var // the innermost field around the trouble, nil: the type itself
	tangled    bool       // there are too many ways through the type to its secrets
}

func (t *trouble) in(v *types.Var) *trouble {
	if t != nil {
		t.text = "its field " + v.Name() + ": " + t.text
		if t.field == nil {
			t.field = v
		}
	}
	return t
}

// A walker goes through a type as encoding/json does, looks for what cannot
// travel, and notes what else there is to say about it. A type that encodes
// itself is not looked into.
type walker struct {
	b *builder
	// onField, where it is set, is called for the fields of every struct on the
	// way, with their paths in the JSON and whether they travel: for all of them
	// on every way to a type that holds tags, once for each other type.
	onField func(path string, v *types.Var, tag string, travels bool)
	// onEncoded, where it is set, is called for every struct that encodes
	// itself.
	onEncoded func(t *types.Named, st *types.Struct)
	// onCut, where it is set, is called where a type leads back to itself.
	onCut func(path string, t *types.Named)

	path  []string
	stack []*types.Named        // named types around the place
	steps int                   // how often a named type was looked into
	done  map[*types.Named]bool // types that need no second look: for onField those without tags

	empty *types.Named // a struct of which nothing travels
}

func newWalker(b *builder) *walker {
	return &walker{b: b, done: make(map[*types.Named]bool)}
}

// maxSteps bounds the ways through types that lead to each other and hold tags:
// each way to a secret is listed, and there may be more of them than atoms in
// the world.
const maxSteps = 10_000

// walk returns what keeps a type from travelling, or nil.
func (w *walker) walk(t types.Type) *trouble {
	t = types.Unalias(t)
	named, ok := t.(*types.Named)
	if !ok {
		return w.shape(t)
	}
	if w.b.plain[named] || w.done[named] {
		return nil
	}
	if slices.ContainsFunc(w.stack, func(outer *types.Named) bool { return types.Identical(outer, named) }) {
		if w.onCut != nil {
			w.onCut(strings.Join(w.path, "."), named)
		}
		return nil
	}
	if w.steps++; w.steps > maxSteps {
		return &trouble{tangled: true}
	}
	w.stack = append(w.stack, named)
	tr := w.named(named)
	w.stack = w.stack[:len(w.stack)-1]
	switch {
	case tr != nil:
	case w.onField == nil:
		w.done[named] = true
	case !w.b.tagged(named):
		w.done[named] = true
		w.b.plain[named] = w.empty == nil
	}
	return tr
}

func (w *walker) named(t *types.Named) *trouble {
	if _, ok := t.Underlying().(*types.Interface); !ok {
		if method, by := promotedCodec(t); method != "" && by != nil {
			return &trouble{text: fmt.Sprintf("%s of the embedded %s encodes it, without its other fields", method, by.Name())}
		}
		if encodesItself(t) {
			if st, ok := t.Underlying().(*types.Struct); ok && w.onEncoded != nil {
				w.onEncoded(t, st)
			}
			return nil
		}
	}
	if st, ok := t.Underlying().(*types.Struct); ok && w.empty == nil && st.NumFields() > 0 && w.own() {
		if fields, collisions := jsonFields(st); len(fields)+len(collisions) == 0 {
			w.empty = t
		}
	}
	return w.shape(t.Underlying())
}

// own says that the named type on top of the stack stands in a type of the
// package: what lies deeper in other people's types is theirs.
func (w *walker) own() bool {
	n := len(w.stack)
	return n < 2 || w.stack[n-2].Obj().Pkg() == w.b.pkg.Types
}

func (w *walker) shape(t types.Type) *trouble {
	switch t := t.(type) {
	case *types.Basic:
		return basicTrouble(t)
	case *types.Pointer:
		return w.walk(t.Elem())
	case *types.Slice:
		return w.list(t.Elem())
	case *types.Array:
		return w.list(t.Elem())
	case *types.Map:
		if b, ok := t.Key().Underlying().(*types.Basic); ok && b.Kind() == types.Invalid {
			return basicTrouble(b)
		}
		if !keyTravels(t.Key()) {
			return &trouble{text: "encoding/json takes no map keys of type " + w.b.text(t.Key())}
		}
		return w.list(t.Elem())
	case *types.Struct:
		return w.structure(t)
	case *types.Interface:
		if t.Empty() {
			return nil
		}
		return &trouble{text: "an interface with methods cannot be decoded"}
	case *types.Chan:
		return &trouble{text: "a channel cannot be encoded"}
	case *types.Signature:
		return &trouble{text: "a function cannot be encoded"}
	}
	return &trouble{text: w.b.text(t) + " cannot be encoded"}
}

func basicTrouble(t *types.Basic) *trouble {
	switch {
	case t.Kind() == types.Invalid:
		return &trouble{text: "its type cannot be resolved", unresolved: true}
	case t.Info()&types.IsComplex != 0:
		return &trouble{text: "a complex number cannot be encoded"}
	case t.Kind() == types.UnsafePointer:
		return &trouble{text: "an unsafe pointer cannot be encoded"}
	}
	return nil
}

// list walks the elements of a list or map.
func (w *walker) list(elem types.Type) *trouble {
	w.path = append(w.path, "*")
	defer func() { w.path = w.path[:len(w.path)-1] }()
	return w.walk(elem)
}

func (w *walker) structure(st *types.Struct) *trouble {
	if _, collisions := jsonFields(st); len(collisions) > 0 {
		c := collisions[0]
		return &trouble{text: fmt.Sprintf("its fields %s and %s are both %q in JSON, and encoding/json drops both",
			c.first.v.Name(), c.second.v.Name(), c.first.name)}
	}
	for i := range st.NumFields() {
		if tr := w.field(st.Field(i), st.Tag(i)); tr != nil {
			return tr
		}
	}
	return nil
}

// field walks one field of a struct.
func (w *walker) field(v *types.Var, tag string) *trouble {
	name, travels := jsonName(v, tag)
	depth := len(w.path)
	if name != "" {
		w.path = append(w.path, name)
	}
	defer func() { w.path = w.path[:depth] }()
	if w.onField != nil {
		w.onField(strings.Join(w.path, "."), v, tag, travels)
	}
	if !travels {
		return nil
	}
	return w.value(v).in(v)
}

// value walks the type of a field that travels.
func (w *walker) value(v *types.Var) *trouble {
	if _, pointer := types.Unalias(v.Type()).(*types.Pointer); pointer && v.Embedded() && !v.Exported() {
		return &trouble{text: "encoding/json cannot set an embedded pointer to an unexported struct"}
	}
	return w.walk(v.Type())
}

// codecMethods are the methods by which a type encodes or decodes itself.
var codecMethods = []string{"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"}

// codecMethod finds a method by which a pointer to the type encodes or decodes
// itself, and the path of fields to it.
func codecMethod(t types.Type, name string) ([]int, bool) {
	obj, index, _ := types.LookupFieldOrMethod(types.NewPointer(t), false, nil, name)
	fn, ok := obj.(*types.Func)
	if !ok {
		return nil, false
	}
	in, out := fn.Signature().Params(), fn.Signature().Results()
	if strings.HasPrefix(name, "Unmarshal") {
		return index, in.Len() == 1 && out.Len() == 1 && isBytes(in.At(0).Type())
	}
	return index, in.Len() == 0 && out.Len() == 2 && isBytes(out.At(0).Type())
}

func isBytes(t types.Type) bool {
	s, ok := t.Underlying().(*types.Slice)
	return ok && types.Identical(s.Elem(), types.Typ[types.Byte])
}

func encodesItself(t types.Type) bool {
	return slices.ContainsFunc(codecMethods, func(name string) bool {
		_, ok := codecMethod(t, name)
		return ok
	})
}

// promotedCodec finds a codec method that a struct with several fields has from
// one that it embeds, and which that is. encoding/json prefers the JSON methods:
// one that the struct has of its own outdoes a promoted one for text.
func promotedCodec(t *types.Named) (string, *types.Var) {
	st, ok := t.Underlying().(*types.Struct)
	if !ok || travelling(st) < 2 {
		return "", nil
	}
	for _, verb := range []string{"Marshal", "Unmarshal"} {
		for _, form := range []string{"JSON", "Text"} {
			index, ok := codecMethod(t, verb+form)
			if ok && len(index) > 1 {
				return verb + form, st.Field(index[0])
			}
			if ok { // its own
				break
			}
		}
	}
	return "", nil
}

// travelling counts the fields of a struct that take part in JSON, each embedded
// one as one.
func travelling(st *types.Struct) int {
	n := 0
	for i := range st.NumFields() {
		if _, ok := jsonName(st.Field(i), st.Tag(i)); ok {
			n++
		}
	}
	return n
}

// keyTravels says whether encoding/json takes a type for keys of a map, there
// and back.
func keyTravels(t types.Type) bool {
	if b, ok := t.Underlying().(*types.Basic); ok && b.Info()&(types.IsString|types.IsInteger) != 0 {
		return true
	}
	obj, _, _ := types.LookupFieldOrMethod(t, false, nil, "MarshalText") // keys are not addressable
	_, encodes := obj.(*types.Func)
	_, decodes := codecMethod(t, "UnmarshalText")
	return encodes && decodes
}
