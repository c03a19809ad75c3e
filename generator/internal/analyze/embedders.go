package analyze

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/platform"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// A declaration is the syntax of a type at package level.
type declaration struct {
	file   *ast.File
	embeds []string // names of types that a struct embeds
	of     string   // the name of the type that it is declared as
	alias  bool
}

// embedders are the structs at package level that embed a holder, directly or through
// other structs, sorted. They are found by their syntax, because most of the package is
// not type-checked.
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
				d := declaration{file: f.Syntax, alias: spec.Assign.IsValid(), of: load.BaseName(spec.Type)}
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
		if name := load.BaseName(f.Type); len(f.Names) == 0 && name != "" {
			names = append(names, name)
		}
	}
	return names
}

// builtWithTasks reports whether a file is built whenever the generated file is.
func (b *builder) builtWithTasks(f *ast.File) bool {
	x := b.builtWhen(f)
	return x == nil || len(b.found.Types) > 0 && platform.Implies(b.builtWhen(b.found.Types[0].File), x)
}

// withEmbedders adds to the roots the embedders that no task reaches, whose methods and
// fields have to be known. It reports whether there are any.
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
		if name := load.BaseName(f.Type); len(f.Names) == 0 && encodes[name] {
			b.report(rule.SecretEmbedded.At(b.at(f.Type.Pos(), int(f.Type.End()-f.Type.Pos())), "",
				"a struct without its own methods embeds %s, whose MarshalJSON encodes it without the other fields", name))
			return
		}
	}
}
