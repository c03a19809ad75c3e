package gosrc

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// stretch is how many declarations make a part: few enough to give all processors work
// with a file of a hundred tasks.
const stretch = 256

// A Part is a stretch of a generated file, formatted as by gofmt.
type Part struct {
	pkg          *model.Package
	imports      map[string]string // by path: the name written in the import, or none
	names        map[string]string // their paths, by their names in the declarations
	text         []byte
	declarations []span
}

func newPart(pkg *model.Package) Part {
	return Part{
		pkg: pkg, imports: make(map[string]string), names: make(map[string]string),
		text: make([]byte, 0, stretch*384), declarations: make([]span, 0, stretch+16),
	}
}

// A Kind says what a declaration depends on.
type Kind uint8

// The kinds of declarations.
const (
	shared Kind = iota // belongs to no task alone
	Spec               // is the variable that describes a task
	Frame              // belongs to a task, and is the same for each except for its names
	Guard              // compiles only while the struct of a task is unchanged
)

// A span is the position of a declaration in the text of a part.
type span struct {
	kind     Kind
	task     int
	from, to int
}

// A Declaration is one declaration with its comment; or a method, a group or several
// that belong together.
type Declaration struct {
	Kind Kind
	Task int // its task, by the number in the package, unless it is shared
	Text []byte
}

// Declarations returns the declarations in order.
func (p Part) Declarations() []Declaration {
	all := make([]Declaration, len(p.declarations))
	for i, d := range p.declarations {
		all[i] = Declaration{d.kind, d.task, p.text[d.from:d.to:d.to]}
	}
	return all
}

// Imports returns the paths of the packages that the part imports, by their names in
// its declarations.
func (p Part) Imports() map[string]string { return p.names }

// Parts returns the parts of a package's generated file in order, at least one. The
// same package gives the same file.
func Parts(pkg *model.Package) []Part {
	f := newFile(pkg)
	f.all()
	return f.parts
}

// Excerpt returns declarations of some parts as a Go file by itself, which imports the
// packages with the given names.
func Excerpt(parts []Part, names map[string]bool, declarations ...[]byte) []byte {
	imports := make(map[string]string)
	for _, p := range parts {
		for name, path := range p.names {
			if names[name] {
				imports[path] = p.imports[path]
			}
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "package %s\n", parts[0].pkg.Name)
	if len(imports) > 0 {
		importDecl(&b, imports)
	}
	for _, d := range declarations {
		b.Write(d)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// File returns a package's generated file.
func File(pkg *model.Package) []byte { return Join(Parts(pkg)) }

// Join returns the generated file that consists of these parts, at least one.
func Join(parts []Part) []byte {
	imports := make(map[string]string)
	size := 4096
	for _, p := range parts {
		maps.Copy(imports, p.imports)
		size += len(p.text)
	}
	var b bytes.Buffer
	b.Grow(size)
	pkg := parts[0].pkg
	b.WriteString(model.Header + "\n" + pkg.Companions() + "\n")
	if pkg.Constraint != "" {
		b.WriteString("//go:build " + pkg.Constraint + "\n\n")
	}
	fmt.Fprintf(&b, "package %s\n", pkg.Name)
	importDecl(&b, imports)
	for _, p := range parts {
		b.Write(p.text)
	}
	return b.Bytes()
}

// importDecl writes imports by their paths: those of the standard library first, then a
// blank line and all others.
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
