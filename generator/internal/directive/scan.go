package directive

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/diag"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
)

// Found are the directives of a package.
type Found struct {
	Package []*Directive // on the package clauses
	Types   []*Type      // those with directives other than allow, in the order of files and lines
	Allows  []*Allow     // in the order of files and lines
}

// A Type is a declaration that carries directives.
type Type struct {
	File       *ast.File
	Spec       *ast.TypeSpec
	Doc        string // without the directives
	Directives []*Directive
}

// Get returns the directive with a name, or nil.
func (t *Type) Get(name string) *Directive { return get(t.Directives, name) }

// All returns the directives with a name, in order.
func (t *Type) All(name string) []*Directive {
	return slices.DeleteFunc(slices.Clone(t.Directives), func(d *Directive) bool { return d.Spec.Name != name })
}

// Get returns the directive with a name that is on a package clause, or nil.
func (f *Found) Get(name string) *Directive { return get(f.Package, name) }

func get(ds []*Directive, name string) *Directive {
	i := slices.IndexFunc(ds, func(d *Directive) bool { return d.Spec.Name == name })
	if i < 0 {
		return nil
	}
	return ds[i]
}

// Scan finds the directives of a package's files, which were parsed with their
// comments. Misplaced directives are reported and left out.
func Scan(fset *token.FileSet, files []*ast.File) (*Found, []diag.Diagnostic) {
	s := scanner{fset: fset}
	for _, f := range files {
		s.file(f)
	}
	return &s.found, s.diags
}

// Excluded reports the directives of a file that is never built; why is the reason.
func Excluded(fset *token.FileSet, file *ast.File, why, fix string) []diag.Diagnostic {
	var diags []diag.Diagnostic
	for _, group := range file.Comments {
		for _, c := range group.List {
			if d, ok := ast.ParseDirective(c.Slash, c.Text); ok && d.Tool == tool {
				at := SpanAt(fset, c.Slash, int(d.ArgsPos-c.Slash)+len(d.Args))
				diags = append(diags, rule.DirectiveExcluded.At(at, fix, "//taskgen:%s is in %s", d.Name, why))
			}
		}
	}
	return diags
}

type scanner struct {
	fset  *token.FileSet
	found Found
	diags []diag.Diagnostic
}

func (s *scanner) file(f *ast.File) {
	owners := typesByDoc(f)
	for _, group := range f.Comments {
		for _, c := range group.List {
			d, diags := parse(SpanAt(s.fset, c.Slash, 0).Pos, c.Text)
			s.diags = append(s.diags, diags...)
			if d == nil {
				continue
			}
			switch owner := owners[group]; {
			case d.Spec.Name == "allow" && s.allow(f, group, d):
			case group == f.Doc:
				s.onPackage(d)
			case owner != nil:
				s.onType(owner, d)
			default:
				s.detached(f, c, d)
			}
		}
	}
	for _, decl := range f.Decls {
		if gen, ok := decl.(*ast.GenDecl); ok {
			s.found.Types = append(s.found.Types, ownersOf(gen, owners)...)
		}
	}
}

// typesByDoc maps the comment above each type to the type.
func typesByDoc(f *ast.File) map[*ast.CommentGroup]*Type {
	owners := make(map[*ast.CommentGroup]*Type)
	for _, decl := range f.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.TypeSpec)
			if doc := docOf(gen, spec); doc != nil {
				owners[doc] = &Type{File: f, Spec: spec, Doc: strings.TrimSpace(doc.Text())}
			}
		}
	}
	return owners
}

// docOf is the comment above a type, which the parser attaches to the declaration if
// the type is not in a group.
func docOf(gen *ast.GenDecl, spec *ast.TypeSpec) *ast.CommentGroup {
	if !gen.Lparen.IsValid() {
		return gen.Doc
	}
	return spec.Doc
}

func ownersOf(gen *ast.GenDecl, owners map[*ast.CommentGroup]*Type) []*Type {
	var types []*Type
	for _, spec := range gen.Specs {
		if spec, ok := spec.(*ast.TypeSpec); ok {
			if t := owners[docOf(gen, spec)]; t != nil && len(t.Directives) > 0 {
				types = append(types, t)
			}
		}
	}
	return types
}

func (s *scanner) onPackage(d *Directive) {
	if s.misplaced(d, onPackage) {
		return
	}
	if !d.Spec.Many && s.repeated(s.found.Package, d) {
		return
	}
	s.found.Package = append(s.found.Package, d)
}

func (s *scanner) onType(t *Type, d *Directive) {
	if s.misplaced(d, onType) {
		return
	}
	if !d.Spec.Many && s.repeated(t.Directives, d) {
		return
	}
	t.Directives = append(t.Directives, d)
}

func (s *scanner) misplaced(d *Directive, on place) bool {
	if slices.Contains(d.Spec.On, on) {
		return false
	}
	s.diags = append(s.diags, rule.DirectivePlace.At(d.Span, "move it into the comment above "+where(d.Spec),
		"//taskgen:%s does not go on a %s", d.Spec.Name, on))
	return true
}

// where is the text about where a directive belongs.
func where(spec *Spec) string {
	places := make([]string, len(spec.On))
	for i, p := range spec.On {
		places[i] = "the " + string(p)
	}
	return strings.Join(places, " or ")
}

func (s *scanner) repeated(ds []*Directive, d *Directive) bool {
	first := get(ds, d.Spec.Name)
	if first == nil {
		return false
	}
	again := rule.DirectiveRepeated.At(d.Span, "", "//taskgen:%s is given twice", d.Spec.Name)
	s.diags = append(s.diags, rule.Related(again, first.Span.Pos, "first given here"))
	return true
}

// detached reports a directive that belongs to no declaration.
func (s *scanner) detached(f *ast.File, c *ast.Comment, d *Directive) {
	what, fix, at := s.surroundings(f, c, d)
	bad := rule.DirectiveDetached.At(d.Span, fix, "//taskgen:%s %s", d.Spec.Name, what)
	if at.Line > 0 {
		bad = rule.Related(bad, at, "the next declaration")
	}
	s.diags = append(s.diags, bad)
}

func (s *scanner) surroundings(f *ast.File, c *ast.Comment, d *Directive) (what, fix string, next model.Pos) {
	if c.Pos() < f.Package {
		return "is not attached to the package clause: a blank line separates them", "remove the blank line",
			SpanAt(s.fset, f.Package, 0).Pos
	}
	// The first declaration that ends after the comment, and the one before it.
	i, _ := slices.BinarySearchFunc(f.Decls, c.Pos(), func(decl ast.Decl, pos token.Pos) int { return cmp.Compare(decl.End(), pos+1) })
	move := "move it into the comment above " + where(d.Spec)
	if i > 0 && s.fset.Position(f.Decls[i-1].End()).Line == s.fset.Position(c.Pos()).Line {
		return "is behind a declaration, where it has no effect", move, model.Pos{}
	}
	if i < len(f.Decls) {
		decl := f.Decls[i]
		switch {
		case decl.Pos() <= c.Pos():
			return "is inside a declaration, where it has no effect", move, model.Pos{}
		case documents(decl, c):
			return "is on " + kindOf(decl) + ", where it has no effect", move, model.Pos{}
		}
		at := SpanAt(s.fset, decl.Pos(), 0).Pos
		if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.TYPE && slices.Contains(d.Spec.On, onType) && len(gen.Specs) > 0 {
			name := gen.Specs[0].(*ast.TypeSpec).Name.Name
			return "is not attached to a struct: a blank line separates them", fmt.Sprintf("remove the blank line above %s", name), at
		}
		return "is not attached to a declaration", move, at
	}
	return "is not attached to a declaration: none follows", "move it into the comment above " + where(d.Spec), model.Pos{}
}

// documents reports whether a comment is in the doc of a declaration.
func documents(decl ast.Decl, c *ast.Comment) bool {
	var doc *ast.CommentGroup
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		doc = decl.Doc
	case *ast.GenDecl:
		doc = decl.Doc
	}
	return doc != nil && doc.Pos() <= c.Pos() && c.Pos() < doc.End()
}

func kindOf(decl ast.Decl) string {
	gen, ok := decl.(*ast.GenDecl)
	switch {
	case !ok:
		return "a function"
	case gen.Tok == token.TYPE:
		return "a group of types"
	case gen.Tok == token.IMPORT:
		return "an import"
	}
	return "a " + gen.Tok.String()
}
