package load

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/types"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// ParsePart parses a part of a generated file that is a Go file by itself. filename is
// the future path of the whole file. Several parts may be parsed concurrently.
func (p *Program) ParsePart(filename string, src []byte) (*ast.File, error) {
	return parser.ParseFile(p.Fset, filename, src, parser.SkipObjectResolution)
}

// Compiles reports whether CheckOutput would find no error in a generated file, given
// in parts. It does not change them. The error is that of the go command, or says that
// the package is not one of p.
//
// The processors share the parts. Each type-checks its own parts in full, and of all
// others what its own need.
func (p *Program) Compiles(ctx context.Context, pkgPath string, parts []*ast.File) (bool, error) {
	pkg := p.Package(pkgPath)
	if pkg == nil {
		return false, fmt.Errorf("taskgen: package %s is not loaded", pkgPath)
	}
	u := newUnit(pkg.unit.meta, pkg.Files)
	sources := make([]*source, len(parts))
	for i, part := range parts {
		if err := p.resolve(ctx, u, part); err != nil {
			return false, err
		}
		sources[i] = u.add(part)
		if len(clashes(p.Fset, sources[i], pkg)) > 0 {
			return false, nil
		}
	}
	reaches := make([]*reach, min(runtime.GOMAXPROCS(0), len(parts)))
	inParallel(len(reaches), func(i int) {
		reaches[i] = newReach(p)
		reaches[i].keepWhole(u, sources[i*len(sources)/len(reaches):(i+1)*len(sources)/len(reaches)]...)
	})
	others := newReach(p) // the needed parts of other packages are checked before, once
	for _, r := range reaches {
		for _, n := range r.queue {
			others.add(n)
		}
	}
	others.close()
	imported := newChecker(p, others)
	for dep := range others.kept {
		imported.check(dep)
	}
	errs := make([][]types.Error, len(reaches))
	inParallel(len(reaches), func(i int) {
		reaches[i].oversized()
		c := &checker{prog: p, reach: reaches[i], done: maps.Clone(imported.done), forget: true}
		errs[i] = c.check(u).errs
	})
	return !slices.ContainsFunc(slices.Concat(errs...), func(e types.Error) bool { return inParts(parts, e) }), nil
}

// inParallel calls f with the numbers below n, concurrently.
func inParallel(n int, f func(i int)) {
	var g errgroup.Group
	for i := range n {
		g.Go(func() error { f(i); return nil })
	}
	_ = g.Wait() // the functions return nil
}

// inParts reports whether an error is in one of the parts.
func inParts(parts []*ast.File, e types.Error) bool {
	return slices.ContainsFunc(parts, func(f *ast.File) bool { return f.FileStart <= e.Pos && e.Pos < f.FileEnd })
}
