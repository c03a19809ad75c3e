package analyzer

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

var loopCheck = &analysis.Analyzer{
	Name: "taskenqueueloop",
	URL:  page("taskenqueueloop"),
	Doc: `report tasks that are enqueued one at a time in a loop

Each call of EnqueueMail waits for the broker. EnqueueMailBatch enqueues many tasks in as few
round trips as possible.

Reported is a call in the body of a loop over a slice, array, map, string or integer, or of
a loop with three clauses. It is not reported where the loop may need one call at a time: if
the answer is used, or the error for more than to end the loop; if the context, the enqueuer
or an option depends on the iteration; if an option is not made by
the runtime; if the call is in a switch, a select, a goroutine or a
function within the loop; if the body calls something else with a context, sleeps, or uses a
channel.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      runLoop,
}

func runLoop(pass *analysis.Pass) (any, error) {
	skip := make(map[*ast.File]bool)
	for _, f := range pass.Files {
		skip[f] = true
	}
	for _, f := range handwritten(pass, false) {
		skip[f] = false
	}
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	in.WithStack([]ast.Node{(*ast.CallExpr)(nil)}, func(n ast.Node, push bool, stack []ast.Node) bool {
		if !push || skip[stack[0].(*ast.File)] {
			return push && !skip[stack[0].(*ast.File)]
		}
		call := n.(*ast.CallExpr)
		fn := callee(pass.TypesInfo, call)
		if fn == nil {
			return true
		}
		f := taskFuncOf(fn)
		if f.role != enqueues {
			return true
		}
		c := loopCall{pass.TypesInfo, f, call, nil, nil}
		if c.inLoop(stack) && c.dropsAnswer(stack) && c.sameForAll() && c.alone() {
			name := display(pass.Pkg, fn)
			pass.ReportRangef(call, "%s is called for each task in a loop: collect the tasks and call %sBatch once, which needs fewer round trips", name, name)
		}
		return true
	})
	return nil, nil
}

// A loopCall is a call that may be in a loop.
type loopCall struct {
	info   *types.Info
	f      taskFunc
	call   *ast.CallExpr
	loop   ast.Stmt // the nearest
	failed ast.Node // what is done about an error
}

// inLoop reports whether the call belongs to the body of a loop with a known number of
// iterations.
func (c *loopCall) inLoop(stack []ast.Node) bool {
	for i := len(stack) - 2; i >= 0; i-- {
		switch n := stack[i].(type) {
		case *ast.FuncLit, *ast.FuncDecl, *ast.GoStmt, *ast.DeferStmt, *ast.SelectStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt:
			return false
		case *ast.ForStmt:
			c.loop = n
			return n.Body == stack[i+1] && n.Init != nil && n.Cond != nil && n.Post != nil
		case *ast.RangeStmt:
			c.loop = n
			return n.Body == stack[i+1] && bounded(c.info.TypeOf(n.X))
		}
	}
	return false
}

func bounded(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Slice, *types.Array, *types.Map, *types.Basic:
		return true
	case *types.Pointer: // to an array
		return bounded(t.Elem())
	}
	return false
}

// dropsAnswer reports whether nothing but the end of the loop depends on what the call
// returns.
func (c *loopCall) dropsAnswer(stack []ast.Node) bool {
	switch n := stack[len(stack)-2].(type) {
	case *ast.ExprStmt:
		return true
	case *ast.AssignStmt:
		if len(n.Lhs) != 2 || !isBlank(n.Lhs[0]) {
			return false
		}
		if isBlank(n.Lhs[1]) {
			return true
		}
		err := c.objectOf(n.Lhs[1])
		switch parent := stack[len(stack)-3].(type) {
		case *ast.IfStmt:
			return parent.Init == n && c.endsLoop(parent, err)
		case *ast.BlockStmt:
			for i, s := range parent.List {
				if s == n && i+1 < len(parent.List) {
					next, ok := parent.List[i+1].(*ast.IfStmt)
					return ok && next.Init == nil && c.endsLoop(next, err)
				}
			}
		}
	}
	return false
}

// endsLoop reports whether a statement leaves the loop if there is an error, and does nothing
// else but to report it.
func (c *loopCall) endsLoop(n *ast.IfStmt, err types.Object) bool {
	cond, ok := n.Cond.(*ast.BinaryExpr)
	if !ok || cond.Op != token.NEQ || err == nil || c.objectOf(cond.X) != err || !c.info.Types[cond.Y].IsNil() || n.Else != nil {
		return false
	}
	for i, s := range n.Body.List {
		last := i == len(n.Body.List)-1
		switch s := s.(type) {
		case *ast.ReturnStmt:
			c.failed = n.Body
			return last
		case *ast.BranchStmt:
			c.failed = n.Body
			return last && s.Tok == token.BREAK
		case *ast.ExprStmt:
			if last {
				c.failed = n.Body
				return c.exits(s.X)
			}
		case *ast.AssignStmt:
		default:
			return false
		}
	}
	return false
}

// exits reports whether a call does not return.
func (c *loopCall) exits(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	if id, ok := call.Fun.(*ast.Ident); ok && c.info.Uses[id] == types.Universe.Lookup("panic") {
		return true
	}
	fn := callee(c.info, call)
	return fn != nil && fn.Pkg() != nil && (fn.Pkg().Path() == "log" && strings.HasPrefix(fn.Name(), "Fatal") || fn.Pkg().Path() == "os" && fn.Name() == "Exit")
}

// sameForAll reports whether all arguments but the task are the same in each iteration, and
// the options are made by functions of the runtime alone.
func (c *loopCall) sameForAll() bool {
	task := 2
	if c.f.spec == nil {
		task = 3 // behind the spec
	}
	for i, arg := range c.call.Args {
		if i == task {
			continue
		}
		option, _ := ast.Unparen(arg).(*ast.CallExpr)
		same := i < task || c.call.Ellipsis.IsValid() || option != nil && c.makesOption(option)
		ast.Inspect(arg, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if v, ok := c.info.Uses[n].(*types.Var); ok && !v.IsField() && c.loop.Pos() <= v.Pos() && v.Pos() < c.loop.End() {
					same = false
				}
			case *ast.CallExpr:
				if i > task && !c.info.Types[n.Fun].IsType() && !c.makesOption(n) {
					same = false
				}
			}
			return same
		})
		if !same {
			return false
		}
	}
	return true
}

// makesOption reports whether the runtime makes the option, which then does the same to each task.
func (c *loopCall) makesOption(call *ast.CallExpr) bool {
	fn := callee(c.info, call)
	return fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == runtimePath && strings.HasPrefix(fn.Name(), "With")
}

// alone reports whether the rest of the body has nothing that waits: what it does between two
// tasks may depend on the first.
func (c *loopCall) alone() bool {
	alone := true
	ast.Inspect(c.loop, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SendStmt, *ast.SelectStmt, *ast.GoStmt:
			alone = false
		case *ast.UnaryExpr:
			alone = alone && n.Op != token.ARROW
		case *ast.CallExpr:
			alone = alone && (n == c.call || !c.waits(n))
		}
		return alone && (n == nil || n != c.failed)
	})
	return alone
}

func (c *loopCall) waits(call *ast.CallExpr) bool {
	if calls(c.info, call, "time", "Sleep") {
		return true
	}
	if fn := callee(c.info, call); fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == "log/slog" {
		return false
	}
	for _, arg := range call.Args {
		if t := c.info.TypeOf(arg); t != nil && isContext(t) {
			return true
		}
	}
	return false
}

func (c *loopCall) objectOf(e ast.Expr) types.Object {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	return c.info.ObjectOf(id)
}

func isBlank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "_"
}
