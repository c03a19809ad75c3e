package analyzer

import (
	"go/ast"
	"go/constant"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

var secretCheck = &analysis.Analyzer{
	Name: "tasksecret",
	URL:  page("tasksecret"),
	Doc: `report constants in fields that are tagged task:"secret"

Such a field is kept out of logs and errors, but a constant is in the source, in the history
of the repository and in the binary. The check reports constant strings that are not empty,
also as []byte, in composite literals and assignments. runtime.Redacted is not reported.`,
	Run: runSecret,
}

func runSecret(pass *analysis.Pass) (any, error) {
	check := func(field *types.Var, tag string, value ast.Expr) {
		if isSecret(tag) && isText(pass.TypesInfo, value) {
			pass.ReportRangef(value, `a constant in %s, which is tagged task:"secret", can be read in the source and in the binary: load it when the program runs`, field.Name())
		}
	}
	for _, f := range handwritten(pass, false) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				s, ok := structOf(pass.TypesInfo.TypeOf(n))
				if !ok {
					return true
				}
				for i, e := range n.Elts {
					if kv, keyed := e.(*ast.KeyValueExpr); keyed {
						key, _ := kv.Key.(*ast.Ident)
						i, e = fieldNamed(s, key), kv.Value
					}
					if 0 <= i && i < s.NumFields() {
						check(s.Field(i), s.Tag(i), e)
					}
				}
			case *ast.AssignStmt:
				if len(n.Lhs) != len(n.Rhs) {
					return true
				}
				for i, left := range n.Lhs {
					if field, tag := selected(pass.TypesInfo, left); field != nil {
						check(field, tag, n.Rhs[i])
					}
				}
			}
			return true
		})
	}
	return nil, nil
}

// isSecret reads tags as the runtime does.
func isSecret(tag string) bool {
	return slices.Contains(strings.Split(reflect.StructTag(tag).Get("task"), ","), "secret")
}

func structOf(t types.Type) (*types.Struct, bool) {
	if t == nil {
		return nil, false
	}
	t = t.Underlying()
	if p, ok := t.(*types.Pointer); ok { // an element of []*T{{…}}
		t = p.Elem().Underlying()
	}
	s, ok := t.(*types.Struct)
	return s, ok
}

func fieldNamed(s *types.Struct, key *ast.Ident) int {
	for i := range s.NumFields() {
		if key != nil && s.Field(i).Name() == key.Name {
			return i
		}
	}
	return -1
}

// selected returns the field that x.f names, and its tag; nil for anything else.
func selected(info *types.Info, e ast.Expr) (*types.Var, string) {
	x, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return nil, ""
	}
	s := info.Selections[x]
	if s == nil || s.Kind() != types.FieldVal {
		return nil, ""
	}
	t, tag := s.Recv(), ""
	for _, i := range s.Index() { // through embedded fields
		in, ok := structOf(t)
		if !ok {
			return nil, ""
		}
		t, tag = in.Field(i).Type(), in.Tag(i)
	}
	return s.Obj().(*types.Var), tag
}

// isText reports whether an expression is a constant string with something in it, or made of
// one by a conversion.
func isText(info *types.Info, e ast.Expr) bool {
	e = ast.Unparen(e)
	if v := info.Types[e].Value; v != nil {
		return v.Kind() == constant.String && constant.StringVal(v) != "" && !isRedacted(info, e)
	}
	call, ok := e.(*ast.CallExpr)
	return ok && len(call.Args) == 1 && info.Types[call.Fun].IsType() && isText(info, call.Args[0])
}

func isRedacted(info *types.Info, e ast.Expr) bool {
	x, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	obj := info.Uses[x.Sel]
	return obj != nil && obj.Name() == "Redacted" && obj.Pkg() != nil && obj.Pkg().Path() == runtimePath
}
