package load

import (
	"errors"
	"fmt"
	"go/ast"
	"go/types"
)

// Roots are what is to be type-checked of one package.
type Roots struct {
	Package *Package
	Names   []string // declarations of the package
	Exprs   []Expr   // expressions that are not in the source, to be given to Eval
}

// An Expr is an expression and the file whose imports it may use.
type Expr struct {
	File *ast.File
	Expr ast.Expr
}

// Check type-checks the roots and what they reach, in all packages at once, so
// that types of one package that another uses are identical. It fills Types
// and Info of each root's package.
func (p *Program) Check(roots []Roots) {
	r := newReach(p)
	for _, root := range roots {
		u := root.Package.unit
		for _, name := range root.Names {
			r.keep(u, name)
		}
		for _, e := range root.Exprs {
			for _, src := range u.sources {
				if src.file == e.File {
					r.walk(u, src, e.Expr)
				}
			}
		}
	}
	r.close()
	c := newChecker(p, r)
	for _, root := range roots {
		done := c.check(root.Package.unit)
		root.Package.Types, root.Package.Info = done.types, done.info
	}
	p.checked = c
}

// Eval type-checks a type expression as if it stood in the given file of a
// checked package.
func (p *Program) Eval(pkg *Package, e Expr) (types.Type, error) {
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}
	if err := types.CheckExpr(p.Fset, pkg.Types, e.File.Name.End(), e.Expr, info); err != nil {
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

// A checker type-checks the units of one reach, each once.
type checker struct {
	prog   *Program
	reach  *reach
	done   map[*unit]*checked
	forget bool // nobody will ask which identifier defines what
}

// checked is a unit after its check, or during it while types is nil.
type checked struct {
	types *types.Package
	info  *types.Info
	errs  []types.Error
}

func newChecker(p *Program, r *reach) *checker {
	return &checker{prog: p, reach: r, done: make(map[*unit]*checked)}
}

func (c *checker) check(u *unit) *checked {
	if done, ok := c.done[u]; ok {
		return done
	}
	done := &checked{info: &types.Info{}}
	if !c.forget {
		done.info.Defs = make(map[*ast.Ident]types.Object)
	}
	c.done[u] = done
	k := c.reach.of(u)
	files := make([]*ast.File, len(u.sources))
	for i, src := range u.sources {
		files[i] = prune(src, k)
	}
	conf := types.Config{
		Importer:    importer{c, u},
		FakeImportC: true,
		Sizes:       c.prog.sizes,
		Error: func(err error) {
			var te types.Error
			if errors.As(err, &te) {
				done.errs = append(done.errs, te)
			}
		},
	}
	// The error is the first of those that were gathered.
	done.types, _ = conf.Check(u.meta.PkgPath, c.prog.Fset, files, done.info)
	return done
}

// An importer gives the packages that a unit imports to go/types.
type importer struct {
	c *checker
	u *unit
}

// Import implements types.Importer.
func (im importer) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	m := im.u.imported(path)
	if m == nil {
		return nil, errors.New("there is no such package")
	}
	if len(m.GoFiles) == 0 {
		return nil, errors.New(listError(m))
	}
	done := im.c.check(im.c.prog.unit(m.ID))
	if done.types == nil {
		return nil, errors.New("import cycle")
	}
	return done.types, nil
}

// prune is a copy of a file with what is kept of it. Bodies of functions are
// dropped, as are imports that nothing mentions any more, since go/types would
// complain of them. The syntax of the original is shared and not changed.
func prune(src *source, k *kept) *ast.File {
	if src.output {
		return src.file
	}
	file := *src.file
	file.Decls, file.Imports, file.Comments, file.Unresolved = nil, nil, nil, nil
	for _, d := range src.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if k.nodes[d] {
				fn := *d
				fn.Body = nil
				file.Decls = append(file.Decls, &fn)
			}
		case *ast.GenDecl:
			if k.nodes[d] {
				file.Decls = append(file.Decls, d)
			} else if specs := pruneSpecs(d, k); len(specs) > 0 {
				gen := *d
				gen.Specs = specs
				file.Decls = append(file.Decls, &gen)
			}
		}
	}
	return &file
}

func pruneSpecs(d *ast.GenDecl, k *kept) []ast.Spec {
	var specs []ast.Spec
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.ImportSpec:
			if k.imports[s] {
				specs = append(specs, s)
			}
		case *ast.TypeSpec:
			if k.nodes[s] {
				specs = append(specs, s)
			}
		case *ast.ValueSpec:
			if !k.nodes[s] {
				continue
			}
			v := *s
			if v.Type != nil {
				v.Values = nil
			}
			specs = append(specs, &v)
		}
	}
	return specs
}
