package load

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// Reason finds out why the type of a field, or a declaration, could not be resolved:
// the error of go/types about it, or about a declaration or an import that it needs.
// pos is in the field or at the declared name, in any package that Check has reached.
// It returns false if there is no error.
func (p *Program) Reason(pos token.Pos) (types.Error, bool) {
	for u := range p.checked.done {
		for _, src := range u.sources {
			if src.file.FileStart <= pos && pos < src.file.FileEnd {
				f := finder{c: p.checked, seen: make(map[ast.Node]bool)}
				return f.find(u, src, around(src.file, pos))
			}
		}
	}
	return types.Error{}, false
}

// A Fault is an error of go/types in the declaration of a type, or in one that it
// needs.
type Fault struct {
	types.Error
	Field *ast.Field // the field that needs the faulty declaration; nil: the declaration itself is faulty
}

// Faults are the errors of go/types about the declaration of a struct of the package,
// and about the declarations that it needs, in other packages too. Functions and
// methods are not among these.
func (p *Program) Faults(pkg *Package, spec *ast.TypeSpec) []Fault {
	clean := true
	for _, done := range p.checked.done {
		clean = clean && len(done.errs) == 0
	}
	var src *source
	for _, d := range pkg.unit.decls[spec.Name.Name] {
		if d.spec == spec {
			src = d.src
		}
	}
	if clean || src == nil {
		return nil
	}
	collector := newErrorCollector(p.checked)
	var faults []Fault
	if st, ok := spec.Type.(*ast.StructType); ok {
		for _, field := range st.Fields.List {
			collector.collect(pkg.unit, src, field)
			for _, e := range collector.errs[len(faults):] {
				faults = append(faults, Fault{e, field})
			}
		}
	}
	collector.collect(pkg.unit, src, spec)
	for _, e := range collector.errs[len(faults):] {
		faults = append(faults, Fault{e, nil})
	}
	return faults
}

// errorCollector collects the errors in declarations and in those that they need, each once.
type errorCollector struct {
	c        *checker
	seen     map[ast.Node]bool
	reported map[token.Pos]bool
	errs     []types.Error
}

func newErrorCollector(c *checker) *errorCollector {
	return &errorCollector{c: c, seen: make(map[ast.Node]bool), reported: make(map[token.Pos]bool)}
}

func (ec *errorCollector) declared(u *unit, name string) {
	for _, d := range u.decls[name] {
		if d.spec != nil {
			ec.collect(u, d.src, d.spec)
		}
	}
}

func (ec *errorCollector) collect(u *unit, src *source, root ast.Node) {
	done := ec.c.done[u]
	if ec.seen[root] || done == nil {
		return
	}
	ec.seen[root] = true
	for _, e := range done.errs {
		more := strings.HasPrefix(e.Msg, "\t") // it continues the one before
		if root.Pos() <= e.Pos && e.Pos < root.End() && !ec.reported[e.Pos] && !more {
			ec.reported[e.Pos] = true
			ec.errs = append(ec.errs, e)
		}
	}
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && src.imports[x.Name] != nil {
				ec.imported(u, src.imports[x.Name], n.Sel.Name)
			}
			return false
		case *ast.Ident:
			if spec, ok := root.(*ast.TypeSpec); ok && spec.Name == n {
				break
			}
			if u.decls[n.Name] != nil {
				ec.declared(u, n.Name)
				break
			}
			for _, im := range src.dots {
				ec.imported(u, im, n.Name)
			}
		}
		return true
	})
}

func (ec *errorCollector) imported(u *unit, im *importDecl, name string) {
	if m := u.imported(im.path); m != nil {
		if dep := ec.c.prog.unit(m.ID); dep != nil {
			ec.declared(dep, name)
		}
	}
}

// around is the innermost field or type declaration around a position.
func around(file *ast.File, pos token.Pos) ast.Node {
	var found ast.Node = file
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil || pos < n.Pos() || n.End() <= pos {
			return false
		}
		switch n.(type) {
		case *ast.Field, *ast.TypeSpec:
			found = n
		}
		return true
	})
	return found
}

// finder looks for the error behind an invalid type, through the declarations that lead
// to it.
type finder struct {
	c    *checker
	seen map[ast.Node]bool
}

func (f *finder) find(u *unit, src *source, n ast.Node) (types.Error, bool) {
	done := f.c.done[u]
	if f.seen[n] || done == nil {
		return types.Error{}, false
	}
	f.seen[n] = true
	// A missing package comes first: go/types may not have known its name, and then
	// calls its uses undefined.
	if e, ok := missingImport(done.errs, src, n); ok {
		return e, true
	}
	if e, ok := within(done.errs, n); ok {
		return e, true
	}
	var (
		found types.Error
		ok    bool
	)
	ast.Inspect(n, func(n ast.Node) bool {
		if ok {
			return false
		}
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, isIdent := n.X.(*ast.Ident); isIdent {
				switch im := src.imports[x.Name]; {
				case im != nil && im.path == "C":
					found, ok = types.Error{Fset: f.c.prog.Fset, Pos: n.Pos(), Msg: "C." + n.Sel.Name + " is a type of C, and only cgo knows what it is"}, true
				case im != nil:
					found, ok = f.imported(u, im, n.Sel.Name)
				}
			}
			return false
		case *ast.Ident:
			found, ok = f.declared(u, n.Name)
		}
		return true
	})
	return found, ok
}

func (f *finder) imported(u *unit, im *importDecl, name string) (types.Error, bool) {
	if m := u.imported(im.path); m != nil {
		if dep := f.c.prog.unit(m.ID); dep != nil {
			return f.declared(dep, name)
		}
	}
	return types.Error{}, false
}

func (f *finder) declared(u *unit, name string) (types.Error, bool) {
	for _, d := range u.decls[name] {
		if d.spec != nil {
			if e, ok := f.find(u, d.src, d.spec); ok {
				return e, true
			}
		}
	}
	return types.Error{}, false
}

// missingImport is the error of an import that a piece of syntax uses.
func missingImport(errs []types.Error, src *source, n ast.Node) (found types.Error, ok bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if x, isIdent := n.(*ast.Ident); isIdent && !ok && src.imports[x.Name] != nil {
			found, ok = within(errs, src.imports[x.Name].spec)
		}
		return !ok
	})
	return found, ok
}

func within(errs []types.Error, n ast.Node) (types.Error, bool) {
	i := slices.IndexFunc(errs, func(e types.Error) bool { return n.Pos() <= e.Pos && e.Pos < n.End() })
	if i < 0 {
		return types.Error{}, false
	}
	return errs[i], true
}
