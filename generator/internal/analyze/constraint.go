package analyze

import (
	"go/ast"
	"go/build/constraint"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/platform"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// constraint returns the build constraint that the annotated files share, which the
// generated file must have too. It reports tasks with another constraint, whether or not
// they are built here: where only some tasks are built, code for all would not compile.
func (b *builder) constraint() string {
	all := b.found.Types
	for _, f := range b.away {
		all = append(all[:len(all):len(all)], f.types...)
	}
	var (
		first  *directive.Type
		shared constraint.Expr
	)
	for _, t := range all {
		x := b.builtWhen(t.File)
		switch {
		case first == nil:
			first, shared = t, x
		case !platform.Same(x, shared):
			name := t.Spec.Name
			d := rule.TaskConstraint.At(b.at(name.Pos(), len(name.Name)), "", "%s is built %s, and %s %s", name.Name, when(x), first.Spec.Name.Name, when(shared))
			b.report(rule.Related(d, b.at(first.Spec.Name.Pos(), 0).Pos, "%s", first.Spec.Name.Name))
		case shorter(x, shared):
			shared = x
		}
	}
	if first != nil {
		b.inherited(first, shared)
	}
	return text(shared)
}

// inherited reports directives on package clauses that do not apply everywhere the tasks
// are built.
func (b *builder) inherited(first *directive.Type, shared constraint.Expr) {
	report := func(at model.Span, name string, x constraint.Expr) {
		if !platform.Implies(shared, x) {
			d := rule.TaskConstraint.At(at, "move it into a file that is built wherever the tasks are", "//taskgen:%s applies %s, and %s is built %s", name, when(x), first.Spec.Name.Name, when(shared))
			b.report(rule.Related(d, b.at(first.Spec.Name.Pos(), 0).Pos, "%s", first.Spec.Name.Name))
		}
	}
	for _, d := range b.found.Package {
		for _, f := range b.pkg.Files {
			if f.Path == d.Span.File {
				report(d.Span, d.Spec.Name, f.Build)
			}
		}
	}
	for _, f := range b.away {
		if len(f.types) > 0 {
			continue // which says it
		}
		for _, d := range f.clause {
			report(d.Span, d.Spec.Name, f.file.Build)
		}
	}
}

// shorter chooses one of two equivalent expressions, independently of the order of the
// files.
func shorter(x, y constraint.Expr) bool {
	a, b := text(x), text(y)
	return len(a) < len(b) || len(a) == len(b) && a < b
}

func text(x constraint.Expr) string {
	if x == nil {
		return ""
	}
	return x.String()
}

func when(x constraint.Expr) string {
	if x == nil {
		return "always"
	}
	return "when " + x.String()
}

// builtWhen is when a file of the package is built.
func (b *builder) builtWhen(syntax *ast.File) constraint.Expr {
	for _, files := range [][]*load.File{b.pkg.Files, b.pkg.Excluded} {
		for _, f := range files {
			if f.Syntax == syntax {
				return f.Build
			}
		}
	}
	return nil
}

// away is a file with directives that is not built here, and may be elsewhere.
type away struct {
	file   *load.File
	types  []*directive.Type
	clause []*directive.Directive
}

// excluded separates the files that are not built here: those that may be built
// elsewhere, and those that are never built, whose directives it reports.
func (b *builder) excluded() {
	for _, f := range b.pkg.Excluded {
		if f.Syntax == nil {
			continue
		}
		if why, fix := never(f); why != "" {
			b.report(directive.Excluded(b.prog.Fset, f.Syntax, why, fix)...)
			continue
		}
		found, _ := directive.Scan(b.prog.Fset, []*ast.File{f.Syntax})
		b.found.Allows = append(b.found.Allows, found.Allows...)
		if len(found.Types)+len(found.Package) > 0 {
			b.away = append(b.away, away{f, found.Types, found.Package})
		}
	}
}

// never says why a file is built nowhere, or "", and how to fix that.
func never(f *load.File) (why, fix string) {
	switch {
	case f.Test:
		return "a test file", "move the declaration into a file that is not a test"
	case f.BuildErr != nil:
		return "a file whose build constraint cannot be read", "correct the line: " + f.BuildErr.Error()
	case f.Syntax.Name != nil && f.Syntax.Name.Name == "documentation":
		return "a file of package documentation, which the go command leaves out", ""
	case !platform.Possible(f.Build):
		return "a file that is never built (" + when(f.Build) + ")", ""
	}
	return "", ""
}

// left reports whether nothing is generated for the package: none of its tasks is built
// here, and it could not be loaded for a target where they are.
func (b *builder) left() bool {
	return len(b.found.Types) == 0 && slices.ContainsFunc(b.away, func(f away) bool { return len(f.types) > 0 })
}

// leave warns about declarations that are legitimately not built here: the tasks of a
// package that is left unchanged, and separate queues and the like.
func (b *builder) leave() {
	for _, f := range b.away {
		if len(b.found.Types) > 0 {
			return // which have their own word about them
		}
		var places []model.Span
		for _, t := range f.types {
			places = append(places, t.Directives[0].Span)
		}
		if len(places) == 0 {
			places = append(places, f.clause[0].Span)
		}
		for _, at := range places {
			d := rule.DirectiveExcluded.At(at, "generate it where the file is built", "the file is not built here, but %s: the code for it is left unchanged", when(f.file.Build))
			d.Severity = diag.Warning
			b.report(d)
		}
	}
}
