package load

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"strings"

	"golang.org/x/tools/go/packages"
)

// An Expr is a type expression that is not in the source, and the file that it belongs
// to. A qualifier in it is the name of a package that the file imports, even if only
// for its effects, or else one that another file of the package imports, or an import
// path.
type Expr struct {
	File *ast.File
	Expr ast.Expr
}

// name finds the packages that the expressions of roots name.
func (p *Program) name(ctx context.Context, roots []Roots) error {
	p.exprs = make(map[ast.Expr]*source)
	var missing []string
	each := func(do func(u *unit, src *source, name string)) {
		for _, root := range roots {
			for _, e := range root.Exprs {
				src := p.exprs[e.Expr]
				if src == nil {
					src = root.Package.unit.sourceOf(e.File)
					p.exprs[e.Expr] = src
				}
				for name := range qualifiers(e.Expr) {
					if src.imports[name] == nil {
						do(root.Package.unit, src, name)
					}
				}
			}
		}
	}
	each(func(u *unit, src *source, name string) {
		if im := u.anyImport(src, name); im != nil {
			src.imports[name] = &importDecl{path: im.path}
		} else if u.imported(name) == nil && !p.borrow(u, name) {
			missing = append(missing, name)
		}
	})
	if len(missing) > 0 {
		if _, err := p.list(ctx, missing...); err != nil && ctx.Err() != nil {
			return err
		}
	}
	each(func(u *unit, src *source, name string) {
		if u.imported(name) != nil || p.borrow(u, name) {
			// A name that is no package of the standard library is a mistake.
			if strings.Contains(name, "/") || len(u.imported(name).GoFiles) > 0 {
				src.imports[name] = &importDecl{path: name}
			}
		}
	})
	return nil
}

// qualifiers are the names before the dots of an expression.
func qualifiers(e ast.Expr) map[string]bool {
	names := make(map[string]bool)
	ast.Inspect(e, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				names[x.Name] = true
			}
		}
		return true
	})
	return names
}

// sourceOf is a copy of a file of the unit, to which imports may be added.
func (u *unit) sourceOf(file *ast.File) *source {
	for _, src := range u.sources {
		if src.file == file {
			own := *src
			own.imports = maps.Clone(src.imports)
			return &own
		}
	}
	return &source{file: file, imports: make(map[string]*importDecl)}
}

// anyImport finds a package that is imported under a name, or has that name and is
// imported for its effects: in the file first, then in the others in order.
func (u *unit) anyImport(src *source, name string) *importDecl {
	for _, s := range append([]*source{src}, u.sources...) {
		if im := s.imports[name]; im != nil {
			return im
		}
		for _, im := range s.blanks {
			if u.nameOf(im.path) == name {
				return im
			}
		}
	}
	return nil
}

// Eval type-checks a type expression as if it were in the given file of a checked
// package. It must be one of the Exprs of the roots.
func (p *Program) Eval(pkg *Package, e Expr) (types.Type, error) {
	src := p.exprs[e.Expr]
	if src == nil || pkg.Types == nil {
		return nil, errors.New("the expression was not there when the package was checked")
	}
	// A scope of its own: that of the file lacks packages that it does not import.
	scope := types.NewPackage(pkg.Types.Path(), pkg.Types.Name())
	for _, name := range pkg.Types.Scope().Names() {
		scope.Scope().Insert(pkg.Types.Scope().Lookup(name))
	}
	for name := range qualifiers(e.Expr) {
		from, err := p.packageFor(pkg.unit, src, name)
		if err != nil {
			return nil, err
		}
		scope.Scope().Insert(types.NewPkgName(token.NoPos, scope, name, from))
	}
	for _, im := range src.dots {
		if from, err := (importer{p.checked, pkg.unit}).Import(im.path); err == nil {
			for _, name := range from.Scope().Names() {
				if token.IsExported(name) {
					scope.Scope().Insert(from.Scope().Lookup(name))
				}
			}
		}
	}
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}
	if err := types.CheckExpr(p.Fset, scope, token.NoPos, e.Expr, info); err != nil {
		var te types.Error
		if errors.As(err, &te) {
			return nil, errors.New(te.Msg)
		}
		return nil, err
	}
	tv := info.Types[e.Expr]
	if !tv.IsType() {
		return nil, fmt.Errorf("%s is not a type", types.ExprString(e.Expr))
	}
	return tv.Type, nil
}

// packageFor is the package that a qualifier names. The generated file will import it,
// so its import must be allowed.
func (p *Program) packageFor(u *unit, src *source, name string) (*types.Package, error) {
	im := src.imports[name]
	if im == nil {
		return nil, fmt.Errorf("undefined: %s: no file of the package imports a package of this name", name)
	}
	m := u.imported(im.path)
	switch {
	case m == nil || len(m.GoFiles) == 0:
	case m.Name == "main":
		return nil, fmt.Errorf("%s is a program, not an importable package", im.path)
	case reaches(m, u.meta.ID):
		return nil, fmt.Errorf("import cycle not allowed: %s imports %s, directly or indirectly", im.path, u.meta.PkgPath)
	case !visible(im.path, u.meta.PkgPath):
		return nil, fmt.Errorf("use of internal package %s not allowed", im.path)
	}
	from, err := importer{p.checked, u}.Import(im.path)
	if err != nil {
		return nil, fmt.Errorf("could not import %s (%w)", im.path, err)
	}
	return from, nil
}

// reaches reports whether a package imports another, directly or not.
func reaches(m *packages.Package, id string) bool {
	found := false
	packages.Visit([]*packages.Package{m}, func(m *packages.Package) bool {
		found = found || m.ID == id
		return !found
	}, nil)
	return found
}

// visible reports whether one package may import another, as far as internal folders
// decide it.
func visible(target, from string) bool {
	i := strings.LastIndex("/"+target+"/", "/internal/")
	if i < 0 {
		return true
	}
	parent := path.Clean(strings.TrimSuffix(target[:i], "/"))
	return parent != "." && (from == parent || strings.HasPrefix(from, parent+"/"))
}
