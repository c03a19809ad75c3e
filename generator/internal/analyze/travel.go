package analyze

import (
	"fmt"
	"go/types"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// trouble is what keeps a type from travelling.
type trouble struct {
	text string
	// unresolved says that a type could not be resolved, field which one's.
	unresolved bool
	field      *types.Var // the innermost field around the trouble, nil: the type itself
	tangled    bool       // there are too many ways through the type to its secrets
}

// in says that the trouble is in a field. Of a long way the inner part is said.
func (t *trouble) in(v *types.Var) *trouble {
	const far = 200
	if t != nil {
		if len(t.text) < far {
			t.text = "its field " + v.Name() + ": " + t.text
		}
		if t.field == nil {
			t.field = v
		}
	}
	return t
}

// A place is where a value stands, as far as encoding/json treats it differently
// there.
type place struct {
	// addressable values have the methods of pointers to them when they are
	// written. Those in maps are not addressable.
	addressable bool
	// quoted values stand within a string, by the option "string" of a json tag.
	quoted bool
	// written values are read back by a method of a type around them: how they are
	// read is for that method to say.
	written bool
}

// A visit is a type at a place.
type visit struct {
	t  types.Type // declared, or a struct
	at place
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
	// onCut, where it is set, is called where a type leads back to itself.
	onCut func(path string, t *types.Named)
	// onLoss is called for what is lost on the way without keeping a type from
	// travelling. It may be called for one loss several times.
	onLoss func(l loss)

	path   []string          // the steps to the place, each with its slash
	stack  []*types.Named    // named types around the place
	steps  int               // how often a named type was looked into
	done   map[ownVisit]bool // types that need no second look: for onField those without tags
	back   int               // the outermost of stack that types above it lead back to
	inner  *types.Var        // the innermost field around the place
	owner  *types.Var        // the innermost one of the package
	secret bool              // a field around the place is a secret as a whole
}

// An ownVisit is a visit below a field of the package, where it is told what is lost.
type ownVisit struct {
	visit
	owner *types.Var
}

func newWalker(b *builder) *walker {
	return &walker{b: b, done: make(map[ownVisit]bool), back: math.MaxInt, onLoss: func(loss) {}}
}

// maxSteps bounds the ways through types that lead to each other and hold tags:
// each way to a secret is listed, and there may be more of them than atoms in
// the world.
const maxSteps = 10_000

// walk returns what keeps a type from travelling to and from the root of a message,
// or nil.
func (w *walker) walk(t types.Type) *trouble { return w.value(t, place{addressable: true}) }

// maxDepth bounds how many declared types stand in each other: generic types can lead
// to ever new ones.
const maxDepth = 200

// value walks the type of a value at a place.
func (w *walker) value(t types.Type, at place) *trouble {
	if tr := w.swallowed(t); tr != nil {
		return tr
	}
	if tr := w.pair(t, at); tr != nil {
		return tr
	}
	p, isPointer := types.Unalias(t).Underlying().(*types.Pointer)
	if isPointer && nullable(p.Elem()) && w.mendable() {
		w.lose(loss{kind: lostNull, t: t})
	}
	enc, base := encoderAt(t, at.addressable)
	if enc != natural {
		return w.encoded(base)
	}
	if dec, _ := decoderAt(t); dec != natural {
		at.written = true
	}
	at.quoted, at.addressable = false, at.addressable || isPointer
	switch base := base.(type) {
	case *types.Named:
		return w.named(base, at)
	case *types.Struct:
		return w.literal(base, at)
	}
	return w.shape(base, at)
}

// literal walks a struct that is not declared. By aliases it may be in many places.
func (w *walker) literal(t *types.Struct, at place) *trouble {
	v, back := ownVisit{visit{t, at}, w.owner}, w.back
	switch {
	case w.b.plain[v.visit]:
		return nil
	case w.done[v]:
		w.back = 0
		return nil
	}
	w.back = math.MaxInt
	tr := w.shape(t, at)
	closed := w.back == math.MaxInt
	w.back = min(w.back, back)
	if tagged := w.b.tagged(t); tr == nil && (w.onField == nil || !tagged) {
		w.done[v] = true
		w.b.plain[v.visit] = closed && !tagged && t.NumFields() > 0 && t.Field(0).Pkg() == w.b.pkg.Types
	}
	return tr
}

// named walks a declared type that does not encode itself at this place.
func (w *walker) named(t *types.Named, at place) *trouble {
	v := ownVisit{visit{t, at}, w.owner}
	switch i := slices.IndexFunc(w.stack, func(outer *types.Named) bool { return types.Identical(outer, t) }); {
	case w.b.plain[v.visit]:
		return nil
	case w.done[v]:
		w.back = 0 // it may lead back to any of them
		return nil
	case i >= 0:
		w.back = min(w.back, i)
		if w.onCut != nil {
			w.onCut(w.pointer(), t)
		}
		return nil
	}
	if w.steps++; w.steps > maxSteps {
		return &trouble{tangled: true}
	}
	if len(w.stack) > maxDepth {
		return &trouble{text: "its types lead to ever new ones"}
	}
	if st, ok := t.Underlying().(*types.Struct); ok && nothingTravels(st) && !w.mixedIn() {
		w.lose(loss{kind: lostWhole, t: t, field: w.inner})
		w.b.leaky[t] = true
	}
	tr, closed := w.within(t, at)
	if tagged := w.b.tagged(t); tr == nil && (w.onField == nil || !tagged) {
		w.done[v] = true
		w.b.plain[v.visit] = closed && !w.b.leaky[t] && !tagged
	}
	return tr
}

// within walks what a declared type is made of. It says whether that is all there is:
// what leads back to a type around t is known as soon as that is.
func (w *walker) within(t *types.Named, at place) (tr *trouble, closed bool) {
	index, back := len(w.stack), w.back
	w.back = math.MaxInt
	w.stack = append(w.stack, t)
	tr = w.shape(t.Underlying(), at)
	w.stack = w.stack[:index]
	closed = w.back >= index
	if closed {
		w.back = math.MaxInt
	}
	w.back = min(w.back, back)
	return tr, closed
}

// mixedIn says that the value's own fields stand in its place: it is embedded.
func (w *walker) mixedIn() bool { return w.inner != nil && w.inner.Embedded() && len(w.stack) > 0 }

// mendable says that the value stands in a type that the user can change: one of the
// module. In types of other modules it stands where a value is null or not there, and
// nobody points to nil.
func (w *walker) mendable() bool {
	return len(w.stack) == 0 || !w.b.elsewhere(w.stack[len(w.stack)-1].Obj().Pkg())
}

// lose tells of a loss. Other people's types around it have to be walked each time:
// it is told of at the field of the package that holds them.
func (w *walker) lose(l loss) {
	if l.owner == nil {
		l.owner = w.owner
	}
	for _, t := range w.stack {
		if t.Obj().Pkg() != w.b.pkg.Types {
			w.b.leaky[t] = true
		}
	}
	w.onLoss(l)
}

// encoded looks at a type that encodes itself: nobody knows where the tags in it
// are in the message.
func (w *walker) encoded(t types.Type) *trouble {
	if w.onField == nil || w.secret {
		return nil
	}
	if v := w.b.taggedField(t); v != nil {
		w.lose(loss{kind: lostTag, t: t, field: v})
	}
	return nil
}

// swallowed reports a struct of several fields that one of them encodes or decodes.
func (w *walker) swallowed(t types.Type) *trouble {
	for depth := 0; depth < maxPointers; depth++ {
		p, ok := types.Unalias(t).(*types.Pointer)
		if !ok {
			break
		}
		t = p.Elem()
	}
	if method, by := promotedCodec(types.Unalias(t)); by != nil {
		return &trouble{text: fmt.Sprintf("%s of the embedded %s encodes it, without its other fields", method, by.Name())}
	}
	return nil
}

func (w *walker) shape(t types.Type, at place) *trouble {
	switch t := t.(type) {
	case *types.Basic:
		return basicTrouble(t)
	case *types.Slice:
		at.addressable = true
		return w.list(t.Elem(), at)
	case *types.Array:
		return w.list(t.Elem(), at)
	case *types.Map:
		if tr := w.key(t.Key(), at); tr != nil {
			return tr
		}
		at.addressable = false
		return w.list(t.Elem(), at)
	case *types.Struct:
		return w.structure(t, at)
	case *types.Interface:
		if t.Empty() || at.written {
			return nil
		}
		return &trouble{text: "an interface with methods cannot be decoded"}
	case *types.Chan:
		return &trouble{text: "a channel cannot be encoded"}
	case *types.Signature:
		return &trouble{text: "a function cannot be encoded"}
	case *types.Pointer:
		return &trouble{text: "a pointer that leads to itself cannot be encoded"}
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

// pointer is the path to the place.
func (w *walker) pointer() string { return strings.Join(w.path, "") }

// list walks the elements of a list or map.
func (w *walker) list(elem types.Type, at place) *trouble {
	w.path = append(w.path, "/"+model.EveryElement)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	return w.value(elem, at)
}

func (w *walker) structure(st *types.Struct, at place) *trouble {
	fields := w.b.jsonFields(st)
	if len(fields.collisions) > 0 {
		c := fields.collisions[0]
		return &trouble{text: fmt.Sprintf("its fields %s and %s are both %q in JSON, and encoding/json drops both",
			c.first.v.Name(), c.second.v.Name(), c.first.name)}
	}
	w.losses(st, fields)
	for i := range st.NumFields() {
		if tr := w.field(st.Field(i), st.Tag(i), at); tr != nil {
			return tr
		}
	}
	return nil
}

// field walks one field of a struct.
func (w *walker) field(v *types.Var, tag string, at place) *trouble {
	name, travels := jsonName(v, tag)
	depth, owner, inner, secret := len(w.path), w.owner, w.inner, w.secret
	if name != "" {
		w.path = append(w.path, model.SecretPath(name))
	}
	if v.Pkg() == w.b.pkg.Types {
		w.owner = v
	}
	w.inner = v
	w.secret = secret || slices.Contains(strings.Split(reflect.StructTag(tag).Get("task"), ","), "secret")
	defer func() { w.path, w.owner, w.inner, w.secret = w.path[:depth], owner, inner, secret }()
	if w.onField != nil {
		w.onField(w.pointer(), v, tag, travels)
	}
	if !travels {
		return nil
	}
	return w.member(v, tag, at).in(v)
}

// member walks the type of a field that travels.
func (w *walker) member(v *types.Var, tag string, at place) *trouble {
	if _, pointer := types.Unalias(v.Type()).(*types.Pointer); pointer && v.Embedded() && !v.Exported() && !at.written {
		return &trouble{text: "encoding/json cannot set an embedded pointer to an unexported struct"}
	}
	at.quoted = quotes(v, tag)
	return w.value(v.Type(), at)
}

// promotedCodec finds a codec method that a struct with several fields has from
// one that it embeds, and which that is. encoding/json prefers the JSON methods:
// one that the struct has of its own outdoes a promoted one for text.
func promotedCodec(t types.Type) (string, *types.Var) {
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
