package generator

import (
	"go/ast"
	"go/build"
	"io"
	"path/filepath"
	"strings"

	"github.com/taskgen/taskgen/generator/check"
	"github.com/taskgen/taskgen/generator/directive"
)

// constraint returns the build constraint that the annotated files share, which
// the generated file has to have as well. It reports tasks that stand behind
// another one: where only some of them are built, code for all is not.
func (b *builder) constraint(tasks []*directive.Type) string {
	shared := ""
	for i, t := range tasks {
		expr := b.buildExpr(t.File)
		if i == 0 {
			shared = expr
		}
		if expr == shared {
			continue
		}
		name, first := t.Spec.Name, tasks[0].Spec.Name
		d := check.TaskConstraint.At(b.at(name.Pos(), len(name.Name)), "", "%s is built %s, and %s %s", name.Name, when(expr), first.Name, when(shared))
		b.report(check.Related(d, b.at(first.Pos(), 0).Pos, "%s", first.Name))
	}
	return shared
}

func when(expr string) string {
	if expr == "" {
		return "always"
	}
	return "when " + expr
}

// buildExpr is when a file is built, as a //go:build expression: by its line and
// by its name.
func (b *builder) buildExpr(f *ast.File) string {
	expr := nameExpr(filepath.Base(b.prog.Fset.File(f.Package).Name()))
	for _, group := range f.Comments {
		if group.Pos() > f.Package {
			break
		}
		for _, c := range group.List {
			line, ok := strings.CutPrefix(c.Text, "//go:build ")
			if line = strings.TrimSpace(line); !ok {
				continue
			}
			if expr == "" {
				return line
			}
			return expr + " && (" + line + ")"
		}
	}
	return expr
}

// nameExpr is when a file is built by its name alone: linux && arm64 for
// tasks_linux_arm64.go.
func nameExpr(name string) string {
	parts := strings.Split(strings.TrimSuffix(name, ".go"), "_")
	if len(parts) == 1 || builds(parts[len(parts)-1], "none", "none") {
		return "" // the last word is neither a system nor an architecture
	}
	last := parts[len(parts)-1]
	if len(parts) > 2 {
		system := parts[len(parts)-2]
		if !builds(system+"_"+last, "none", last) {
			return system + " && " + last
		}
	}
	return last
}

// builds says whether a file whose name ends with _words is built for a system
// and an architecture. Only go/build knows the names of all.
func builds(words, system, architecture string) bool {
	ctx := build.Context{GOOS: system, GOARCH: architecture, OpenFile: func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("package p\n")), nil
	}}
	ok, err := ctx.MatchFile("", "x_"+words+".go")
	return ok && err == nil
}
