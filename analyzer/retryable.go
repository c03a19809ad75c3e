package analyzer

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var retryableCheck = &analysis.Analyzer{
	Name: "taskretryable",
	URL:  page("taskretryable"),
	Doc: `report errors of handlers that hide the error within

The pool looks into the error of a handler with errors.As and errors.Is: an error of Skip,
RetryAfter or Snooze, one with a method Retryable, or runtime.ErrInvalidTask decides what
becomes of the task. fmt.Errorf with %v or %s, and errors.New(err.Error()), keep the text and
lose that. Reported is what a handler returns directly or through runtime.RetryAfter. Not
reported are formats that wrap another error by %w, what is passed to runtime.Skip, the end of
a context, and errors that are variables of a package.`,
	Run: runRetryable,
}

func runRetryable(pass *analysis.Pass) (any, error) {
	for _, h := range handlers(pass) {
		inspectOwn(h.body, func(n ast.Node) bool {
			if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) > 0 {
				reportHidden(pass, r.Results[len(r.Results)-1])
			}
			return true
		})
	}
	return nil, nil
}

func reportHidden(pass *analysis.Pass, e ast.Expr) {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return
	}
	switch {
	case calls(pass.TypesInfo, call, runtimePath, "RetryAfter") && len(call.Args) == 2:
		reportHidden(pass, call.Args[1])
	case calls(pass.TypesInfo, call, "errors", "New") && len(call.Args) == 1:
		if err := textOf(pass.TypesInfo, call.Args[0]); err != nil && mayDecide(pass.TypesInfo, err) {
			pass.Report(analysis.Diagnostic{
				Pos: call.Pos(), End: call.End(),
				Message:        "the pool cannot see whether this error is to be retried, because errors.New keeps only its text: return the error itself",
				SuggestedFixes: fix("Return the error itself", edit(call, source(err))),
			})
		}
	case calls(pass.TypesInfo, call, "fmt", "Errorf") && len(call.Args) > 0:
		reportFormat(pass, call)
	}
}

// reportFormat reports the errors that fmt.Errorf formats without wrapping one.
func reportFormat(pass *analysis.Pass, call *ast.CallExpr) {
	lit, ok := ast.Unparen(call.Args[0]).(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING || call.Ellipsis.IsValid() {
		return
	}
	verbs, ok := parse(lit.Value)
	if !ok {
		return
	}
	for _, v := range verbs {
		if v.letter == 'w' {
			return
		}
	}
	for _, v := range verbs {
		if v.letter != 'v' && v.letter != 's' || v.arg >= len(call.Args) {
			continue
		}
		arg := call.Args[v.arg]
		err := ast.Unparen(arg)
		if of := textOf(pass.TypesInfo, arg); of != nil {
			err = of
		}
		if !mayDecide(pass.TypesInfo, err) {
			continue
		}
		at := lit.Pos() + token.Pos(v.at)
		edits := []analysis.TextEdit{{Pos: at, End: at + 1, NewText: []byte("w")}}
		if err != ast.Unparen(arg) {
			edits = append(edits, edit(arg, source(err)))
		}
		pass.Report(analysis.Diagnostic{
			Pos: arg.Pos(), End: arg.End(),
			Message:        "the pool cannot see whether this error is to be retried, because %" + string(v.letter) + " keeps only its text: wrap it with %w",
			SuggestedFixes: fix("Wrap the error with %w", edits...),
		})
	}
}

// A verb of a format.
type verb struct {
	letter byte
	at     int // of the letter in the literal, in bytes
	arg    int // the index of its value among the arguments of the call
}

// parse finds the verbs of a format, as it is written in the source: quotes and escapes
// included. It gives up on formats that choose arguments by index or take widths from them.
func parse(lit string) (verbs []verb, ok bool) {
	arg := 0
	for i := 0; i < len(lit); i++ {
		if lit[i] != '%' {
			continue
		}
		for i++; i < len(lit) && isFlag(lit[i]); i++ {
		}
		switch {
		case i == len(lit) || lit[i] == '[' || lit[i] == '*' || lit[i] == '\\':
			return nil, false
		case lit[i] != '%':
			arg++
			verbs = append(verbs, verb{lit[i], i, arg})
		}
	}
	return verbs, true
}

func isFlag(b byte) bool {
	return b == '+' || b == '-' || b == '#' || b == ' ' || b == '.' || '0' <= b && b <= '9'
}

// textOf returns the error of err.Error(), or nil.
func textOf(info *types.Info, e ast.Expr) ast.Expr {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || len(call.Args) != 0 {
		return nil
	}
	x, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || x.Sel.Name != "Error" || !isError(info.TypeOf(x.X)) {
		return nil
	}
	return x.X
}

// mayDecide reports whether an expression is an error that can decide what becomes of the
// task: not nil, not the end of a context, which the pool sees by itself, and not a variable
// of a package, which is the same for all tasks.
func mayDecide(info *types.Info, e ast.Expr) bool {
	if !isError(info.TypeOf(e)) {
		return false
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return isLocal(info.Uses[e])
	case *ast.SelectorExpr:
		return info.Selections[e] != nil
	case *ast.CallExpr:
		fn := callee(info, e)
		return fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != "context"
	}
	return false
}

func isLocal(obj types.Object) bool {
	v, ok := obj.(*types.Var)
	return ok && v.Pkg() != nil && v.Parent() != v.Pkg().Scope()
}

func source(e ast.Expr) string { return types.ExprString(e) }

func edit(n ast.Node, text string) analysis.TextEdit {
	return analysis.TextEdit{Pos: n.Pos(), End: n.End(), NewText: []byte(text)}
}

func fix(message string, edits ...analysis.TextEdit) []analysis.SuggestedFix {
	return []analysis.SuggestedFix{{Message: message, TextEdits: edits}}
}
