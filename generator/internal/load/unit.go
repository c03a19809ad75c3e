package load

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"path"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/tools/go/packages"

	"github.com/taskgen/taskgen/generator/internal/platform"
)

// A unit is one parsed package: its declarations by name.
type unit struct {
	meta    *packages.Package
	extra   map[string]*packages.Package // packages that only a generated file imports
	sources []*source
	decls   map[string][]*decl // at package level
	methods map[string][]*decl // by the name of the receiver's type
}

// A source is one file of a unit, with its imports by the names that it uses.
type source struct {
	file    *ast.File
	imports map[string]*importDecl
	dots    []*importDecl
	blanks  []*importDecl
}

type importDecl struct {
	path string
	spec *ast.ImportSpec
}

// A decl is one declaration at package level: a type, a variable or a constant
// in a GenDecl, or a function or method.
type decl struct {
	src  *source
	pos  token.Pos
	gen  *ast.GenDecl
	spec ast.Spec
	fn   *ast.FuncDecl
}

// unit returns the parsed package with this ID, or nil if go list does not know it. A
// file that cannot be read, or is broken, only lacks its declarations.
func (p *Program) unit(id string) *unit {
	p.mu.Lock()
	u, ok := p.units[id]
	m := p.meta[id]
	p.mu.Unlock()
	if ok || m == nil {
		return u
	}
	u = newUnit(m, p.parse(byHand(readFiles(p.cfg.Trace, m.GoFiles))))
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.units[id]; ok {
		return first
	}
	p.units[id] = u
	return u
}

// parse parses files concurrently.
func (p *Program) parse(texts []text) []*File {
	files := make([]*File, len(texts))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, t := range texts {
		g.Go(func() error { files[i] = parseFile(p.Fset, t); return nil })
	}
	_ = g.Wait() // the functions return nil
	return files
}

// parseFile parses a file, as far as possible if it is broken.
func parseFile(fset *token.FileSet, t text) *File {
	mode := parser.SkipObjectResolution
	if t.mentions {
		mode |= parser.ParseComments | parser.AllErrors
	}
	syntax, err := parser.ParseFile(fset, t.path, t.src, mode)
	f := &File{Path: t.path, Syntax: syntax, Mentioned: t.mentions, Test: t.test}
	f.Build, f.BuildErr = platform.Of(t.path, t.src)
	var list scanner.ErrorList
	if errors.As(err, &list) {
		f.Errors = list
	}
	return f
}

// newUnit indexes the declarations of files.
func newUnit(m *packages.Package, files []*File) *unit {
	u := &unit{
		meta: m, extra: make(map[string]*packages.Package),
		decls: make(map[string][]*decl), methods: make(map[string][]*decl),
	}
	for _, f := range files {
		if f.Syntax != nil {
			u.add(f.Syntax)
		}
	}
	return u
}

// add indexes one more file.
func (u *unit) add(file *ast.File) *source {
	src := &source{file: file, imports: make(map[string]*importDecl)}
	u.sources = append(u.sources, src)
	for _, spec := range file.Imports {
		u.addImport(src, spec)
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			u.addFunc(src, d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				u.addSpec(src, d, spec)
			}
		}
	}
	return src
}

func (u *unit) addImport(src *source, spec *ast.ImportSpec) {
	target, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return
	}
	im := &importDecl{path: target, spec: spec}
	name := u.nameOf(target)
	if spec.Name != nil {
		name = spec.Name.Name
	}
	switch name {
	case "_":
		src.blanks = append(src.blanks, im)
	case ".":
		src.dots = append(src.dots, im)
	default:
		src.imports[name] = im
	}
}

// nameOf is the name of a package that files of the unit import.
func (u *unit) nameOf(target string) string {
	if m := u.imported(target); m != nil && len(m.GoFiles) > 0 {
		return m.Name
	}
	return likelyName(target)
}

// likelyName is the likely name of a missing package, by its path: the last element
// without its version.
func likelyName(target string) string {
	name := path.Base(target)
	if version.MatchString(name) {
		name = path.Base(path.Dir(target))
	}
	name, _, _ = strings.Cut(name, ".v") // gopkg.in/yaml.v3
	return name
}

var version = regexp.MustCompile(`^v[0-9]+$`)

func (u *unit) addFunc(src *source, fn *ast.FuncDecl) {
	d := &decl{src: src, pos: fn.Name.Pos(), fn: fn}
	switch {
	case fn.Recv != nil:
		if name := receiver(fn); name != "" {
			u.methods[name] = append(u.methods[name], d)
		}
	case fn.Name.Name != "init" && fn.Name.Name != "_":
		u.decls[fn.Name.Name] = append(u.decls[fn.Name.Name], d)
	}
}

func (u *unit) addSpec(src *source, gen *ast.GenDecl, spec ast.Spec) {
	var names []*ast.Ident
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		names = []*ast.Ident{spec.Name}
	case *ast.ValueSpec:
		names = spec.Names
	}
	for _, name := range names {
		if name.Name != "_" {
			u.decls[name.Name] = append(u.decls[name.Name], &decl{src: src, pos: name.Pos(), gen: gen, spec: spec})
		}
	}
}

// receiver is the name of a method's receiver type.
func receiver(fn *ast.FuncDecl) string {
	if len(fn.Recv.List) == 0 {
		return ""
	}
	return BaseName(fn.Recv.List[0].Type)
}

// BaseName is the name in T, *T, (T) and T[A], and empty for anything else.
func BaseName(t ast.Expr) string {
	for {
		switch e := t.(type) {
		case *ast.Ident:
			return e.Name
		case *ast.StarExpr:
			t = e.X
		case *ast.ParenExpr:
			t = e.X
		case *ast.IndexExpr:
			t = e.X
		case *ast.IndexListExpr:
			t = e.X
		default:
			return ""
		}
	}
}

// imported is the package behind an import path in the files of the unit, or nil.
func (u *unit) imported(path string) *packages.Package {
	if m, ok := u.meta.Imports[path]; ok {
		return m
	}
	return u.extra[path]
}
