package load

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/types"
	"slices"
)

// ParsePart parses a part of a generated file that is a Go file by itself,
// comments included. filename is the path that the whole file will have. It may be
// called for several parts side by side.
func (p *Program) ParsePart(filename string, src []byte) (*ast.File, error) {
	return parser.ParseFile(p.Fset, filename, src, parser.ParseComments|parser.SkipObjectResolution)
}

// Compiles says whether CheckOutput would find nothing wrong with a generated file,
// given in parts. It changes nothing in them. The error is that of the go command, or
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
		src := u.add(part, true)
		if len(clashes(p.Fset, src, pkg)) > 0 {
			return false, nil
		}
		sources = append(sources, src)
	}
	r := newReach(p)
	for _, src := range sources {
		r.walkFile(u, src)
	}
	r.close()
	c := newChecker(p, r)
	c.forget = true
	return !slices.ContainsFunc(c.check(u).errs, func(e types.Error) bool { return inParts(parts, e) }), nil
}

// inParts says whether an error is in one of the parts.
func inParts(parts []*ast.File, e types.Error) bool {
	return slices.ContainsFunc(parts, func(f *ast.File) bool { return f.FileStart <= e.Pos && e.Pos < f.FileEnd })
}
