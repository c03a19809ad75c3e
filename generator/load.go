// Package generator turns annotated structs into typed code for background
// tasks. It is a pure function: source files in, models and diagnostics or
// files out; whoever calls it writes them.
package generator

import (
	"cmp"
	"context"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/check"
	"github.com/taskgen/taskgen/generator/diag"
	"github.com/taskgen/taskgen/generator/directive"
	"github.com/taskgen/taskgen/generator/load"
	"github.com/taskgen/taskgen/generator/model"
)

// Config says which packages to read.
type Config struct {
	Dir      string   // where patterns are resolved; empty: the current directory
	Patterns []string // as for go list, ./... included; none: "."
	Tags     string   // build tags, separated by commas
	Env      []string // environment of the go command; nil: that of this process
}

// Loaded is what Load found.
type Loaded struct {
	// Packages are those with directives, sorted by path. They are complete as
	// far as Diagnostics holds no error.
	Packages []model.Package
	// Diagnostics is everything there is to say, sorted and without repeats.
	Diagnostics []diag.Diagnostic

	// Generated are the generated files that are there, by absolute path and
	// sorted, in all packages that the patterns match: those without directives
	// too.
	Generated []string

	program *load.Program
}

// Load reads the packages that match the patterns and checks their directives.
// What is wrong with the packages is in the diagnostics. An error means that
// nothing can be said: the go command failed, or a pattern names a package that
// is not there. A pattern with ... may match none.
//
// Handwritten code that does not compile for want of generated code is fine, and
// so is a generated file of ours in any state: it is not read.
func Load(ctx context.Context, cfg Config) (*Loaded, error) {
	l, err := Find(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return l.load()
}

// A Listing is what the go command says about packages: the first step of Load and
// of Generate. What is read in it and after it is noted in its Trace.
type Listing struct {
	Config
	Trace *load.Trace

	listing *load.Listing
}

// Find asks the go command about the packages that match the patterns.
func Find(ctx context.Context, cfg Config) (*Listing, error) {
	if len(cfg.Patterns) == 0 {
		cfg.Patterns = []string{"."}
	}
	l := &Listing{Config: cfg, Trace: new(load.Trace)}
	var err error
	l.listing, err = load.Find(ctx, load.Config{Dir: cfg.Dir, Patterns: cfg.Patterns, Tags: cfg.Tags, Env: cfg.Env, Trace: l.Trace})
	return l, err
}

func (l *Listing) load() (*Loaded, error) {
	prog, err := l.listing.Open()
	if err != nil {
		return nil, err
	}
	return read(prog), nil
}

// read makes models of the packages of a program.
func read(prog *load.Program) *Loaded {
	out := &Loaded{program: prog, Generated: prog.Generated}
	var (
		builders []*builder
		roots    []load.Roots
	)
	for _, pkg := range prog.Packages {
		b := &builder{prog: prog, pkg: pkg, plain: make(map[visit]bool), leaky: make(map[*types.Named]bool), tags: make(map[*types.Named]*types.Var)}
		b.scan()
		if len(b.found.Types) > 0 {
			roots = append(roots, b.roots())
		}
		builders = append(builders, b)
	}
	prog.Check(roots)
	for _, b := range builders {
		m := b.build()
		b.diags = append(b.diags, check.Package(&m)...)
		if len(m.Tasks)+len(m.Queues) > 0 {
			out.Packages = append(out.Packages, m)
		}
		out.Diagnostics = append(out.Diagnostics, b.diags...)
	}
	out.Diagnostics = diag.Sort(out.Diagnostics)
	return out
}

// CheckOutput type-checks a generated file, bodies included, together with the
// handwritten files of the package that it is for, before anybody writes it.
// pkgPath is the Path of one of l.Packages, filename the path that the file will
// have. An error is a fault of the generator: it lists what is wrong as
// file:line:col: message, one on a line, and nothing may be written. What is
// wrong in handwritten files is no error. It may be called for several packages
// side by side.
func (l *Loaded) CheckOutput(ctx context.Context, pkgPath, filename string, src []byte) error {
	return l.program.CheckOutput(ctx, pkgPath, filename, src)
}

// builder makes the model of one package.
type builder struct {
	prog    *load.Program
	pkg     *load.Package
	found   *directive.Found
	diags   []diag.Diagnostic
	plain   map[visit]bool              // types that travel, and hold neither tags nor what is to be warned of
	leaky   map[*types.Named]bool       // types of other packages that hold what is to be warned of
	tags    map[*types.Named]*types.Var // what taggedField has found out
	holders map[*types.Var]string       // what fieldName has found
	docs    map[token.Pos]string        // what comments has found
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
	for _, f := range b.pkg.Excluded {
		if f.Syntax == nil {
			continue
		}
		why, fix := "a file that build constraints exclude", ""
		if f.Test {
			why, fix = "a test file", "move the declaration into a file that is no test"
		}
		b.report(directive.Excluded(b.prog.Fset, f.Syntax, why, fix)...)
	}
	b.syntaxErrors()
}

// syntaxErrors reports files that do not parse, once there is something to
// generate.
func (b *builder) syntaxErrors() {
	if len(b.found.Types)+len(b.found.Package) == 0 && !slices.ContainsFunc(b.pkg.Files, func(f *load.File) bool { return f.Mentioned && len(f.Errors) > 0 }) {
		return
	}
	for _, f := range b.pkg.Files {
		if len(f.Errors) > 0 {
			e := f.Errors[0]
			at := model.Span{Pos: model.Pos{File: f.Path, Line: e.Pos.Line, Column: e.Pos.Column}}
			b.report(check.PackageSyntax.At(at, "", "%s", brief(e.Msg)))
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
	m := model.Package{Name: b.pkg.Name, Path: b.pkg.Path, Dir: b.pkg.Dir, Scope: b.pkg.Scope(), Declared: make(map[string]model.Pos)}
	for _, name := range m.Scope {
		if pos, ok := b.pkg.Declared(name); ok {
			m.Declared[name] = b.at(pos, 0).Pos
		}
	}
	for _, d := range b.found.Package {
		if d.Spec.Name == "queue" {
			m.Queues = append(m.Queues, queue(d))
		}
	}
	slices.SortStableFunc(m.Queues, func(x, y model.Queue) int { return strings.Compare(x.Name, y.Name) })
	b.checkRetry(b.found.Get("retry"))
	var annotated []*directive.Type
	for _, t := range b.found.Types {
		if task, ok := b.task(t); ok {
			m.Tasks = append(m.Tasks, task)
			annotated = append(annotated, t)
		}
	}
	// In the order of files and lines, in whatever order the files came.
	slices.SortStableFunc(m.Tasks, func(x, y model.Task) int {
		return cmp.Or(cmp.Compare(x.Pos.File, y.Pos.File), cmp.Compare(x.Pos.Line, y.Pos.Line))
	})
	m.Constraint = b.constraint(annotated)
	b.imports(&m)
	return m
}

// imports adds to the names that are taken those which the package may not
// declare because an import has them.
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
		b.report(check.TaskGeneric.At(at, "", "%s has type parameters, a task cannot", name.Name))
	case t.Spec.Assign.IsValid():
		b.report(check.TaskNotStruct.At(at, "put the directive on the struct itself", "%s is an alias, not a struct", name.Name))
	case !literal:
		b.report(check.TaskNotStruct.At(at, "", "%s is %s, not a struct with its fields written out", name.Name, types.ExprString(t.Spec.Type)))
	case name.Name == "_":
		b.report(check.TaskNotStruct.At(at, "give it a name", "a struct without a name cannot be a task"))
	case b.pkg.Info.Defs[name] == nil: // go/types takes the first declaration
		first, _ := b.pkg.Declared(name.Name)
		again := check.SymbolTaken.At(at, "keep one of them", "%s is declared twice", name.Name)
		b.report(check.Related(again, b.at(first, 0).Pos, "first declared here"))
	default:
		named, _ := b.pkg.Info.Defs[name].Type().(*types.Named)
		if named != nil {
			if st, ok := named.Underlying().(*types.Struct); ok {
				return named, st, true
			}
		}
		reason, _ := b.prog.Reason(name.Pos()) // a struct that holds itself, say
		b.report(check.FieldType.At(at, "", "%s: %s", name.Name, brief(reason.Msg)))
	}
	return nil, nil, false
}
