// Package load finds packages, parses their handwritten files and type-checks
// as much of them as the fields of annotated structs need.
//
// One run of go list tells where files are. The rest happens in this process
// and from source: a declaration is parsed and checked only when an annotated
// struct reaches it, and bodies of functions never. So it is quick, it needs no
// build cache, and it works while handwritten code refers to generated code
// that does not exist yet or no longer parses.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
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

	"github.com/taskgen/taskgen/generator/model"
)

// Header is the line by which generated files are known.
const Header = model.Header

// mark is in the text of every file that may hold a directive.
const mark = "taskgen:"

// Config says what to load.
type Config struct {
	Dir      string   // where patterns are resolved; empty: the current directory
	Patterns []string // as for go list; none: "."
	Tags     string   // build tags, separated by commas
	Env      []string // environment of the go command; nil: that of this process
	Trace    *Trace   // where to note what is read; nil: nowhere
}

// A Program is a set of packages with what they import.
type Program struct {
	Fset     *token.FileSet
	Packages []*Package // those that mention taskgen, sorted by path
	// Generated are the generated files that are there, in all packages that
	// the patterns match; sorted. Those that build constraints exclude are not
	// among them: nothing is known about their packages as they are built.
	Generated []string

	cfg   Config
	sizes types.Sizes
	// checked is what Check left, for Reason.
	checked *checker

	mu    sync.Mutex // guards the maps: outputs may be checked side by side
	meta  map[string]*packages.Package
	paths map[string]*packages.Package
	units map[string]*unit
}

// A Package is one package that the patterns match.
type Package struct {
	Name  string
	Path  string // import path
	Dir   string
	Files []*File // handwritten files that are built, sorted by name
	// Excluded are files that mention taskgen and are not built: tests, and
	// files that build constraints leave out.
	Excluded []*File

	// Types and Info are set by Program.Check. Types holds what was reached
	// alone.
	Types *types.Package
	Info  *types.Info

	unit  *unit
	tests *unit // the test files of the package itself: they share its scope
}

// A File is one source file.
type File struct {
	Path      string
	Syntax    *ast.File // nil when nothing could be read
	Errors    scanner.ErrorList
	Mentioned bool // the text holds "taskgen:"; comments are kept in Syntax
	Test      bool // a _test.go file
}

// Load runs go list for the patterns and parses the files of the packages that
// mention taskgen. A package that does not build is no error. An error means
// that the go command failed or that a pattern names what is not there.
func Load(ctx context.Context, cfg Config) (*Program, error) {
	l, err := Find(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return l.Open()
}

// A Listing is what go list says: the first half of Load.
type Listing struct {
	program *Program
	roots   []*packages.Package
}

// Find runs go list for the patterns.
func Find(ctx context.Context, cfg Config) (*Listing, error) {
	p := &Program{
		Fset: token.NewFileSet(), cfg: cfg, sizes: types.SizesFor("gc", arch(cfg.Env)),
		meta: make(map[string]*packages.Package), paths: make(map[string]*packages.Package), units: make(map[string]*unit),
	}
	roots, err := p.list(ctx, cfg.Patterns...)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(roots, func(a, b *packages.Package) int { return strings.Compare(a.PkgPath, b.PkgPath) })
	return &Listing{p, roots}, nil
}

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
	for _, pkg := range found {
		if pkg != nil {
			p.Packages = append(p.Packages, pkg)
		}
	}
	return p, nil
}

// list asks the go command about the packages that match patterns and about
// what they import, and returns the former.
func (p *Program) list(ctx context.Context, patterns ...string) ([]*packages.Package, error) {
	cfg := &packages.Config{
		Context: ctx,
		Mode:    packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
		Dir:     p.cfg.Dir,
		Env:     p.cfg.Env,
		// Version control has no say in this, and a broken checkout must not
		// stop it.
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
		if _, said, ok := strings.Cut(err.Error(), ": stderr: "); ok { // what people need of it
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
		if _, ok := p.paths[m.PkgPath]; !ok {
			p.paths[m.PkgPath] = m
		}
	})
	return roots, nil
}

// open reads the files of a package. It returns nil when none mentions taskgen.
func (p *Program) open(m *packages.Package) (*Package, error) {
	if m.PkgPath == "command-line-arguments" {
		return nil, errors.New("taskgen: name packages, not files: ./tasks or . for the package of this directory")
	}
	dir := dirOf(m)
	if dir == "" {
		return nil, fmt.Errorf("taskgen: %s: %s", m.PkgPath, listError(m))
	}
	texts, own, err := readDir(p.cfg.Trace, dir)
	if err != nil {
		return nil, fmt.Errorf("taskgen: %w", err)
	}
	p.noteGenerated(m, own)
	if !slices.ContainsFunc(texts, func(t text) bool { return t.mentions }) {
		return nil, nil
	}
	built := make(map[string]bool, len(m.GoFiles))
	for _, name := range m.GoFiles {
		built[name] = true
	}
	texts = slices.DeleteFunc(texts, func(t text) bool { return !built[t.path] && !t.mentions && !t.test })
	pkg := &Package{Path: m.PkgPath, Dir: dir, Name: m.Name}
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

// noteGenerated adds to the generated files those that are built. One that is
// too broken to be built counts too.
func (p *Program) noteGenerated(m *packages.Package, own []text) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range own {
		if slices.Contains(m.GoFiles, t.path) || !bytes.Contains(t.src, []byte("\n//go:build ")) {
			p.Generated = append(p.Generated, t.path)
		}
	}
}

// Scope returns the identifiers that the handwritten files of the package, its
// own tests included, declare at package level, sorted.
func (pkg *Package) Scope() []string {
	names := slices.AppendSeq([]string{}, maps.Keys(pkg.unit.decls))
	names = slices.AppendSeq(names, maps.Keys(pkg.tests.decls))
	slices.Sort(names)
	return slices.Compact(names)
}

// Declared returns where the package declares a name, its own tests included,
// and false when it does not.
func (pkg *Package) Declared(name string) (token.Pos, bool) {
	for _, u := range []*unit{pkg.unit, pkg.tests} {
		if ds := u.decls[name]; len(ds) > 0 {
			return ds[0].pos, true
		}
	}
	return token.NoPos, false
}

// Imported returns the import by which a handwritten file of the package has a
// name, be it the import's own or one that a dot import brings, and false when
// none does. The package cannot declare such a name in any file.
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

// IsType says whether the package declares a type of this name.
func (pkg *Package) IsType(name string) bool {
	return slices.ContainsFunc(pkg.unit.decls[name], func(d *decl) bool { return d.gen != nil && d.gen.Tok == token.TYPE })
}

// text is a file before it is parsed.
type text struct {
	path     string
	src      []byte
	mentions bool
	test     bool
}

// readDir reads the Go files of a directory that people wrote, sorted by name,
// and those that we did, whatever their names. A file with the name of a
// generated one and without the header is neither.
func readDir(t *Trace, dir string) (texts, own []text, err error) {
	entries, err := t.readDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || name[0] == '_' || name[0] == '.' {
			continue
		}
		path := filepath.Join(dir, name)
		src, err := t.readFile(path)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case generated(src):
			own = append(own, text{path: path, src: src})
		case !strings.HasSuffix(name, model.FileName("")):
			texts = append(texts, text{path, src, bytes.Contains(src, []byte(mark)), strings.HasSuffix(name, "_test.go")})
		}
	}
	return texts, own, nil
}

// generated says whether a file is one of ours: the header stands on a line of
// its own above the package clause.
func generated(src []byte) bool {
	for line := range bytes.Lines(src) {
		line = bytes.TrimRight(line, "\r\n")
		if string(line) == model.Header {
			return true
		}
		if bytes.HasPrefix(line, []byte("package ")) {
			return false
		}
	}
	return false
}

// dirOf returns the directory of a package, or "" when it has no files.
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

// listError is what go list said about a package.
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
