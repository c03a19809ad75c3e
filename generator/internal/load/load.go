// Package load is the first step: it finds packages, parses their handwritten files and
// type-checks as much of them as the fields of annotated structs need. A query goes in, a
// program comes out.
//
// One run of go list finds the files. The rest happens in this process and from source: a
// declaration is parsed and checked only if an annotated struct reaches it, and function
// bodies never. It is therefore quick, needs no build cache, and works while handwritten
// code refers to generated code that does not exist yet or no longer parses.
package load

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/scanner"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/tools/go/packages"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/platform"
)

// mark is in the text of every file that may hold a directive.
const mark = "taskgen:"

// A Query says what to load.
type Query struct {
	Dir      string   // where patterns are resolved; empty: the current directory
	Patterns []string // as for go list; none: "."
	Tags     string   // build tags, separated by commas
	Env      []string // environment of the go command; nil: that of this process
	Trace    *Trace   // where reads are recorded; nil: nowhere
}

// A Program is a set of packages with their imports.
type Program struct {
	Fset     *token.FileSet
	Packages []*Package // those that mention taskgen, sorted by path
	// Generated are the existing generated files in all packages that the patterns
	// match; sorted. Files excluded by build constraints are not among them: their
	// packages were not listed as they are built.
	Generated []string
	// Copies are handwritten files in these packages that have the header and, by their
	// names, are not ours; sorted.
	Copies []string
	// Companions are existing outputs that the generated files name, by the paths of these
	// and sorted.
	Companions map[string][]string

	cfg   Query
	sizes types.Sizes
	// checked and exprs are results of Check, for Reason and for Eval.
	checked *checker
	exprs   map[ast.Expr]*source
	// cycles are import paths, each of which imports the next, and the last the first.
	cycles [][]string

	mu    sync.Mutex // guards the maps: outputs may be checked concurrently
	meta  map[string]*packages.Package
	paths map[string]*packages.Package
	units map[string]*unit
	above map[*packages.Package][]*packages.Package // the importers of a package, once Linked was called
}

// A Package is one package that the patterns match.
type Package struct {
	Name  string
	Path  string // import path
	Dir   string
	Root  string  // the folder of its module; without a module: Dir
	Files []*File // handwritten files that are built, sorted by name
	// Excluded are files that mention taskgen and are not built: tests, and files that
	// build constraints exclude.
	Excluded []*File

	// Types and Info are set by Program.Check. Types holds only what was reached.
	Types *types.Package
	Info  *types.Info

	unit  *unit
	tests *unit // the test files of the package itself: they share its scope
}

// A File is one source file.
type File struct {
	Path      string
	Syntax    *ast.File // nil if nothing could be read
	Errors    scanner.ErrorList
	Mentioned bool // the text holds "taskgen:"; comments are kept in Syntax
	Test      bool // a _test.go file
	// Build is when the go command builds the file, by its name and its lines; nil:
	// always. BuildErr is the error in its lines: then the go command never builds it.
	Build    constraint.Expr
	BuildErr error
}

// Load runs go list for the patterns and parses the files of the packages that mention
// taskgen. A package that does not build is no error. An error means that the go
// command failed or that a pattern matches nothing.
func Load(ctx context.Context, cfg Query) (*Program, error) {
	l, err := Find(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return l.Open()
}

// A Listing is the output of go list: the first half of Load.
type Listing struct {
	program *Program
	roots   []*packages.Package
}

// Find runs go list for the patterns.
func Find(ctx context.Context, cfg Query) (*Listing, error) {
	if len(cfg.Patterns) == 0 {
		cfg.Patterns = []string{"."}
	}
	p := &Program{
		Fset: token.NewFileSet(), cfg: cfg, sizes: types.SizesFor("gc", arch(cfg.Env)),
		meta: make(map[string]*packages.Package), paths: make(map[string]*packages.Package), units: make(map[string]*unit),
		Companions: make(map[string][]string),
	}
	if slices.ContainsFunc(cfg.Patterns, func(pattern string) bool { return strings.HasSuffix(pattern, ".go") && !strings.Contains(pattern, "/") }) {
		return nil, errFile // the go command takes it for a package of a module
	}
	roots, err := p.list(ctx, cfg.Patterns...)
	if err != nil {
		return nil, err
	}
	more, err := p.unlisted(ctx, roots)
	if err != nil {
		return nil, err
	}
	roots = append(roots, more...)
	slices.SortFunc(roots, func(a, b *packages.Package) int { return strings.Compare(a.PkgPath, b.PkgPath) })
	return &Listing{p, roots}, nil
}

// Query is the query of the listing.
func (l *Listing) Query() Query { return l.program.cfg }

// Open is the second half of Load. It may be called once.
func (l *Listing) Open() (*Program, error) {
	p, roots := l.program, l.roots
	found := make([]*Package, len(roots))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, root := range roots {
		g.Go(func() (err error) {
			found[i], err = p.open(root)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(p.Generated)
	slices.Sort(p.Copies)
	for _, pkg := range found {
		if pkg != nil {
			p.Packages = append(p.Packages, pkg)
		}
	}
	return p, nil
}

// list asks the go command for the packages that match patterns and their imports, and
// returns the former.
func (p *Program) list(ctx context.Context, patterns ...string) ([]*packages.Package, error) {
	cfg := &packages.Config{
		Context: ctx,
		Mode:    packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
		Dir:     p.cfg.Dir,
		Env:     p.cfg.Env,
		// Version control is irrelevant here, and a broken checkout must not stop it.
		BuildFlags: []string{"-buildvcs=false"},
	}
	if p.cfg.Tags != "" {
		cfg.BuildFlags = append(cfg.BuildFlags, "-tags="+p.cfg.Tags)
	}
	roots, err := packages.Load(cfg, patterns...)
	if cause := context.Cause(ctx); cause != nil { // which the error does not wrap
		return nil, fmt.Errorf("taskgen: go list: %w", cause)
	}
	if err != nil {
		if _, said, ok := strings.Cut(err.Error(), ": stderr: "); ok { // the useful part
			return nil, fmt.Errorf("taskgen: %s", strings.TrimSpace(said))
		}
		return nil, fmt.Errorf("taskgen: go list: %w", err)
	}
	p.cfg.Trace.list(roots)
	p.mu.Lock()
	defer p.mu.Unlock()
	packages.Visit(roots, nil, func(m *packages.Package) {
		if _, ok := p.meta[m.ID]; ok {
			return
		}
		p.meta[m.ID] = m
		p.rename(m)
		p.cycles = append(p.cycles, cyclesOf(m)...)
		if _, ok := p.paths[m.PkgPath]; !ok {
			p.paths[m.PkgPath] = m
		}
	})
	return roots, nil
}

// rename gives a package the name from its handwritten files: go list may have taken
// the name from a stale generated file.
func (p *Program) rename(m *packages.Package) {
	if len(m.Errors) == 0 || !slices.ContainsFunc(m.GoFiles, func(f string) bool { return strings.HasSuffix(f, model.FileName("")) }) {
		return
	}
	for _, t := range byHand(readFiles(p.cfg.Trace, m.GoFiles)) {
		if name := clause(t.src); name != "" {
			m.Name = name
			return
		}
	}
}

var errFile = errors.New("taskgen: name packages, not files: ./tasks or . for the package of this directory")

// open reads the files of a package. It returns nil if none mentions taskgen.
func (p *Program) open(m *packages.Package) (*Package, error) {
	if m.PkgPath == "command-line-arguments" {
		return nil, errFile
	}
	dir := dirOf(m)
	if dir == "" {
		return nil, fmt.Errorf("taskgen: %s: %s", m.PkgPath, listError(m))
	}
	all, err := readDir(p.cfg.Trace, dir)
	if err != nil {
		return nil, fmt.Errorf("taskgen: %w", err)
	}
	texts := byHand(all)
	p.note(m, all)
	if !slices.ContainsFunc(texts, func(t text) bool { return t.mentions }) {
		return nil, nil
	}
	built := make(map[string]bool, len(m.GoFiles))
	for _, name := range m.GoFiles {
		built[name] = true
	}
	texts = slices.DeleteFunc(texts, func(t text) bool { return !built[t.path] && !t.mentions && !t.test })
	pkg := &Package{Path: m.PkgPath, Dir: dir, Root: dir, Name: m.Name}
	if m.Module != nil && m.Module.Dir != "" {
		pkg.Root = m.Module.Dir
	}
	var tests []*File
	for _, f := range p.parse(texts) {
		switch {
		case built[f.Path]:
			pkg.Files = append(pkg.Files, f)
		case f.Mentioned:
			pkg.Excluded = append(pkg.Excluded, f)
		}
		if f.Test {
			tests = append(tests, f)
		}
	}
	for _, f := range pkg.Files {
		// go list may have taken the name from a stale generated file.
		if f.Syntax != nil && f.Syntax.Name != nil {
			pkg.Name = f.Syntax.Name.Name
			break
		}
	}
	pkg.unit = newUnit(m, pkg.Files)
	pkg.tests = newUnit(m, slices.DeleteFunc(tests, func(f *File) bool {
		return f.Syntax == nil || f.Syntax.Name == nil || f.Syntax.Name.Name != pkg.Name
	}))
	p.mu.Lock()
	p.units[m.ID] = pkg.unit
	p.mu.Unlock()
	return pkg, nil
}

// note records the generated files of a package, and the copies. A file too broken to
// be built counts, too.
func (p *Program) note(m *packages.Package, all []text) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range all {
		x, err := platform.Of(t.path, t.src)
		switch {
		case t.copied:
			p.Copies = append(p.Copies, t.path)
		case t.own && (slices.Contains(m.GoFiles, t.path) || err != nil || x == nil):
			p.Generated = append(p.Generated, t.path)
			if outputs := p.companions(m, t); len(outputs) > 0 {
				p.Companions[t.path] = outputs
			}
		}
	}
}

// companions are the existing outputs of the package that its generated file names. All that
// it names are read: whether the file is there, and whose it is, is a part of the input.
func (p *Program) companions(m *packages.Package, t text) []string {
	var outputs []string
	for _, name := range model.CompanionsOf(t.src) {
		path := filepath.Join(filepath.Dir(t.path), filepath.FromSlash(name))
		src, ok, err := p.cfg.Trace.readFile(path)
		if of, marked := model.MarkedBy(src); ok && err == nil && marked && of == m.PkgPath {
			outputs = append(outputs, path)
		}
	}
	return outputs
}

// Package returns a package of the program by its import path, or nil.
func (p *Program) Package(path string) *Package {
	i := slices.IndexFunc(p.Packages, func(pkg *Package) bool { return pkg.Path == path })
	if i < 0 {
		return nil
	}
	return p.Packages[i]
}

// Scope returns the identifiers that the handwritten files of the package, its own
// tests included, declare at package level, sorted.
func (pkg *Package) Scope() []string {
	names := slices.AppendSeq([]string{}, maps.Keys(pkg.unit.decls))
	names = slices.AppendSeq(names, maps.Keys(pkg.tests.decls))
	slices.Sort(names)
	return slices.Compact(names)
}

// Declared returns where the package declares a name, its own tests included, and false
// if it does not.
func (pkg *Package) Declared(name string) (token.Pos, bool) {
	for _, u := range []*unit{pkg.unit, pkg.tests} {
		if ds := u.decls[name]; len(ds) > 0 {
			return ds[0].pos, true
		}
	}
	return token.NoPos, false
}

// Imported returns the import that gives a handwritten file of the package a name, its
// own or one of a dot import, and false if there is none. The package cannot declare
// such a name in any file.
func (p *Program) Imported(pkg *Package, name string) (token.Pos, bool) {
	for _, u := range []*unit{pkg.unit, pkg.tests} {
		for _, src := range u.sources {
			if im, ok := src.imports[name]; ok {
				return im.spec.Pos(), true
			}
			for _, im := range src.dots {
				m := u.imported(im.path)
				if m == nil || !ast.IsExported(name) {
					continue
				}
				if from := p.unit(m.ID); from != nil && len(from.decls[name]) > 0 {
					return im.spec.Pos(), true
				}
			}
		}
	}
	return token.NoPos, false
}

// ImportNames returns the names under which handwritten files of the package, its
// own tests included, import packages, sorted. The package cannot declare such a
// name in any file.
func (pkg *Package) ImportNames() []string {
	names := []string{}
	for _, u := range []*unit{pkg.unit, pkg.tests} {
		for _, src := range u.sources {
			names = slices.AppendSeq(names, maps.Keys(src.imports))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Foreign reports whether a package is in a module other than the main ones.
func (p *Program) Foreign(path string) bool {
	m := p.paths[path]
	return m != nil && (m.Module == nil || !m.Module.Main)
}

// Standard reports whether a package is one of Go's own.
func (p *Program) Standard(path string) bool {
	m := p.paths[path]
	return m != nil && m.Module == nil
}

// IsType reports whether the package declares a type of this name.
func (pkg *Package) IsType(name string) bool {
	return slices.ContainsFunc(pkg.unit.decls[name], func(d *decl) bool { return d.gen != nil && d.gen.Tok == token.TYPE })
}

// dirOf returns the directory of a package, or "" if it has no files.
func dirOf(m *packages.Package) string {
	if m.Dir != "" {
		return m.Dir
	}
	for _, names := range [][]string{m.GoFiles, m.IgnoredFiles, m.OtherFiles} {
		if len(names) > 0 {
			return filepath.Dir(names[0])
		}
	}
	return ""
}

// listError is go list's error about a package.
func listError(m *packages.Package) string {
	if len(m.Errors) == 0 {
		return "there is no such package"
	}
	return m.Errors[0].Msg
}

// arch is the architecture that the go command builds for in env.
func arch(env []string) string {
	if env == nil {
		env = os.Environ()
	}
	for _, kv := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(kv, "GOARCH="); ok && v != "" {
			return v
		}
	}
	return runtime.GOARCH
}
