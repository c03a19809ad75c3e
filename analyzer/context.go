package analyzer

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var contextCheck = &analysis.Analyzer{
	Name: "taskcontext",
	URL:  page("taskcontext"),
	Doc: `report handlers that ignore their context, or hide that it has ended

The context of a handler ends at the timeout of its task, when the lease is lost, when the pool
stops, and when an operator cancels the task. Two mistakes are reported.

A handler never uses its context, and calls context.Background or context.TODO instead: what
it calls goes on although the task may run elsewhere.

A handler returns nil because its context has ended: in the branch of "if ctx.Err() != nil",
in "case <-ctx.Done()" or behind the statement "<-ctx.Done()". The pool takes the task as
done, and it never runs again. This is not reported if the branch does more than to log,
because the handler may have enqueued the rest of the work, and not if the handler assigns to
its context.`,
	Run: runContext,
}

func runContext(pass *analysis.Pass) (any, error) {
	for _, h := range handlers(pass) {
		reportDetached(pass, h)
		if h.ctx != nil {
			c := contextEnd{pass, h.ctx}
			if !c.assigned(h.body) {
				c.report(h.body)
			}
		}
	}
	return nil, nil
}

// reportDetached reports the contexts that a handler makes though it never uses its own.
func reportDetached(pass *analysis.Pass, h handler) {
	used := false
	var made []*ast.CallExpr
	ast.Inspect(h.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			used = used || h.ctx != nil && pass.TypesInfo.Uses[n] == h.ctx
		case *ast.CallExpr:
			if calls(pass.TypesInfo, n, "context", "Background", "TODO") {
				made = append(made, n)
			}
		}
		return true
	})
	if used {
		return
	}
	for _, call := range made {
		d := analysis.Diagnostic{
			Pos: call.Pos(), End: call.End(),
			Message: "the handler does not use its context: what it calls goes on after the task has ended; pass the context of the handler",
		}
		if h.ctx != nil && visible(pass, h.ctx, call.Pos()) {
			d.SuggestedFixes = []analysis.SuggestedFix{{
				Message:   "Pass " + h.ctx.Name(),
				TextEdits: []analysis.TextEdit{{Pos: call.Pos(), End: call.End(), NewText: []byte(h.ctx.Name())}},
			}}
		}
		pass.Report(d)
	}
}

// visible reports whether the name of a variable means that variable at a position.
func visible(pass *analysis.Pass, v *types.Var, at token.Pos) bool {
	scope := pass.Pkg.Scope().Innermost(at)
	if scope == nil {
		return false
	}
	_, obj := scope.LookupParent(v.Name(), at)
	return obj == v
}

// A contextEnd finds where a handler returns nil because its context has ended.
type contextEnd struct {
	pass *analysis.Pass
	ctx  *types.Var
}

// assigned reports whether the handler makes its variable another context.
func (c contextEnd) assigned(body *ast.BlockStmt) (assigned bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		if n, ok := n.(*ast.AssignStmt); ok {
			for _, left := range n.Lhs {
				id, ok := left.(*ast.Ident)
				assigned = assigned || ok && c.pass.TypesInfo.Uses[id] == c.ctx
			}
		}
		return true
	})
	return assigned
}

func (c contextEnd) report(body *ast.BlockStmt) {
	inspectOwn(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			if c.hasEnded(n.Cond) {
				c.branch(n.Body.List)
			}
		case *ast.CaseClause:
			if len(n.List) == 1 && c.hasEnded(n.List[0]) {
				c.branch(n.Body)
			}
		case *ast.CommClause:
			if s, ok := n.Comm.(*ast.ExprStmt); ok && c.isDone(s.X) {
				c.branch(n.Body)
			}
		case *ast.BlockStmt:
			for i, s := range n.List {
				if s, ok := s.(*ast.ExprStmt); ok && c.isDone(s.X) {
					c.branch(n.List[i+1:])
				}
			}
		}
		return true
	})
}

// branch reports the statements of a branch that log at most, and return nil.
func (c contextEnd) branch(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if !c.logs(s.X) {
				return
			}
		case *ast.ReturnStmt:
			if len(s.Results) == 0 {
				return
			}
			last := s.Results[len(s.Results)-1]
			if !c.pass.TypesInfo.Types[last].IsNil() {
				return
			}
			end := c.ctx.Name() + ".Err()"
			c.pass.Report(analysis.Diagnostic{
				Pos: s.Pos(), End: s.End(),
				Message: "the handler returns nil because its context has ended, and the pool takes the task as done: return " + end,
				SuggestedFixes: []analysis.SuggestedFix{{
					Message:   "Return " + end,
					TextEdits: []analysis.TextEdit{{Pos: last.Pos(), End: last.End(), NewText: []byte(end)}},
				}},
			})
			return
		default:
			return
		}
	}
}

// hasEnded reports whether a condition is ctx.Err() != nil.
func (c contextEnd) hasEnded(e ast.Expr) bool {
	b, ok := ast.Unparen(e).(*ast.BinaryExpr)
	return ok && b.Op == token.NEQ && c.method(b.X, "Err") && c.pass.TypesInfo.Types[b.Y].IsNil()
}

// isDone reports whether an expression is <-ctx.Done().
func (c contextEnd) isDone(e ast.Expr) bool {
	u, ok := ast.Unparen(e).(*ast.UnaryExpr)
	return ok && u.Op == token.ARROW && c.method(u.X, "Done")
}

// method reports whether a method of the context is called.
func (c contextEnd) method(e ast.Expr, name string) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return false
	}
	x, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || x.Sel.Name != name {
		return false
	}
	id, ok := ast.Unparen(x.X).(*ast.Ident)
	return ok && c.pass.TypesInfo.Uses[id] == c.ctx
}

func (c contextEnd) logs(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	fn := callee(c.pass.TypesInfo, call)
	if fn == nil || fn.Pkg() == nil {
		return false
	}
	switch fn.Pkg().Path() {
	case "log", "log/slog", "fmt":
		return true
	}
	return false
}
