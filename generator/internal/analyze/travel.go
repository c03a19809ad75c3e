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

// A problem is what keeps a type from travelling.
type problem struct {
	text string
	// unresolved says that a type could not be resolved, field which one's.
	unresolved bool
	field      *types.Var // the innermost field around the problem, nil: the type itself
	tangled    bool       // there are too many ways through the type to its secrets
}

// in says that the problem is in a field. Of a long way the inner part is said.
func (p *problem) in(v *types.Var) *problem {
	const far = 200
	if p != nil {
		if len(p.text) < far {
			p.text = "its field " + v.Name() + ": " + p.text
		}
		if p.field == nil {
			p.field = v
		}
	}
	return p
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

// A visitor is told what there is on the way through a type. Each of its functions may be
// nil.
type visitor struct {
	// field is called for the fields of every struct on the way, with their paths in
	// the JSON, whether they travel, and the declared types around them: for all of
	// them on every way to a type that holds tags, once for each other type.
	field func(path string, v *types.Var, tag string, travels bool, around []*types.Named)
	// cut is called where a type leads back to itself.
	cut func(path string, t *types.Named)
	// loss is called for what is lost on the way without keeping a type from
	// travelling. It may be called for one loss several times.
	loss func(l loss)
}

// A jsonWalker goes through a type as encoding/json does, looks for what cannot
// travel, and notes what else there is to say about it. A type that encodes
// itself is not looked into.
type jsonWalker struct {
	in      *info
	visitor visitor

	path   []string          // the steps to the place, each with its slash
	stack  []*types.Named    // named types around the place
	steps  int               // how often a named type was looked into
	done   map[ownVisit]bool // types that need no second look: for visitor.field those without tags
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

func (in *info) walker(v visitor) *jsonWalker {
	if v.loss == nil {
		v.loss = func(loss) {}
	}
	return &jsonWalker{in: in, visitor: v, done: make(map[ownVisit]bool), back: math.MaxInt}
}

// maxSteps bounds the ways through types that lead to each other and hold tags:
// each way to a secret is listed, and there may be more of them than atoms in
// the world.
const maxSteps = 10_000

// walk returns what keeps a type from travelling to and from the root of a message,
// or nil.
func (in *info) walk(t types.Type, v visitor) *problem {
	return in.walker(v).value(t, place{addressable: true})
}

// walkMember is walk for a field of a task that travels. secret says that it is one as a
// whole, and written that a method of the task reads it.
func (in *info) walkMember(task *types.Named, f *types.Var, tag string, secret, written bool, v visitor) *problem {
	w := in.walker(v)
	if name, _ := jsonName(f, tag); name != "" {
		w.path = []string{model.SecretPath(name)}
	}
	w.stack = []*types.Named{task}
	w.owner, w.inner, w.secret = f, f, secret
	return w.member(f, tag, place{addressable: true, written: written})
}

// walkKey returns what keeps a value from being encoded as a part of a unique key, or nil.
func (in *info) walkKey(t types.Type) *problem {
	return in.walker(visitor{}).value(t, place{addressable: true, written: true})
}

// walkRoot returns what is wrong with the methods by which a task encodes itself, or nil.
func (in *info) walkRoot(task *types.Named) *problem {
	return in.walker(visitor{}).pair(task, place{addressable: true})
}

// walkOwn tells of what is lost of the fields of a task's struct.
func (in *info) walkOwn(st *types.Struct, onLoss func(l loss)) {
	in.walker(visitor{loss: onLoss}).losses(st, in.object(st))
}

// maxDepth bounds how many declared types stand in each other: generic types can lead
// to ever new ones.
const maxDepth = 200

// value walks the type of a value at a place.
func (w *jsonWalker) value(t types.Type, at place) *problem {
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
func (w *jsonWalker) literal(t *types.Struct, at place) *problem {
	v, back := ownVisit{visit{t, at}, w.owner}, w.back
	switch {
	case w.in.plain[v.visit]:
		return nil
	case w.done[v]:
		w.back = 0
		return nil
	}
	w.back = math.MaxInt
	tr := w.shape(t, at)
	closed := w.back == math.MaxInt
	w.back = min(w.back, back)
	if tagged := w.in.isTagged(t); tr == nil && (w.visitor.field == nil || !tagged) {
		w.done[v] = true
		w.in.plain[v.visit] = closed && !tagged && t.NumFields() > 0 && t.Field(0).Pkg() == w.in.pkg
	}
	return tr
}

// named walks a declared type that does not encode itself at this place.
func (w *jsonWalker) named(t *types.Named, at place) *problem {
	v := ownVisit{visit{t, at}, w.owner}
	switch i := slices.IndexFunc(w.stack, func(outer *types.Named) bool { return types.Identical(outer, t) }); {
	case w.in.plain[v.visit]:
		return nil
	case w.done[v]:
		w.back = 0 // it may lead back to any of them
		return nil
	case i >= 0:
		w.back = min(w.back, i)
		if w.visitor.cut != nil {
			w.visitor.cut(w.pointer(), t)
		}
		return nil
	}
	if w.steps++; w.steps > maxSteps {
		return &problem{tangled: true}
	}
	if len(w.stack) > maxDepth {
		return &problem{text: "its types lead to ever new ones"}
	}
	if st, ok := t.Underlying().(*types.Struct); ok && nothingTravels(st) && !w.mixedIn() {
		w.lose(loss{kind: lostWhole, t: t, field: w.inner})
		w.in.leaky[t] = true
	}
	tr, closed := w.within(t, at)
	if tagged := w.in.isTagged(t); tr == nil && (w.visitor.field == nil || !tagged) {
		w.done[v] = true
		w.in.plain[v.visit] = closed && !w.in.leaky[t] && !tagged
	}
	return tr
}

// within walks what a declared type is made of. It says whether that is all there is:
// what leads back to a type around t is known as soon as that is.
func (w *jsonWalker) within(t *types.Named, at place) (tr *problem, closed bool) {
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
func (w *jsonWalker) mixedIn() bool { return w.inner != nil && w.inner.Embedded() && len(w.stack) > 0 }

// mendable says that the value stands in a type that the user can change: one of the
// module. In types of other modules it stands where a value is null or not there, and
// nobody points to nil.
func (w *jsonWalker) mendable() bool {
	return len(w.stack) == 0 || !w.in.elsewhere(w.stack[len(w.stack)-1].Obj().Pkg())
}

// lose tells of a loss. Other people's types around it have to be walked each time:
// it is told of at the field of the package that holds them.
func (w *jsonWalker) lose(l loss) {
	if l.owner == nil {
		l.owner = w.owner
	}
	for _, t := range w.stack {
		if t.Obj().Pkg() != w.in.pkg {
			w.in.leaky[t] = true
		}
	}
	w.visitor.loss(l)
}

// encoded looks at a type that encodes itself: nobody knows where the tags in it
// are in the message.
func (w *jsonWalker) encoded(t types.Type) *problem {
	if w.visitor.field == nil || w.secret {
		return nil
	}
	if v := w.in.taggedField(t); v != nil {
		w.lose(loss{kind: lostTag, t: t, field: v})
	}
	return nil
}

// swallowed reports a struct of several fields that one of them encodes or decodes.
func (w *jsonWalker) swallowed(t types.Type) *problem {
	for depth := 0; depth < maxPointers; depth++ {
		p, ok := types.Unalias(t).(*types.Pointer)
		if !ok {
			break
		}
		t = p.Elem()
	}
	if method, by := promotedCodec(types.Unalias(t)); by != nil {
		return &problem{text: fmt.Sprintf("%s of the embedded %s encodes it, without its other fields", method, by.Name())}
	}
	return nil
}

func (w *jsonWalker) shape(t types.Type, at place) *problem {
	switch t := t.(type) {
	case *types.Basic:
		return basicProblem(t)
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
		return &problem{text: "an interface with methods cannot be decoded"}
	case *types.Chan:
		return &problem{text: "a channel cannot be encoded"}
	case *types.Signature:
		return &problem{text: "a function cannot be encoded"}
	case *types.Pointer:
		return &problem{text: "a pointer that leads to itself cannot be encoded"}
	}
	return &problem{text: w.in.text(t) + " cannot be encoded"}
}

func basicProblem(t *types.Basic) *problem {
	switch {
	case t.Kind() == types.Invalid:
		return &problem{text: "its type cannot be resolved", unresolved: true}
	case t.Info()&types.IsComplex != 0:
		return &problem{text: "a complex number cannot be encoded"}
	case t.Kind() == types.UnsafePointer:
		return &problem{text: "an unsafe pointer cannot be encoded"}
	}
	return nil
}

// pointer is the path to the place.
func (w *jsonWalker) pointer() string { return strings.Join(w.path, "") }

// list walks the elements of a list or map.
func (w *jsonWalker) list(elem types.Type, at place) *problem {
	w.path = append(w.path, "/"+model.EveryElement)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	return w.value(elem, at)
}

func (w *jsonWalker) structure(st *types.Struct, at place) *problem {
	fields := w.in.object(st)
	if len(fields.collisions) > 0 {
		c := fields.collisions[0]
		return &problem{text: fmt.Sprintf("its fields %s and %s are both %q in JSON, and encoding/json drops both",
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
func (w *jsonWalker) field(v *types.Var, tag string, at place) *problem {
	name, travels := jsonName(v, tag)
	depth, owner, inner, secret := len(w.path), w.owner, w.inner, w.secret
	if name != "" {
		w.path = append(w.path, model.SecretPath(name))
	}
	if v.Pkg() == w.in.pkg {
		w.owner = v
	}
	w.inner = v
	w.secret = secret || slices.Contains(strings.Split(reflect.StructTag(tag).Get("task"), ","), "secret")
	defer func() { w.path, w.owner, w.inner, w.secret = w.path[:depth], owner, inner, secret }()
	if w.visitor.field != nil {
		w.visitor.field(w.pointer(), v, tag, travels, w.stack)
	}
	if !travels {
		return nil
	}
	return w.member(v, tag, at).in(v)
}

// member walks the type of a field that travels.
func (w *jsonWalker) member(v *types.Var, tag string, at place) *problem {
	if _, pointer := types.Unalias(v.Type()).(*types.Pointer); pointer && v.Embedded() && !v.Exported() && !at.written {
		return &problem{text: "encoding/json cannot set an embedded pointer to an unexported struct"}
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
