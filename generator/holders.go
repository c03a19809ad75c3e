package generator

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/check"
	"github.com/taskgen/taskgen/generator/directive"
	"github.com/taskgen/taskgen/generator/load"
	"github.com/taskgen/taskgen/generator/model"
)

// A holderSearch finds the types whose values hold secrets: those with a field
// that is tagged task:"secret", and those that consist of one that holds secrets.
// What lies behind interfaces is not known.
type holderSearch struct {
	around  map[types.Type][]types.Type // by type: those of whose values it is a part
	tagged  []types.Type                // structs with a tagged field
	holding map[types.Type]bool         // what close has found out
	generic int                         // instances met since the last root
}

// maxInstances bounds the instances of generic types that are looked at from one
// root: they can lead to ever new ones. For those beyond it stands the type as it
// is declared.
const maxInstances = 1000

func searchHolders(roots []types.Type) *holderSearch {
	s := &holderSearch{around: make(map[types.Type][]types.Type), holding: make(map[types.Type]bool)}
	for _, t := range roots {
		s.add(t)
	}
	return s
}

// add looks at one more root.
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
		if s.generic++; s.generic > maxInstances {
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

// spread notes that a type holds secrets, and so do those of which it is a part.
func (s *holderSearch) spread(t types.Type) {
	if t == nil || s.holding[t] {
		return
	}
	s.holding[t] = true
	for _, whole := range s.around[t] {
		s.spread(whole)
	}
}

// eachPart calls visit for the types that a type is made of, fields that do not
// travel included. The tag is that of a field.
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

// holders are the declared types that tasks and results consist of and that hold
// secrets, and those that embed one of them. Each of them hides its secrets by
// methods of its own: those of the task that it is in are not called when it is
// printed alone, and one that embeds another would have the methods of that one,
// and be printed and encoded without its other fields.
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
			Name: name, Params: t.TypeParams().Len(), Methods: methods(t),
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

func (b *builder) holderFields(h *model.Holder, st *types.Struct) {
	h.Fields = promoted(st)
	for v := range st.Fields() {
		h.Fields = append(h.Fields, v.Name())
		h.Places["field."+v.Name()] = b.at(v.Pos(), len(v.Name()))
	}
	slices.Sort(h.Fields)
	h.Fields = slices.Compact(h.Fields)
}

// A declaration is what the syntax of a type at package level tells.
type declaration struct {
	file   *ast.File
	embeds []string // names of types that a struct embeds
	of     string   // the name of the type that it is declared as
	alias  bool
}

// embedders are the structs at package level that embed a holder, be it through
// other structs, sorted. They are found by their syntax, since most of the package
// is not type-checked.
func (b *builder) embedders(holders map[string]*types.Named) []string {
	if len(holders) == 0 {
		return nil
	}
	var (
		decls = b.declarations()
		names []string
		found = make(map[string]bool)
	)
	hiding := func(name string) bool { // has methods that hide secrets, or will
		for range decls { // no alias leads further
			if !decls[name].alias {
				break
			}
			name = decls[name].of
		}
		return holders[name] != nil || found[name]
	}
	for again := true; again; {
		again = false
		for name, d := range decls {
			if found[name] || d.alias || !b.builtWithTasks(d.file) {
				continue
			}
			if found[d.of] || slices.ContainsFunc(d.embeds, hiding) {
				found[name], again = true, true
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (b *builder) declarations() map[string]declaration {
	decls := make(map[string]declaration)
	for _, f := range b.pkg.Files {
		if f.Syntax == nil {
			continue
		}
		for _, d := range f.Syntax.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				spec := spec.(*ast.TypeSpec)
				d := declaration{file: f.Syntax, alias: spec.Assign.IsValid(), of: baseIdent(spec.Type)}
				if st, ok := spec.Type.(*ast.StructType); ok {
					d.embeds = embedded(st)
				}
				decls[spec.Name.Name] = d
			}
		}
	}
	return decls
}

// embedded are the names of the package's types that a struct embeds.
func embedded(st *ast.StructType) []string {
	var names []string
	for _, f := range st.Fields.List {
		if name := baseIdent(f.Type); len(f.Names) == 0 && name != "" {
			names = append(names, name)
		}
	}
	return names
}

// baseIdent is the name in T, *T, (T) and T[A], and empty for anything else.
func baseIdent(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		default:
			return ""
		}
	}
}

// builtWithTasks says that a file is there whenever the generated file is.
func (b *builder) builtWithTasks(f *ast.File) bool {
	if f.Comments == nil { // they are parsed in files with directives alone
		name := b.prog.Fset.File(f.Package).Name()
		if head, err := parser.ParseFile(b.prog.Fset, name, nil, parser.PackageClauseOnly|parser.ParseComments); err == nil {
			f = head
		}
	}
	expr := b.buildExpr(f)
	return expr == "" || len(b.found.Types) > 0 && expr == b.buildExpr(b.found.Types[0].File)
}

// withEmbedders adds to the roots the embedders that no task reaches, whose
// methods and fields have to be known. It says whether there are any.
func withEmbedders(builders []*builder, roots []load.Roots) bool {
	added := false
	for _, b := range builders {
		for i := range roots {
			if roots[i].Package != b.pkg {
				continue
			}
			found := searchHolders(b.secretRoots()).own(b.pkg.Types)
			for _, name := range b.embedders(found) {
				if b.pkg.Types.Scope().Lookup(name) == nil {
					roots[i].Names = append(roots[i].Names, name)
					added = true
				}
			}
		}
	}
	return added
}

// warnOfEmbedding reports structs that embed a holder and are not declared at
// package level, or not wherever the generated file is built.
func (b *builder) warnOfEmbedding(m *model.Package) {
	if len(m.Holders) == 0 {
		return
	}
	encodes := make(map[string]bool, len(m.Holders))
	for i := range m.Holders {
		encodes[m.Holders[i].Name] = m.HidesJSON(&m.Holders[i])
	}
	for _, f := range b.pkg.Files {
		if f.Syntax == nil {
			continue
		}
		declared := make(map[*ast.StructType]string)
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.File:
				for _, d := range n.Decls {
					if gen, ok := d.(*ast.GenDecl); ok {
						noteStructs(gen, declared)
					}
				}
			case *ast.StructType:
				if _, ok := encodes[declared[n]]; !ok {
					b.warnOfStruct(n, encodes)
				}
			}
			return true
		})
	}
}

// noteStructs notes the names of structs that methods can be declared for.
func noteStructs(gen *ast.GenDecl, declared map[*ast.StructType]string) {
	for _, spec := range gen.Specs {
		if spec, ok := spec.(*ast.TypeSpec); ok && !spec.Assign.IsValid() {
			if st, ok := spec.Type.(*ast.StructType); ok {
				declared[st] = spec.Name.Name
			}
		}
	}
}

func (b *builder) warnOfStruct(st *ast.StructType, encodes map[string]bool) {
	if st.Fields.NumFields() < 2 || slices.ContainsFunc(st.Fields.List, func(f *ast.Field) bool {
		sel, ok := f.Type.(*ast.SelectorExpr)
		return ok && len(f.Names) == 0 && sel.Sel.Name == "NoMarshalJSON"
	}) {
		return
	}
	for _, f := range st.Fields.List {
		if name := baseIdent(f.Type); len(f.Names) == 0 && encodes[name] {
			b.report(check.SecretEmbedded.At(b.at(f.Type.Pos(), int(f.Type.End()-f.Type.Pos())), "",
				"a struct without methods of its own embeds %s, and is encoded by its MarshalJSON without the other fields", name))
			return
		}
	}
}
