package analyzer

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// A handler is the code that runs the tasks of a type.
type handler struct {
	typ  *ast.FuncType
	body *ast.BlockStmt
	ctx  *types.Var // nil where the parameter has no name
}

// handlers finds the handlers of a package outside its tests: methods of the name and the types that a
// generated interface asks for, and functions that are converted to a generated
// HandlerFunc or passed to runtime.Register.
func handlers(pass *analysis.Pass) []handler {
	var (
		found []handler
		seen  = make(map[*ast.BlockStmt]bool)
		decls = make(map[*types.Func]*ast.FuncDecl)
		files = handwritten(pass, false)
	)
	add := func(typ *ast.FuncType, body *ast.BlockStmt) {
		if body != nil && !seen[body] {
			seen[body] = true
			found = append(found, handler{typ, body, contextOf(pass.TypesInfo, typ)})
		}
	}
	for _, f := range files {
		for _, d := range f.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			fn, _ := pass.TypesInfo.Defs[d.Name].(*types.Func)
			if fn == nil {
				continue
			}
			decls[fn] = d
			if isHandlerMethod(fn) {
				add(d.Type, d.Body)
			}
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch arg := ast.Unparen(handlerArg(pass.TypesInfo, call)).(type) {
			case *ast.FuncLit:
				add(arg.Type, arg.Body)
			case *ast.Ident:
				addDecl(add, decls, pass.TypesInfo.Uses[arg])
			case *ast.SelectorExpr:
				addDecl(add, decls, pass.TypesInfo.Uses[arg.Sel])
			}
			return true
		})
	}
	return found
}

func addDecl(add func(*ast.FuncType, *ast.BlockStmt), decls map[*types.Func]*ast.FuncDecl, obj types.Object) {
	if fn, ok := obj.(*types.Func); ok {
		if d := decls[fn.Origin()]; d != nil {
			add(d.Type, d.Body)
		}
	}
}

// handlerArg returns the function that a call makes a handler, or nil.
func handlerArg(info *types.Info, call *ast.CallExpr) ast.Expr {
	if tv := info.Types[call.Fun]; tv.IsType() && len(call.Args) == 1 {
		named, ok := types.Unalias(tv.Type).(*types.Named)
		if !ok || named.Obj().Pkg() == nil {
			return nil
		}
		base, ok := strings.CutSuffix(named.Obj().Name(), "HandlerFunc")
		if !ok || specOf(named.Obj().Pkg().Scope(), base, named.Obj().Exported()) == nil {
			return nil
		}
		return call.Args[0]
	}
	if fn := callee(info, call); fn != nil && len(call.Args) == 3 {
		if f := taskFuncOf(fn); f.role == registers && f.spec == nil {
			return call.Args[2]
		}
	}
	return nil
}

// isHandlerMethod reports whether a method is that of a generated interface of handlers.
func isHandlerMethod(fn *types.Func) bool {
	sig := fn.Signature()
	base, ok := cutWord(fn.Name(), "Handle")
	if !ok || sig.Recv() == nil || sig.Params().Len() != 2 || !isContext(sig.Params().At(0).Type()) {
		return false
	}
	payload := sig.Params().At(1).Type()
	named, ok := types.Unalias(payload).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	s := specOf(named.Obj().Pkg().Scope(), base, fn.Exported())
	return s != nil && types.Identical(payloadOf(s), payload)
}

// contextOf returns the parameter that is the context of a handler.
func contextOf(info *types.Info, typ *ast.FuncType) *types.Var {
	if len(typ.Params.List) == 0 || len(typ.Params.List[0].Names) == 0 {
		return nil
	}
	v, _ := info.Defs[typ.Params.List[0].Names[0]].(*types.Var)
	if v == nil || v.Name() == "_" {
		return nil
	}
	return v
}

// inspectOwn visits the code that a function runs itself, not that of the functions that are
// written within it.
func inspectOwn(body ast.Node, visit func(ast.Node) bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok && n != body {
			return false
		}
		return visit(n)
	})
}
