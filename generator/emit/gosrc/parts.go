package gosrc

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"iter"
	"slices"

	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// stretch is how many declarations make a part: few enough for all processors to
// have something to do with a file of a hundred tasks.
const stretch = 256

// A Part is a stretch of a generated file. It is a Go file by itself, which imports
// what its declarations need.
type Part struct {
	pkg *model.Package
	out *jen.File
}

// Parts returns the parts of a package's generated file in their order. Their
// declarations under the [Head] for the imports of all are what [File] returns.
func Parts(pkg *model.Package) iter.Seq[Part] {
	return func(yield func(Part) bool) {
		f := newFile(pkg)
		more := true
		f.cut = func() {
			if more {
				more = yield(Part{pkg, f.out})
			}
			f.begin()
		}
		f.all()
		f.cut()
	}
}

// Source returns the text of a part, not formatted yet: a package clause, imports
// and declarations. It may be called for several parts side by side.
func (p Part) Source() ([]byte, error) {
	var b bytes.Buffer
	if err := p.out.Render(&b); err != nil {
		return nil, fmt.Errorf("write the code of package %s: %w", p.pkg.Path, err)
	}
	return b.Bytes(), nil
}

// Head returns what stands above the declarations of a package's generated file
// whose parts have these imports, not formatted yet.
func Head(pkg *model.Package, imports []*ast.ImportSpec) []byte {
	specs := slices.SortedFunc(slices.Values(imports), func(a, b *ast.ImportSpec) int { return cmp.Compare(a.Path.Value, b.Path.Value) })
	specs = slices.CompactFunc(specs, func(a, b *ast.ImportSpec) bool { return a.Path.Value == b.Path.Value })
	b := header(pkg)
	fmt.Fprintf(b, "package %s\n", pkg.Name)
	open, end := "\nimport (\n", "\n)\n"
	if len(specs) == 1 {
		open, end = "\nimport ", "\n"
	}
	for i, spec := range specs {
		b.WriteString(open)
		open = "\n"
		if spec.Name != nil {
			b.WriteString(spec.Name.Name + " ")
		}
		b.WriteString(spec.Path.Value)
		if i == len(specs)-1 {
			b.WriteString(end)
		}
	}
	return groupImports(b.Bytes())
}

// header is what stands above the package clause.
func header(pkg *model.Package) *bytes.Buffer {
	var b bytes.Buffer
	b.WriteString(model.Header + "\n\n")
	if pkg.Constraint != "" {
		b.WriteString("//go:build " + pkg.Constraint + "\n\n")
	}
	return &b
}
