package load

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// ParsePart parses a part of a generated file that is a Go file by itself,
// comments included. filename is the path that the whole file will have. It may be
// called for several parts side by side.
func (p *Program) ParsePart(filename string, src []byte) (*ast.File, error) {
	return parser.ParseFile(p.Fset, filename, src, parser.ParseComments|parser.SkipObjectResolution)
}

// together is how many parts are type-checked at once. More of them need more
// memory, fewer mean that declarations which many parts need are checked more often.
const together = 16

// Compiles says whether CheckOutput would find nothing wrong with a generated file,
// given in parts. It checks them a few at a time, side by side, with what those need
// of the others; it changes nothing in them. The error is that of the go command, or
// says that the package is not one of p.
func (p *Program) Compiles(ctx context.Context, pkgPath string, parts []*ast.File) (bool, error) {
	i := slices.IndexFunc(p.Packages, func(pkg *Package) bool { return pkg.Path == pkgPath })
	if i < 0 {
		return false, fmt.Errorf("taskgen: package %s is not loaded", pkgPath)
	}
	pkg := p.Packages[i]
	u := newUnit(pkg.unit.meta, pkg.Files)
	var sources []*source
	for _, part := range parts {
		if err := p.resolve(ctx, u, part); err != nil {
			return false, err
		}
		src := u.add(part, false)
		if len(clashes(p.Fset, src, pkg)) > 0 {
			return false, nil
		}
		sources = append(sources, src)
	}
	var (
		sets = make([]*set, 0, len(sources)/together+1)
		g    errgroup.Group
	)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for some := range slices.Chunk(sources, together) {
		s := &set{unit: u}
		sets = append(sets, s)
		g.Go(func() error { s.fill(p, some); return nil })
	}
	_ = g.Wait() // the functions return nil
	c := p.dependencies(sets)
	var bad atomic.Bool
	for _, s := range sets {
		g.Go(func() error {
			if slices.ContainsFunc(c.checkSet(s), func(e types.Error) bool { return inParts(parts, e) }) {
				bad.Store(true)
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return nil
	return !bad.Load(), nil
}

// inParts says whether an error is in one of the parts.
func inParts(parts []*ast.File, e types.Error) bool {
	return slices.ContainsFunc(parts, func(f *ast.File) bool { return f.FileStart <= e.Pos && e.Pos < f.FileEnd })
}

// A set is some parts of a generated file that are type-checked at once.
type set struct {
	unit  *unit       // the package, with all parts
	files []*ast.File // those parts, and what they need of the rest of the package
	needs []need      // and of other packages
}

// fill makes the set of some parts.
func (s *set) fill(p *Program, parts []*source) {
	r := newReach(p)
	r.whole = make(map[*source]bool)
	for _, src := range parts {
		r.whole[src] = true
	}
	for _, src := range parts {
		r.walkFile(s.unit, src)
		for _, name := range names(src.file) { // the same name elsewhere is an error
			r.keep(s.unit, name)
		}
	}
	k := r.of(s.unit)
	for _, src := range s.unit.sources {
		file := src.file
		if !r.whole[src] {
			file = prune(src, k)
		}
		if len(file.Decls) > 0 {
			s.files = append(s.files, file)
		}
	}
	s.needs = r.queue
}

// names are those that a file declares at package level.
func names(file *ast.File) []string {
	var names []string
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, spec.Name.Name)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

// dependencies type-checks what sets need of other packages, which the sets share.
func (p *Program) dependencies(sets []*set) *checker {
	r := newReach(p)
	for _, s := range sets {
		r.queue = append(r.queue, s.needs...)
	}
	r.close()
	c := newChecker(p, r)
	for _, s := range sets {
		for path := range s.imports() {
			_, _ = importer{c, s.unit}.Import(path) // checkSet meets the error again
		}
	}
	return c
}

// imports are the paths that the files of a set import.
func (s *set) imports() map[string]bool {
	paths := make(map[string]bool)
	for _, f := range s.files {
		for _, d := range f.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.IMPORT {
				continue
			}
			for _, spec := range gen.Specs {
				if path, err := strconv.Unquote(spec.(*ast.ImportSpec).Path.Value); err == nil {
					paths[path] = true
				}
			}
		}
	}
	return paths
}

// checkSet type-checks a set whose dependencies are checked. It may be called for
// several sets side by side.
func (c *checker) checkSet(s *set) []types.Error {
	var errs []types.Error
	conf := types.Config{
		Importer:    importer{c, s.unit},
		FakeImportC: true,
		Sizes:       c.prog.sizes,
		Error: func(err error) {
			var te types.Error
			if errors.As(err, &te) {
				errs = append(errs, te)
			}
		},
	}
	_, _ = conf.Check(s.unit.meta.PkgPath, c.prog.Fset, s.files, nil) // the error is the first of errs
	return errs
}
