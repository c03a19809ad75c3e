package analyze

import (
	"go/ast"
	gotypes "go/types"
	"regexp"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// typeErrors reports the compiler's errors in the declaration of a task's struct and of
// the types that it contains. It returns false if the type cannot be expanded
// completely.
func (b *builder) typeErrors(spec *ast.TypeSpec, named *gotypes.Named) bool {
	endless := b.endless(named)
	for _, f := range b.prog.Faults(b.pkg, spec) {
		if strings.HasPrefix(f.Msg, instantiationCycle) && endless != nil {
			endless, f.Msg = nil, cycleOf(endless)
			b.report(b.typeError(spec, f))
			return false
		}
		if !wanting(f.Msg) {
			b.report(b.typeError(spec, f))
		}
	}
	if endless == nil {
		return true
	}
	// go/types reports these if it finds nothing else.
	text := cycleOf(endless)
	d := rule.FieldType.At(b.at(spec.Name.Pos(), len(spec.Name.Name)), mend(text), "a type that %s contains: %s", spec.Name.Name, text)
	b.report(rule.Related(d, b.at(endless.Obj().Pos(), 0).Pos, "this is why"))
	return false
}

const instantiationCycle = "instantiation cycle"

func cycleOf(t *gotypes.Named) string {
	return instantiationCycle + ": " + t.Obj().Name() + " is made of ever new instances of itself"
}

// maxInstances is how often a generic type may nest in itself. Real code does not nest
// so deep, and the compiler refuses types that expand to more.
const maxInstances = 64

// endless returns a generic type within a type that expands for ever, or nil. Such a type
// must not be expanded.
func (b *builder) endless(t gotypes.Type) *gotypes.Named {
	depth := make(map[*gotypes.TypeName]int)
	var visit func(t gotypes.Type) *gotypes.Named
	any := func(n int, at func(int) gotypes.Type) *gotypes.Named {
		for i := range n {
			if found := visit(at(i)); found != nil {
				return found
			}
		}
		return nil
	}
	visit = func(t gotypes.Type) *gotypes.Named {
		switch t := gotypes.Unalias(t).(type) {
		case *gotypes.Named:
			if b.finite[t] {
				return nil
			}
			obj := t.Origin().Obj()
			if depth[obj] >= maxInstances {
				return t.Origin()
			}
			b.finite[t] = true // unless found otherwise
			depth[obj]++
			defer func() { depth[obj]-- }()
			return visit(t.Underlying())
		case *gotypes.Struct:
			if b.finite[t] {
				return nil
			}
			b.finite[t] = true
			return any(t.NumFields(), func(i int) gotypes.Type { return t.Field(i).Type() })
		case *gotypes.Map:
			return any(2, func(i int) gotypes.Type { return []gotypes.Type{t.Key(), t.Elem()}[i] })
		case interface{ Elem() gotypes.Type }:
			return visit(t.Elem())
		}
		return nil
	}
	found := visit(t)
	if found != nil {
		clear(b.finite)
	}
	return found
}

// wanting reports whether an error may be due to code that is not generated yet, by
// taskgen or another generator: a missing name, package or method. If the payload
// contains such a type, the error is reported at the field.
func wanting(msg string) bool {
	return strings.HasPrefix(msg, "undefined: ") || strings.HasPrefix(msg, "could not import ") || strings.Contains(msg, "missing method ")
}

// oncePerPlace drops all type errors of one position except the last: an error about a
// field says more than one about the struct.
func oncePerPlace(ds []diag.Diagnostic) []diag.Diagnostic {
	last := make(map[model.Pos]int)
	for i, d := range ds {
		if d.Rule == rule.FieldType.ID {
			last[d.Pos] = i
		}
	}
	kept := ds[:0]
	for i, d := range ds {
		if d.Rule != rule.FieldType.ID || last[d.Pos] == i {
			kept = append(kept, d)
		}
	}
	return kept
}

// typeError is an error at its own position if that is in the declaration of the
// struct, else at the field that leads there.
func (b *builder) typeError(spec *ast.TypeSpec, f load.Fault) diag.Diagnostic {
	name, text := spec.Name.Name, brief(f.Msg)
	if spec.Pos() <= f.Pos && f.Pos < spec.End() {
		return rule.FieldType.At(b.at(f.Pos, 0), mend(f.Msg), "%s: %s", name, text)
	}
	at := b.at(spec.Name.Pos(), len(name))
	if f.Field != nil {
		at = b.at(f.Field.Pos(), 0)
	}
	d := rule.FieldType.At(at, mend(f.Msg), "a type that %s contains: %s", name, text)
	return rule.Related(d, b.at(f.Pos, 0).Pos, "this is why")
}

// Handwritten reports the errors in handwritten declarations that remain with the
// generated file, and prevent its compilation.
func Handwritten(pkg *model.Package, errs []gotypes.Error) []diag.Diagnostic {
	var ds []diag.Diagnostic
	for _, e := range errs {
		pos := e.Fset.PositionFor(e.Pos, false)
		at := model.Span{Pos: model.Pos{File: pos.Filename, Line: pos.Line, Column: pos.Column}}
		ds = append(ds, rule.FieldType.At(at, mend(e.Msg), "package %s does not compile: %s", pkg.Name, brief(e.Msg)))
	}
	return ds
}

// cures are fixes by the messages of go/types and the go command.
var cures = []struct{ says, fix string }{
	{"import cycle not allowed", rule.PackageCycle.Fix},
	{"missing go.sum entry", "run go mod tidy"},
	{"updates to go.mod needed", "run go mod tidy"},
	{"inconsistent vendoring", "run go mod vendor"},
	{"is not in std", "correct the import path"},
	{"build constraints exclude all Go files", "build for a system on which the package has files"},
	{"is a type of C", "use a Go type, such as int32 for C.int, and convert where C is called"},
	{"not exported by package", "use an exported name of the package"},
	{"does not satisfy", "use a type argument that satisfies the constraint"},
	{"does not implement", "use a type argument that satisfies the constraint"},
	{"embedded field type cannot be", "give the field a name"},
	{"redeclared", "rename one of the two"},
	{"invalid recursive type", "put the type behind a pointer, in a slice or in a map"},
	{instantiationCycle, "let the type refer to itself with the same type arguments"},
	{"is too large: it has", "put parts of it behind pointers, or in slices"},
	{"invalid map key type", "use a key that can be compared"},
	{"without instantiation", "write the type arguments"},
	{"cannot find module providing package", "add the module with go get, or correct the import path"},
	{"there is no such package", "correct the import path"},
	{"undefined: ", "declare it, import it, or correct its name"},
}

var goGet = regexp.MustCompile(`to add(?: it)?:\s+(go get \S+)`)

// mend is the fix of an error of go/types or the go command; "" for the fix of the
// rule.
func mend(msg string) string {
	if m := goGet.FindStringSubmatch(msg); m != nil && !strings.Contains(msg, "missing go.sum entry") {
		return "run " + m[1]
	}
	if i := slices.IndexFunc(cures, func(c struct{ says, fix string }) bool { return strings.Contains(msg, c.says) }); i >= 0 {
		return cures[i].fix
	}
	return ""
}
