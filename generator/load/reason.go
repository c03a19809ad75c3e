package load

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// Reason finds out why the type of a field could not be resolved, or a
// declaration: what go/types said about it, or about a declaration or an import
// that it needs. pos is in the field or at the declared name, in any package
// that Check has reached. It returns false when nothing was said.
func (p *Program) Reason(pos token.Pos) (types.Error, bool) {
	for u := range p.checked.done {
		for _, src := range u.sources {
			if src.file.FileStart <= pos && pos < src.file.FileEnd {
				f := finder{c: p.checked, seen: make(map[ast.Node]bool)}
				return f.find(u, src, around(src.file, pos))
			}
		}
	}
	return types.Error{}, false
}

// around is the innermost field or type declaration around a position.
func around(file *ast.File, pos token.Pos) ast.Node {
	var found ast.Node = file
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil || pos < n.Pos() || n.End() <= pos {
			return false
		}
		switch n.(type) {
		case *ast.Field, *ast.TypeSpec:
			found = n
		}
		return true
	})
	return found
}

// finder looks for the error behind an invalid type, through the declarations
// that lead to it.
type finder struct {
	c    *checker
	seen map[ast.Node]bool
}

func (f *finder) find(u *unit, src *source, n ast.Node) (types.Error, bool) {
	done := f.c.done[u]
	if f.seen[n] || done == nil {
		return types.Error{}, false
	}
	f.seen[n] = true
	// A package that is missing comes first: go/types may not have known its
	// name, and calls what is meant for it undefined.
	if e, ok := missingImport(done.errs, src, n); ok {
		return e, true
	}
	if e, ok := within(done.errs, n); ok {
		return e, true
	}
	var (
		found types.Error
		ok    bool
	)
	ast.Inspect(n, func(n ast.Node) bool {
		if ok {
			return false
		}
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, isIdent := n.X.(*ast.Ident); isIdent {
				if im := src.imports[x.Name]; im != nil {
					found, ok = f.imported(u, im, n.Sel.Name)
				}
			}
			return false
		case *ast.Ident:
			found, ok = f.declared(u, n.Name)
		}
		return true
	})
	return found, ok
}

func (f *finder) imported(u *unit, im *importDecl, name string) (types.Error, bool) {
	if m := u.imported(im.path); m != nil {
		if dep := f.c.prog.unit(m.ID); dep != nil {
			return f.declared(dep, name)
		}
	}
	return types.Error{}, false
}

func (f *finder) declared(u *unit, name string) (types.Error, bool) {
	for _, d := range u.decls[name] {
		if d.spec != nil {
			if e, ok := f.find(u, d.src, d.spec); ok {
				return e, true
			}
		}
	}
	return types.Error{}, false
}

// missingImport is the error of an import that a piece of syntax uses.
func missingImport(errs []types.Error, src *source, n ast.Node) (found types.Error, ok bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if x, isIdent := n.(*ast.Ident); isIdent && !ok && src.imports[x.Name] != nil {
			found, ok = within(errs, src.imports[x.Name].spec)
		}
		return !ok
	})
	return found, ok
}

func within(errs []types.Error, n ast.Node) (types.Error, bool) {
	i := slices.IndexFunc(errs, func(e types.Error) bool { return n.Pos() <= e.Pos && e.Pos < n.End() })
	if i < 0 {
		return types.Error{}, false
	}
	return errs[i], true
}
