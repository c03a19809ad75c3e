package emit

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/generator/internal/emit/gosrc"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/shape"
)

// source returns the text of a package's generated file, and whether it is known to
// compile.
func source(ctx context.Context, prog *load.Program, pkg *model.Package, path string) (src []byte, compiles bool, err error) {
	parts, scans, err := readParts(pkg)
	mode := parser.ImportsOnly // the comments in the declarations are read
	if errors.Is(err, shape.ErrOdd) {
		scans, mode = nil, 0
	} else if err != nil {
		return nil, false, err
	}
	var g errgroup.Group
	g.Go(func() error {
		src = gosrc.Join(parts)
		tree, err := parser.ParseFile(token.NewFileSet(), path, src, mode|parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		return gosrc.Verify(pkg, src, tree)
	})
	err = nil
	if scans != nil {
		compiles, err = reducedCompiles(ctx, prog, pkg, path, parts, scans)
	}
	if wrong := g.Wait(); wrong != nil {
		return nil, false, wrong
	}
	return src, compiles, err
}

// readParts writes the parts of a generated file and reads them.
func readParts(pkg *model.Package) ([]gosrc.Part, []*shape.Scan, error) {
	parts := gosrc.Parts(pkg)
	scans := make([]*shape.Scan, len(parts))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, part := range parts {
		g.Go(func() (err error) {
			scans[i], err = shape.Read(pkg, part.Declarations(), part.Imports(), gosrc.VerifyComment)
			return err
		})
	}
	err := g.Wait()
	return parts, scans, err
}

// reducedCompiles reports whether what has to be checked of a file compiles.
func reducedCompiles(ctx context.Context, prog *load.Program, pkg *model.Package, path string, parts []gosrc.Part, scans []*shape.Scan) (bool, error) {
	files, ok := reduce(prog, pkg, scans)
	if !ok {
		return false, nil
	}
	trees := make([]*ast.File, len(files))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		g.Go(func() (err error) {
			trees[i], err = prog.ParsePart(path, gosrc.Excerpt(parts, file.Names, file.Declarations...))
			return err
		})
	}
	if g.Wait() != nil {
		return false, nil // the parser says more of the whole
	}
	return prog.Compiles(ctx, pkg.Path, trees)
}

// reduce returns the files that have to be checked, and false if the whole has to be.
func reduce(prog *load.Program, pkg *model.Package, scans []*shape.Scan) ([]shape.File, bool) {
	from := prog.Package(pkg.Path)
	return shape.Reduce(pkg, scans, from.Types, func(name string) bool {
		_, declared := from.Declared(name)
		_, imported := prog.Imported(from, name)
		return declared || imported
	})
}
