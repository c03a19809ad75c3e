package generator

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/generator/emit/gosrc"
	"github.com/taskgen/taskgen/generator/load"
	"github.com/taskgen/taskgen/generator/model"
)

// source returns the text of a package's generated file, and whether it compiles.
func source(ctx context.Context, prog *load.Program, pkg *model.Package, path string) (src []byte, compiles bool, err error) {
	parts, trees, err := parse(prog, pkg, path)
	if err != nil {
		return nil, false, err
	}
	src = gosrc.Join(parts)
	head, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return nil, false, err
	}
	if err := gosrc.Verify(pkg, src, append([]*ast.File{head}, trees...)...); err != nil {
		return nil, false, err
	}
	compiles, err = prog.Compiles(ctx, pkg.Path, trees)
	return src, compiles, err
}

// parse writes the parts of a generated file and parses each while others are
// written.
func parse(prog *load.Program, pkg *model.Package, path string) ([]gosrc.Part, []*ast.File, error) {
	var (
		parts []gosrc.Part
		trees []**ast.File
		g     errgroup.Group
	)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for part := range gosrc.Parts(pkg) {
		file := new(*ast.File)
		parts, trees = append(parts, part), append(trees, file)
		g.Go(func() (err error) {
			*file, err = prog.ParsePart(path, part.Source())
			return err
		})
	}
	err := g.Wait()
	files := make([]*ast.File, len(trees))
	for i, file := range trees {
		files[i] = *file
	}
	return parts, files, err
}
