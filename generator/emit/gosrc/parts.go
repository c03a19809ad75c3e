package gosrc

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/model"
)

// stretch is how many declarations make a part: few enough for all processors to
// have something to do with a file of a hundred tasks.
const stretch = 256

// A Part is a stretch of a generated file, as gofmt sets it.
type Part struct {
	pkg          *model.Package
	imports      map[string]string // by path: the name that stands in the import, or none
	declarations []byte
}

func newPart(pkg *model.Package) Part {
	return Part{pkg: pkg, imports: make(map[string]string), declarations: make([]byte, 0, stretch*384)}
}

// Parts returns the parts of a package's generated file in their order. The same
// package gives the same parts.
func Parts(pkg *model.Package) iter.Seq[Part] {
	return func(yield func(Part) bool) {
		more := true
		f := newFile(pkg, func(p Part) { more = more && yield(p) })
		f.all()
		f.end()
	}
}

// Source returns a part as a Go file by itself, which imports what its declarations
// need.
func (p Part) Source() []byte {
	var b bytes.Buffer
	b.Grow(len(p.declarations) + 1024)
	fmt.Fprintf(&b, "package %s\n", p.pkg.Name)
	importDecl(&b, p.imports)
	b.Write(p.declarations)
	return b.Bytes()
}

// File returns a package's generated file.
func File(pkg *model.Package) []byte { return Join(slices.Collect(Parts(pkg))) }

// Join returns the generated file that consists of these parts, at least one.
func Join(parts []Part) []byte {
	imports := make(map[string]string)
	size := 4096
	for _, p := range parts {
		maps.Copy(imports, p.imports)
		size += len(p.declarations)
	}
	var b bytes.Buffer
	b.Grow(size)
	pkg := parts[0].pkg
	b.WriteString(model.Header + "\n\n")
	if pkg.Constraint != "" {
		b.WriteString("//go:build " + pkg.Constraint + "\n\n")
	}
	fmt.Fprintf(&b, "package %s\n", pkg.Name)
	importDecl(&b, imports)
	for _, p := range parts {
		b.Write(p.declarations)
	}
	return b.Bytes()
}

// importDecl writes imports by their paths, those of the standard library first and
// a blank line between them and all others.
func importDecl(b *bytes.Buffer, imports map[string]string) {
	var std, other []string
	for _, path := range slices.Sorted(maps.Keys(imports)) {
		line := fmt.Sprintf("%q\n", path)
		if name := imports[path]; name != "" {
			line = name + " " + line
		}
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
			other = append(other, line)
		} else {
			std = append(std, line)
		}
	}
	if len(std)+len(other) == 1 {
		b.WriteString("\nimport " + append(std, other...)[0])
		return
	}
	b.WriteString("\nimport (\n")
	for _, line := range std {
		b.WriteString("\t" + line)
	}
	if len(std) > 0 && len(other) > 0 {
		b.WriteString("\n")
	}
	for _, line := range other {
		b.WriteString("\t" + line)
	}
	b.WriteString(")\n")
}
