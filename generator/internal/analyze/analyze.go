// Package analyze is the step after load: it makes models of the packages with
// directives. Syntax, directives and types go in; models and diagnostics come out.
package analyze

import (
	"cmp"
	"context"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/directive"
	"github.com/taskgen/taskgen/generator/internal/jsontype"
	"github.com/taskgen/taskgen/generator/internal/load"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// Result is what Packages found.
type Result struct {
	// Program is the program as it is built here.
	Program *load.Program
	// Packages are those that mention taskgen, sorted by path.
	Packages []*Package
	// Generated are the existing generated files, by absolute path, in all packages that
	// the patterns match, including those without directives; and their outputs.
	Generated []string
}

// A Package is one package, and its diagnostics so far.
type Package struct {
	Model   model.Package // complete as far as Diagnostics holds no error
	Program *load.Program // the program that it comes from: as it is built here, or elsewhere
	// Left says that nothing is generated for it: its tasks are not built here, and it
	// could not be loaded for a target where they are.
	Left        bool
	Allows      []*directive.Allow
	Diagnostics []diag.Diagnostic
}

// Packages makes models of the packages of a listing. Their diagnostics say what is wrong
// with them. An error means that there are no models: the go command failed, or a pattern
// names a missing package. A pattern with ... may match none.
//
// Handwritten code need not compile without generated code, and generated files may be in
// any state: they are not read.
func Packages(ctx context.Context, l *load.Listing) (*Result, error) {
	prog, err := l.Open()
	if err != nil {
		return nil, err
	}
	away, err := elsewhere(ctx, l.Query(), prog)
	if err != nil {
		return nil, err
	}
	return read(ctx, prog, away)
}

// read makes models of the packages of a program. Those that are in away by their
// paths are taken from the program there.
func read(ctx context.Context, prog *load.Program, away map[string]*load.Program) (*Result, error) {
	var (
		builders []*builder
		roots    = make(map[*load.Program][]load.Roots)
		left     []string // folders whose generated files nothing is known about
	)
	for _, pkg := range prog.Packages {
		b := &builder{prog: prog, pkg: pkg}
		if there := away[pkg.Path]; there != nil {
			b.prog, b.pkg = there, there.Package(pkg.Path)
		}
		b.scan()
		if len(b.found.Types) > 0 {
			roots[b.prog] = append(roots[b.prog], b.roots())
		} else if b.left() {
			left = append(left, pkg.Dir)
		}
		builders = append(builders, b)
	}
	for p := range roots {
		if err := p.Check(ctx, roots[p]); err != nil {
			return nil, err
		}
		if !withEmbedders(builders, roots[p]) {
			continue
		}
		if err := p.Check(ctx, roots[p]); err != nil {
			return nil, err
		}
	}
	out := &Result{Program: prog}
	for _, b := range builders {
		p := &Package{Model: b.build(), Program: b.prog, Left: b.left(), Allows: b.found.Allows}
		p.Diagnostics = b.diags
		out.Packages = append(out.Packages, p)
	}
	out.Generated = slices.DeleteFunc(slices.Clone(prog.Generated), func(path string) bool { return slices.Contains(left, filepath.Dir(path)) })
	for _, path := range out.Generated[:len(out.Generated):len(out.Generated)] {
		out.Generated = append(out.Generated, prog.Companions[path]...)
	}
	return out, nil
}

// builder makes the model of one package.
type builder struct {
	prog    *load.Program
	pkg     *load.Package
	found   *directive.Found
	away    []away // what is not built here
	diags   []diag.Diagnostic
	results map[*directive.Arg]result // of result=
	docs    map[token.Pos]string      // what comments has found
	memo
}

// memo caches a builder's findings about types. The findings about a task do not depend
// on it.
type memo struct {
	json    *jsontype.Info
	finite  map[types.Type]bool   // types that endless has followed
	structs map[*types.Var]string // what fieldName has found
}

func (b *builder) newMemo() memo {
	return memo{json: jsontype.New(b.pkg.Types, b.prog), finite: make(map[types.Type]bool)}
}

func (b *builder) report(d ...diag.Diagnostic) { b.diags = append(b.diags, d...) }

// scan finds the directives of the package.
func (b *builder) scan() {
	var files []*ast.File
	for _, f := range b.pkg.Files {
		if f.Mentioned && f.Syntax != nil {
			files = append(files, f.Syntax)
		}
	}
	var diags []diag.Diagnostic
	b.found, diags = directive.Scan(b.prog.Fset, files)
	b.report(diags...)
	b.excluded()
	b.syntaxErrors()
}

// syntaxErrors reports files that do not parse, if there is anything to generate.
func (b *builder) syntaxErrors() {
	if len(b.found.Types)+len(b.found.Package) == 0 && !slices.ContainsFunc(b.pkg.Files, func(f *load.File) bool { return f.Mentioned && len(f.Errors) > 0 }) {
		return
	}
	for _, f := range b.pkg.Files {
		if len(f.Errors) > 0 {
			e := f.Errors[0]
			at := model.Span{Pos: model.Pos{File: f.Path, Line: e.Pos.Line, Column: e.Pos.Column}}
			b.report(rule.PackageSyntax.At(at, "", "%s", brief(e.Msg)))
		}
	}
}

// roots are the structs to type-check, and what result= names.
func (b *builder) roots() load.Roots {
	r := load.Roots{Package: b.pkg}
	for _, t := range b.found.Types {
		r.Names = append(r.Names, t.Spec.Name.Name)
		if expr, ok := directive.Value[ast.Expr](t.Get("task"), "result"); ok {
			r.Exprs = append(r.Exprs, load.Expr{File: t.File, Expr: expr})
		}
	}
	return r
}

// build makes the model out of directives and types.
func (b *builder) build() model.Package {
	b.memo = b.newMemo()
	m := model.Package{Name: b.pkg.Name, Path: b.pkg.Path, Dir: b.pkg.Dir, Root: b.pkg.Root, Scope: b.pkg.Scope(), Declared: make(map[string]model.Pos)}
	for _, name := range m.Scope {
		if pos, ok := b.pkg.Declared(name); ok {
			m.Declared[name] = b.at(pos, 0).Pos
		}
	}
	for _, d := range b.found.Package {
		switch d.Spec.Name {
		case "queue":
			m.Queues = append(m.Queues, queue(d))
		case "output":
			m.Outputs = append(m.Outputs, outputs(d)...)
		}
	}
	slices.SortStableFunc(m.Queues, func(x, y model.Queue) int { return strings.Compare(x.Name, y.Name) })
	m.Schedules = schedules(b.found.Get("schedules"))
	level, _ := directive.Value[string](b.found.Get("compat"), "level")
	m.Backward = level == "backward"
	b.checkRetry(b.found.Get("retry"))
	m.Tasks = b.tasks()
	// In the order of files and lines, whatever the order of the files in the listing.
	slices.SortStableFunc(m.Tasks, func(x, y model.Task) int {
		return cmp.Or(cmp.Compare(x.Pos.File, y.Pos.File), cmp.Compare(x.Pos.Line, y.Pos.Line))
	})
	m.Constraint = b.constraint()
	m.Imports, m.Imported = b.aliases(b.found.Types), b.pkg.ImportNames()
	m.Holders = b.holderModels()
	b.warnOfEmbedding(&m)
	b.leave()
	b.imports(&m)
	b.taken(&m)
	b.cycle()
	b.diags = oncePerPlace(b.diags)
	return m
}

// taken reports a handwritten file at the path of the generated one.
func (b *builder) taken(m *model.Package) {
	name := model.FileName(m.Name)
	for _, f := range append(b.pkg.Files[:len(b.pkg.Files):len(b.pkg.Files)], b.pkg.Excluded...) {
		if filepath.Base(f.Path) == name && len(m.Tasks)+len(m.Queues) > 0 {
			b.report(rule.FileTaken.At(model.Span{Pos: model.Pos{File: f.Path, Line: 1, Column: 1}}, "", "%s was not written by taskgen", name))
		}
	}
}

// cycle reports that the package imports itself through others.
func (b *builder) cycle() {
	if len(b.found.Types) == 0 {
		return
	}
	if cycle, pos := b.prog.Cycle(b.pkg); cycle != nil {
		// Its consequences in the fields are not reported again.
		b.diags = slices.DeleteFunc(b.diags, func(d diag.Diagnostic) bool {
			return d.Rule == rule.FieldType.ID && strings.Contains(d.Message, "import cycle not allowed")
		})
		b.report(rule.PackageCycle.At(b.at(pos, 0), "", "import cycle not allowed: %s", strings.Join(cycle, " imports ")))
	}
}

// imports adds to the taken names those that the package may not declare because an
// import has them.
func (b *builder) imports(m *model.Package) {
	names := m.Symbols()
	for i := range m.Tasks {
		names = append(names, m.Tasks[i].Symbols()...)
	}
	for _, name := range names {
		if _, ok := m.Declared[name]; ok {
			continue
		}
		if pos, ok := b.prog.Imported(b.pkg, name); ok {
			m.Declared[name] = b.at(pos, 0).Pos
		}
	}
}

// structType returns the type of a declaration, or false with a report when it
// cannot be a task.
func (b *builder) structType(t *directive.Type) (*types.Named, *types.Struct, bool) {
	name := t.Spec.Name
	at := b.at(name.Pos(), len(name.Name))
	_, literal := t.Spec.Type.(*ast.StructType)
	switch {
	case t.Spec.TypeParams != nil:
		b.report(rule.TaskGeneric.At(at, "", "%s has type parameters, a task cannot", name.Name))
	case t.Spec.Assign.IsValid():
		b.report(rule.TaskNotStruct.At(at, "put the directive on the struct itself", "%s is an alias, not a struct", name.Name))
	case !literal:
		b.report(rule.TaskNotStruct.At(at, "", "%s is %s, not a struct with its fields written out", name.Name, types.ExprString(t.Spec.Type)))
	case name.Name == "_":
		b.report(rule.TaskNotStruct.At(at, "give it a name", "a struct without a name cannot be a task"))
	case b.pkg.Info.Defs[name] == nil: // go/types takes the first declaration
		first, _ := b.pkg.Declared(name.Name)
		again := rule.SymbolTaken.At(at, "keep one of them", "%s is declared twice", name.Name)
		b.report(rule.Related(again, b.at(first, 0).Pos, "first declared here"))
	default:
		named, _ := b.pkg.Info.Defs[name].Type().(*types.Named)
		if named != nil {
			if st, ok := named.Underlying().(*types.Struct); ok {
				return named, st, b.typeErrors(t.Spec, named)
			}
		}
		reason, _ := b.prog.Reason(name.Pos()) // a struct that holds itself, say
		b.report(rule.FieldType.At(at, mend(reason.Msg), "%s: %s", name.Name, brief(reason.Msg)))
	}
	return nil, nil, false
}
