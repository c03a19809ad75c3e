package load

import (
	"fmt"
	"go/ast"
	"go/types"
)

// maxParts bounds the parts of a type by value, with the parts of other types. go/types
// follows every path to every part, and a few declarations can have too many: sixty
// structs with two fields of the next one each.
const maxParts = 1 << 20

// sizes counts the parts of types by value, by their syntax only.
type sizes struct {
	prog  *Program
	known map[*ast.TypeSpec]int
}

// oversized marks the types of a reach that go/types must not see.
func (r *reach) oversized() {
	s := sizes{prog: r.prog, known: make(map[*ast.TypeSpec]int)}
	for u, k := range r.kept {
		for name := range k.names {
			for _, d := range u.decls[name] {
				if spec, ok := d.spec.(*ast.TypeSpec); ok && s.spec(u, d.src, spec) > maxParts {
					k.oversized[spec] = true
				}
			}
		}
	}
}

func (s *sizes) spec(u *unit, src *source, spec *ast.TypeSpec) int {
	if n, ok := s.known[spec]; ok {
		return n
	}
	s.known[spec] = 1 // on the way to itself: go/types finds that
	s.known[spec] = min(s.expr(u, src, spec.Type), maxParts+1)
	return s.known[spec]
}

func (s *sizes) expr(u *unit, src *source, e ast.Expr) int {
	switch e := e.(type) {
	case *ast.Ident:
		return s.name(u, e.Name)
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && src.imports[x.Name] != nil {
			if m := u.imported(src.imports[x.Name].path); m != nil {
				if dep := s.prog.unit(m.ID); dep != nil {
					return s.name(dep, e.Sel.Name)
				}
			}
		}
	case *ast.ParenExpr:
		return s.expr(u, src, e.X)
	case *ast.ArrayType:
		if e.Len != nil {
			return s.expr(u, src, e.Elt)
		}
	case *ast.IndexExpr:
		return s.sum(u, src, e.X, e.Index)
	case *ast.IndexListExpr:
		return s.sum(u, src, append([]ast.Expr{e.X}, e.Indices...)...)
	case *ast.StructType:
		return s.fields(u, src, e.Fields)
	case *ast.InterfaceType:
		return s.fields(u, src, e.Methods)
	}
	return 1
}

func (s *sizes) name(u *unit, name string) int {
	n := 1
	for _, d := range u.decls[name] {
		if spec, ok := d.spec.(*ast.TypeSpec); ok {
			n = max(n, s.spec(u, d.src, spec))
		}
	}
	return n
}

func (s *sizes) sum(u *unit, src *source, all ...ast.Expr) int {
	n := 1
	for _, e := range all {
		n = min(n+s.expr(u, src, e), maxParts+1)
	}
	return n
}

func (s *sizes) fields(u *unit, src *source, list *ast.FieldList) int {
	n := 1
	for _, f := range list.List {
		n = min(n+max(1, len(f.Names))*s.expr(u, src, f.Type), maxParts+1)
	}
	return n
}

// oversize is the error for such a type.
func (c *checker) oversize(spec *ast.TypeSpec) types.Error {
	return types.Error{Fset: c.prog.Fset, Pos: spec.Name.Pos(), Msg: fmt.Sprintf("type %s is too large: it has more than %d parts", spec.Name.Name, maxParts)}
}
