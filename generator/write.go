package generator

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/taskgen/taskgen/generator/emit/gosrc"
	"github.com/taskgen/taskgen/generator/load"
	"github.com/taskgen/taskgen/generator/model"
)

// source returns the text of a package's generated file, formatted, and whether
// it compiles. The file is made in parts, side by side, and each is parsed once: to
// be printed and to be type-checked, which take about the same time.
func source(ctx context.Context, prog *load.Program, pkg *model.Package, path string) (src []byte, compiles bool, err error) {
	parts, err := parse(prog, pkg, path)
	if err != nil {
		return nil, false, err
	}
	var (
		texts = make([][]byte, len(parts)+1)
		specs []*ast.ImportSpec
		g     errgroup.Group
	)
	for _, part := range parts {
		specs = append(specs, part.Imports...)
	}
	g.SetLimit(runtime.GOMAXPROCS(0))
	g.Go(func() (err error) {
		compiles, err = prog.Compiles(ctx, pkg.Path, parts)
		return err
	})
	g.Go(func() (err error) {
		texts[0], err = format.Source(gosrc.Head(pkg, specs))
		return err
	})
	for i, part := range parts {
		g.Go(func() (err error) {
			texts[i+1], err = declarations(prog.Fset, part)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, false, err
	}
	return bytes.Join(texts, []byte("\n")), compiles, nil
}

// parse writes the parts of a generated file and parses them.
func parse(prog *load.Program, pkg *model.Package, path string) ([]*ast.File, error) {
	var (
		parts []**ast.File
		g     errgroup.Group
	)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for part := range gosrc.Parts(pkg) {
		file := new(*ast.File)
		parts = append(parts, file)
		g.Go(func() error {
			src, err := part.Source()
			if err == nil {
				*file, err = prog.ParsePart(path, src)
			}
			return err
		})
	}
	err := g.Wait()
	files := make([]*ast.File, len(parts))
	for i, file := range parts {
		files[i] = *file
	}
	return files, err
}

// declarations prints the declarations of a part as gofmt does. How it sets one
// does not depend on what stands before it.
func declarations(fset *token.FileSet, file *ast.File) ([]byte, error) {
	some := &ast.File{Package: file.Package, Name: file.Name, Comments: file.Comments}
	for _, d := range file.Decls {
		if gen, ok := d.(*ast.GenDecl); !ok || gen.Tok != token.IMPORT {
			some.Decls = append(some.Decls, d)
		}
	}
	var b bytes.Buffer
	b.Grow(int(file.FileEnd - file.FileStart))
	own := token.NewFileSet() // positions are sought in one file then
	own.AddExistingFiles(fset.File(file.Package))
	if err := format.Node(&b, own, some); err != nil {
		return nil, err
	}
	text, ok := bytes.CutPrefix(b.Bytes(), fmt.Appendf(nil, "package %s\n\n", file.Name.Name))
	if !ok {
		return nil, fmt.Errorf("the printed text begins with %.40q", b.Bytes())
	}
	return text, nil
}
