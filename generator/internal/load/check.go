package load

import (
	"cmp"
	"context"
	"errors"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// Roots are the parts of one package to be type-checked.
type Roots struct {
	Package *Package
	Names   []string // declarations of the package
	Exprs   []Expr   // expressions that are not in the source, for Eval
}

// Check type-checks the roots and what they reach, in all packages at once, so that
// types of one package that another uses are identical. It fills Types and Info of each
// root's package. The error is that of the go command for packages that only an
// expression names.
func (p *Program) Check(ctx context.Context, roots []Roots) error {
	if err := p.name(ctx, roots); err != nil {
		return err
	}
	r := newReach(p)
	for _, root := range roots {
		u := root.Package.unit
		for _, name := range root.Names {
			r.keep(u, name)
		}
		for _, e := range root.Exprs {
			if src := p.exprs[e.Expr]; src != nil {
				r.walk(u, src, e.Expr)
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
	return nil
}

// A checker type-checks the units of one reach, each once.
type checker struct {
	prog   *Program
	reach  *reach
	done   map[*unit]*checked
	forget bool // the definitions of identifiers are not needed
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
	for spec := range k.oversized {
		done.errs = append(done.errs, c.oversize(spec))
	}
	slices.SortFunc(done.errs, func(a, b types.Error) int { return cmp.Compare(a.Pos, b.Pos) })
	files := make([]*ast.File, len(u.sources))
	for i, src := range u.sources {
		files[i] = src.file
		if !c.reach.whole[src] {
			files[i] = prune(src, k)
		}
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
	// The error is the first of the gathered ones.
	done.types, _ = conf.Check(u.meta.PkgPath, c.prog.Fset, files, done.info)
	return done
}

// An importer gives go/types the packages that a unit imports.
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
		return nil, errors.New(im.c.prog.absent(im.u.meta, path))
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

// absent says why an imported package is not among the importer's imports: the go
// command drops imports that would close a cycle.
func (p *Program) absent(m *packages.Package, path string) string {
	if cycle := p.cycle(m.PkgPath, path); cycle != nil {
		return "import cycle not allowed: " + strings.Join(cycle, " imports ")
	}
	for _, e := range m.Errors {
		if strings.Contains(e.Msg, path) {
			return e.Msg
		}
	}
	return "there is no such package"
}

// Cycle returns the import paths of a cycle of imports that the go command found and
// that leads from the package back to it, and where the package imports the second of
// them. It returns nil if there is none.
func (p *Program) Cycle(pkg *Package) ([]string, token.Pos) {
	for _, src := range pkg.unit.sources {
		for _, spec := range src.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			if cycle := p.cycle(pkg.Path, path); cycle != nil {
				return cycle, spec.Path.Pos()
			}
		}
	}
	return nil, token.NoPos
}

// cycle returns the cycle in which one package imports another, from the former to
// itself, or nil.
func (p *Program) cycle(from, to string) []string {
	for _, found := range p.cycles {
		i := slices.Index(found, from)
		if i < 0 {
			continue
		}
		turned := append(slices.Clone(found[i:]), found[:i]...)
		if turned[1%len(turned)] == to {
			return append(turned, from)
		}
	}
	return nil
}

// cyclesOf reads the cycles of imports from go list's errors about a package, each
// without the repeated first package at its end.
func cyclesOf(m *packages.Package) [][]string {
	var cycles [][]string
	for _, e := range m.Errors {
		_, stack, ok := strings.Cut(e.Msg, "import cycle not allowed: import stack: [")
		if !ok {
			continue
		}
		paths := strings.Fields(strings.TrimSuffix(strings.TrimSpace(stack), "]"))
		if len(paths) < 2 {
			continue
		}
		// The path to the cycle is no part of it.
		last := paths[len(paths)-1]
		if i := slices.Index(paths, last); i < len(paths)-1 {
			cycles = append(cycles, paths[i:len(paths)-1])
		}
	}
	return cycles
}

// prune is a copy of a file with its kept parts. It drops bodies of functions, and
// imports that are no longer used, since go/types would report them. The syntax of the
// original is shared and not changed.
func prune(src *source, k *kept) *ast.File {
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
			if k.oversized[s] {
				empty := *s
				empty.TypeParams, empty.Type = nil, &ast.StructType{Fields: &ast.FieldList{}}
				s = &empty
			} else if !k.nodes[s] {
				continue
			}
			specs = append(specs, s)
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
