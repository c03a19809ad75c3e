package analyze

import (
	"go/ast"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// A holderSearch finds the types whose values contain secrets: those with a field that is
// tagged task:"secret", and those that contain such a type. Values behind interfaces are
// not known.
type holderSearch struct {
	around  map[types.Type][]types.Type // by type: those of whose values it is a part
	tagged  []types.Type                // structs with a tagged field
	holding map[types.Type]bool         // what spread has found out
	generic int                         // instances met since the last root
}

// maxGenerics bounds the instances of generic types that are checked from one root: they
// can lead to ever new ones. Beyond it the declared type is used instead.
const maxGenerics = 1000

func searchHolders(roots []types.Type) *holderSearch {
	s := &holderSearch{around: make(map[types.Type][]types.Type), holding: make(map[types.Type]bool)}
	for _, t := range roots {
		s.add(t)
	}
	return s
}

// add checks one more root.
func (s *holderSearch) add(root types.Type) {
	s.generic = 0
	s.visit(types.Unalias(root), nil)
	for _, t := range s.tagged {
		s.spread(t)
	}
	s.tagged = nil
}

func (s *holderSearch) visit(t, from types.Type) {
	whole, met := s.around[t]
	if s.around[t] = append(whole, from); met {
		if s.holding[t] && from != nil {
			s.spread(from)
		}
		return
	}
	if named, ok := t.(*types.Named); ok && named.TypeArgs().Len() > 0 {
		if s.generic++; s.generic > maxGenerics {
			s.visit(named.Origin(), t)
			return
		}
	}
	eachPart(t, func(part types.Type, tag string) {
		if slices.Contains(strings.Split(reflect.StructTag(tag).Get("task"), ","), "secret") {
			s.tagged = append(s.tagged, t)
		}
		s.visit(types.Unalias(part), t)
	})
}

// spread marks a type, and the types that contain it, as holders of secrets.
func (s *holderSearch) spread(t types.Type) {
	if t == nil || s.holding[t] {
		return
	}
	s.holding[t] = true
	for _, whole := range s.around[t] {
		s.spread(whole)
	}
}

// eachPart calls visit for the types that a type contains, including fields that are
// not in the message. The tag is that of a field.
func eachPart(t types.Type, visit func(part types.Type, tag string)) {
	switch t := t.(type) {
	case *types.Named:
		visit(t.Underlying(), "")
	case *types.Pointer:
		visit(t.Elem(), "")
	case *types.Slice:
		visit(t.Elem(), "")
	case *types.Array:
		visit(t.Elem(), "")
	case *types.Map:
		visit(t.Key(), "")
		visit(t.Elem(), "")
	case *types.Struct:
		for i := range t.NumFields() {
			visit(t.Field(i).Type(), t.Tag(i))
		}
	}
}

// own are the holders that methods can be declared for in the generated file, by
// name; generic ones as they are declared.
func (s *holderSearch) own(pkg *types.Package) map[string]*types.Named {
	found := make(map[string]*types.Named)
	for t := range s.holding {
		named, ok := t.(*types.Named)
		if !ok || named.Obj().Pkg() != pkg || named.Obj().Parent() != pkg.Scope() {
			continue
		}
		switch named.Underlying().(type) {
		case *types.Struct, *types.Slice, *types.Array, *types.Map:
			found[named.Obj().Name()] = named.Origin()
		}
	}
	return found
}

// holders are the declared types in tasks and results that contain secrets, and those
// that embed one of them. Each hides its secrets with its own methods: the methods of
// its task are not called when it is printed alone, and a type that embeds another
// would have the methods of that one, and be printed and encoded without its other
// fields.
func (b *builder) holders() (map[string]*types.Named, *holderSearch) {
	s := searchHolders(b.secretRoots())
	found := s.own(b.pkg.Types)
	for _, name := range b.embedders(found) {
		if obj, ok := b.pkg.Types.Scope().Lookup(name).(*types.TypeName); ok {
			if named, ok := obj.Type().(*types.Named); ok {
				found[name] = named
				s.add(named)
			}
		}
	}
	return found, s
}

// secretRoots are the types of tasks and of their results.
func (b *builder) secretRoots() []types.Type {
	var roots []types.Type
	for _, t := range b.found.Types {
		task := t.Get("task")
		if task == nil {
			continue
		}
		if obj := b.pkg.Info.Defs[t.Spec.Name]; obj != nil {
			roots = append(roots, obj.Type())
		}
		if expr, ok := directive.Value[ast.Expr](task, "result"); ok {
			if typ, err := b.prog.Eval(b.pkg, load.Expr{File: t.File, Expr: expr}); err == nil {
				roots = append(roots, typ)
			}
		}
	}
	return roots
}

// holderModels makes the models of the package's holders, sorted by name.
func (b *builder) holderModels() []model.Holder {
	found, s := b.holders()
	models := make([]model.Holder, 0, len(found))
	for name, t := range found {
		h := model.Holder{
			Name: name, Params: t.TypeParams().Len(), Methods: methods(t), Odd: oddMethods(t),
			Locked: locked(t), Pos: b.at(t.Obj().Pos(), len(name)).Pos,
			Places: model.Places{"type": b.at(t.Obj().Pos(), len(name))},
		}
		if st, ok := t.Underlying().(*types.Struct); ok {
			b.holderFields(&h, st)
			for v := range st.Fields() {
				h.Embeds = h.Embeds || v.Embedded() && s.holding[types.Unalias(v.Type())]
			}
		}
		models = append(models, h)
	}
	slices.SortFunc(models, func(x, y model.Holder) int { return strings.Compare(x.Name, y.Name) })
	return models
}

// showing are the methods that are generated for holders, with the types of what
// they take and return.
var showing = map[string][]string{
	"LogValue": {"log/slog.Value"}, "String": {"string"}, "GoString": {"string"},
	"Format": {"fmt.State", "rune"}, "MarshalJSON": {"[]byte", "error"},
}

var sameNames = strings.NewReplacer("int32", "rune", "uint8", "byte")

// oddMethods are the methods of the type with the name of a generated method and another
// signature: only the user's own code calls them.
func oddMethods(t *types.Named) []string {
	var odd []string
	for name, want := range showing {
		obj, _, _ := types.LookupFieldOrMethod(types.NewPointer(t), false, nil, name)
		fn, ok := obj.(*types.Func)
		if !ok {
			continue
		}
		var got []string
		for _, vars := range []*types.Tuple{fn.Signature().Params(), fn.Signature().Results()} {
			for v := range vars.Variables() {
				got = append(got, sameNames.Replace(types.TypeString(types.Unalias(v.Type()), nil)))
			}
		}
		if !slices.Equal(got, want) {
			odd = append(odd, name)
		}
	}
	slices.Sort(odd)
	return odd
}

func (b *builder) holderFields(h *model.Holder, st *types.Struct) {
	h.Fields = promoted(st)
	for v := range st.Fields() {
		h.Fields = append(h.Fields, v.Name())
		h.Places["field."+v.Name()] = b.at(v.Pos(), len(v.Name()))
	}
	slices.Sort(h.Fields)
	h.Fields = slices.Compact(h.Fields)
}
