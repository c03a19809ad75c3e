package jsontype

import (
	"fmt"
	"go/types"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// A Problem is the reason why a type cannot be in a message.
type Problem struct {
	Text string
	// Unresolved says that a type could not be resolved, Field which one's.
	Unresolved bool
	Field      *types.Var // the innermost field around the problem, nil: the type itself
	Tangled    bool       // there are too many ways through the type to its secrets
}

// in says that the problem is in a field. It cuts a long path to its inner part.
func (p *Problem) in(v *types.Var) *Problem {
	const far = 200
	if p != nil {
		if len(p.Text) < far {
			p.Text = "its field " + v.Name() + ": " + p.Text
		}
		if p.Field == nil {
			p.Field = v
		}
	}
	return p
}

// A place is the position of a value, as far as encoding/json distinguishes it.
type place struct {
	// addressable values have the methods of pointers to them when they are written.
	// Those in maps are not addressable.
	addressable bool
	// quoted values are written within a string, by the option "string" of a json tag.
	quoted bool
	// written values are read back by a method of a type around them, which decides how
	// they are read.
	written bool
}

// A visit is a type at a place.
type visit struct {
	t  types.Type // declared, or a struct
	at place
}

// A Visitor has callbacks for a walk through a type. Each of them may be nil.
type Visitor struct {
	// Field is called for the fields of every struct on the way, with their paths in
	// the JSON, whether they travel, and the declared types around them: for a type
	// that holds tags on every path to it, for any other type once.
	Field func(path string, v *types.Var, tag string, travels bool, around []*types.Named)
	// Cut is called where a type leads back to itself.
	Cut func(path string, t *types.Named)
	// Loss is called for a part that is lost although the type travels. It may be
	// called for one loss several times.
	Loss func(l Loss)
}

// A jsonWalker walks a type as encoding/json does, looks for parts that cannot travel,
// and reports its other findings. It does not look into a type that encodes itself.
type jsonWalker struct {
	in      *Info
	visitor Visitor

	path   []string          // the steps to the place, each with its slash
	stack  []*types.Named    // named types around the place
	steps  int               // how many named types were entered
	done   map[ownVisit]bool // types that need no second visit: for visitor.Field those without tags
	back   int               // the outermost of stack to which types above it lead back
	inner  *types.Var        // the innermost field around the place
	owner  *types.Var        // the innermost one of the package
	secret bool              // a field around the place is a secret as a whole
}

// An ownVisit is a visit below a field of the package, for which losses are reported.
type ownVisit struct {
	visit
	owner *types.Var
}

func (in *Info) newJSONWalker(v Visitor) *jsonWalker {
	if v.Loss == nil {
		v.Loss = func(Loss) {}
	}
	return &jsonWalker{in: in, visitor: v, done: make(map[ownVisit]bool), back: math.MaxInt}
}

// maxSteps bounds the paths through types that lead to each other and hold tags: each
// path to a secret is listed, and their number can be exponential.
const maxSteps = 10_000

// Walk returns why a type cannot be encoded and decoded as the root of a message, or
// nil.
func (in *Info) Walk(t types.Type, v Visitor) *Problem {
	return in.newJSONWalker(v).value(t, place{addressable: true})
}

// WalkMember is Walk for a field of a task that travels. secret says that the field is
// a secret as a whole, and written that a method of the task reads it.
func (in *Info) WalkMember(task *types.Named, f *types.Var, tag string, secret, written bool, v Visitor) *Problem {
	w := in.newJSONWalker(v)
	if name, _ := FieldName(f, tag); name != "" {
		w.path = []string{model.SecretPath(name)}
	}
	w.stack = []*types.Named{task}
	w.owner, w.inner, w.secret = f, f, secret
	return w.member(f, tag, place{addressable: true, written: written})
}

// WalkKey returns why a value cannot be encoded as a part of a unique key, or nil.
func (in *Info) WalkKey(t types.Type) *Problem {
	return in.newJSONWalker(Visitor{}).value(t, place{addressable: true, written: true})
}

// WalkRoot returns the fault of the methods by which a task encodes itself, or nil.
func (in *Info) WalkRoot(task *types.Named) *Problem {
	return in.newJSONWalker(Visitor{}).pair(task, place{addressable: true})
}

// WalkOwn reports the losses of the fields of a task's struct.
func (in *Info) WalkOwn(st *types.Struct, onLoss func(l Loss)) {
	in.newJSONWalker(Visitor{Loss: onLoss}).losses(st, in.Object(st))
}

// maxDepth bounds how deep declared types nest: generic types can lead to ever new
// ones.
const maxDepth = 200

// value walks the type of a value at a place.
func (w *jsonWalker) value(t types.Type, at place) *Problem {
	if problem := w.swallowed(t); problem != nil {
		return problem
	}
	if problem := w.pair(t, at); problem != nil {
		return problem
	}
	p, isPointer := types.Unalias(t).Underlying().(*types.Pointer)
	if isPointer && nullable(p.Elem()) && w.mendable() {
		w.lose(Loss{Kind: LostNull, Type: t})
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

// literal walks an undeclared struct. By aliases it may be in many places.
func (w *jsonWalker) literal(t *types.Struct, at place) *Problem {
	v, back := ownVisit{visit{t, at}, w.owner}, w.back
	switch {
	case w.in.plain[v.visit]:
		return nil
	case w.done[v]:
		w.back = 0
		return nil
	}
	w.back = math.MaxInt
	problem := w.shape(t, at)
	closed := w.back == math.MaxInt
	w.back = min(w.back, back)
	if tagged := w.in.Tagged(t); problem == nil && (w.visitor.Field == nil || !tagged) {
		w.done[v] = true
		w.in.plain[v.visit] = closed && !tagged && t.NumFields() > 0 && t.Field(0).Pkg() == w.in.pkg
	}
	return problem
}

// named walks a declared type that does not encode itself at this place.
func (w *jsonWalker) named(t *types.Named, at place) *Problem {
	v := ownVisit{visit{t, at}, w.owner}
	switch i := slices.IndexFunc(w.stack, func(outer *types.Named) bool { return types.Identical(outer, t) }); {
	case w.in.plain[v.visit]:
		return nil
	case w.done[v]:
		w.back = 0 // it may lead back to any of them
		return nil
	case i >= 0:
		w.back = min(w.back, i)
		if w.visitor.Cut != nil {
			w.visitor.Cut(w.pointer(), t)
		}
		return nil
	}
	if w.steps++; w.steps > maxSteps {
		return &Problem{Tangled: true}
	}
	if len(w.stack) > maxDepth {
		return &Problem{Text: "its types refer to ever new types"}
	}
	if st, ok := t.Underlying().(*types.Struct); ok && nothingTravels(st) && !w.mixedIn() {
		w.lose(Loss{Kind: LostWhole, Type: t, Field: w.inner})
		w.in.leaky[t] = true
	}
	problem, closed := w.within(t, at)
	if tagged := w.in.Tagged(t); problem == nil && (w.visitor.Field == nil || !tagged) {
		w.done[v] = true
		w.in.plain[v.visit] = closed && !w.in.leaky[t] && !tagged
	}
	return problem
}

// within walks the underlying type of a declared one. It reports whether the result is
// complete: one that leads back to a type around t is complete only when that type is.
func (w *jsonWalker) within(t *types.Named, at place) (problem *Problem, closed bool) {
	index, back := len(w.stack), w.back
	w.back = math.MaxInt
	w.stack = append(w.stack, t)
	problem = w.shape(t.Underlying(), at)
	w.stack = w.stack[:index]
	closed = w.back >= index
	if closed {
		w.back = math.MaxInt
	}
	w.back = min(w.back, back)
	return problem, closed
}

// mixedIn reports whether the value's own fields take its place: it is embedded.
func (w *jsonWalker) mixedIn() bool { return w.inner != nil && w.inner.Embedded() && len(w.stack) > 0 }

// mendable reports whether the value is in a type that the user can change: one of the
// module. Types of other modules are assumed to use a pointer where a value is null or
// absent, never a pointer to nil.
func (w *jsonWalker) mendable() bool {
	return len(w.stack) == 0 || !w.in.Elsewhere(w.stack[len(w.stack)-1].Obj().Pkg())
}

// lose reports a loss. Foreign types around it must be walked each time: the loss is
// reported at the field of the package that contains them.
func (w *jsonWalker) lose(l Loss) {
	if l.Owner == nil {
		l.Owner = w.owner
	}
	for _, t := range w.stack {
		if t.Obj().Pkg() != w.in.pkg {
			w.in.leaky[t] = true
		}
	}
	w.visitor.Loss(l)
}

// encoded checks a type that encodes itself: the positions of its tagged fields in the
// message are unknown.
func (w *jsonWalker) encoded(t types.Type) *Problem {
	if w.visitor.Field == nil || w.secret {
		return nil
	}
	if v := w.in.taggedField(t); v != nil {
		w.lose(Loss{Kind: LostTag, Type: t, Field: v})
	}
	return nil
}

// swallowed reports a struct of several fields that one of them encodes or decodes.
func (w *jsonWalker) swallowed(t types.Type) *Problem {
	for depth := 0; depth < maxPointers; depth++ {
		p, ok := types.Unalias(t).(*types.Pointer)
		if !ok {
			break
		}
		t = p.Elem()
	}
	if method, by := PromotedCodec(types.Unalias(t)); by != nil {
		return &Problem{Text: fmt.Sprintf("%s of the embedded %s encodes it, without its other fields", method, by.Name())}
	}
	return nil
}

func (w *jsonWalker) shape(t types.Type, at place) *Problem {
	switch t := t.(type) {
	case *types.Basic:
		return basicProblem(t)
	case *types.Slice:
		at.addressable = true
		return w.list(t.Elem(), at)
	case *types.Array:
		return w.list(t.Elem(), at)
	case *types.Map:
		if problem := w.key(t.Key(), at); problem != nil {
			return problem
		}
		at.addressable = false
		return w.list(t.Elem(), at)
	case *types.Struct:
		return w.structure(t, at)
	case *types.Interface:
		if t.Empty() || at.written {
			return nil
		}
		return &Problem{Text: "an interface with methods cannot be decoded"}
	case *types.Chan:
		return &Problem{Text: "a channel cannot be encoded"}
	case *types.Signature:
		return &Problem{Text: "a function cannot be encoded"}
	case *types.Pointer:
		return &Problem{Text: "a pointer that refers to itself cannot be encoded"}
	}
	return &Problem{Text: w.in.Text(t) + " cannot be encoded"}
}

func basicProblem(t *types.Basic) *Problem {
	switch {
	case t.Kind() == types.Invalid:
		return &Problem{Text: "its type cannot be resolved", Unresolved: true}
	case t.Info()&types.IsComplex != 0:
		return &Problem{Text: "a complex number cannot be encoded"}
	case t.Kind() == types.UnsafePointer:
		return &Problem{Text: "an unsafe pointer cannot be encoded"}
	}
	return nil
}

// pointer is the path to the place.
func (w *jsonWalker) pointer() string { return strings.Join(w.path, "") }

// list walks the elements of a list or map.
func (w *jsonWalker) list(elem types.Type, at place) *Problem {
	w.path = append(w.path, "/"+model.EveryElement)
	defer func() { w.path = w.path[:len(w.path)-1] }()
	return w.value(elem, at)
}

func (w *jsonWalker) structure(st *types.Struct, at place) *Problem {
	fields := w.in.Object(st)
	if len(fields.Collisions) > 0 {
		c := fields.Collisions[0]
		return &Problem{Text: fmt.Sprintf("its fields %s and %s are both %q in JSON, and encoding/json drops both",
			c.First.Var.Name(), c.Second.Var.Name(), c.First.Name)}
	}
	w.losses(st, fields)
	for i := range st.NumFields() {
		if problem := w.field(st.Field(i), st.Tag(i), at); problem != nil {
			return problem
		}
	}
	return nil
}

// field walks one field of a struct.
func (w *jsonWalker) field(v *types.Var, tag string, at place) *Problem {
	name, travels := FieldName(v, tag)
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
	if w.visitor.Field != nil {
		w.visitor.Field(w.pointer(), v, tag, travels, w.stack)
	}
	if !travels {
		return nil
	}
	return w.member(v, tag, at).in(v)
}

// member walks the type of a field that travels.
func (w *jsonWalker) member(v *types.Var, tag string, at place) *Problem {
	if _, pointer := types.Unalias(v.Type()).(*types.Pointer); pointer && v.Embedded() && !v.Exported() && !at.written {
		return &Problem{Text: "encoding/json cannot set an embedded pointer to an unexported struct"}
	}
	at.quoted = Quotes(v, tag)
	return w.value(v.Type(), at)
}

// PromotedCodec finds a codec method that a struct with several fields has from an
// embedded one, and which embedded one that is. encoding/json prefers the JSON methods:
// a JSON method of the struct's own beats a promoted one for text.
func PromotedCodec(t types.Type) (string, *types.Var) {
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

// travelling counts the fields of a struct that take part in JSON, each embedded one as
// one.
func travelling(st *types.Struct) int {
	n := 0
	for i := range st.NumFields() {
		if _, ok := FieldName(st.Field(i), st.Tag(i)); ok {
			n++
		}
	}
	return n
}
