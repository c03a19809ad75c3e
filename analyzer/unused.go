package analyzer

import (
	"go/ast"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
)

var unusedCheck = &analysis.Analyzer{
	Name: "taskunusedresult",
	URL:  page("taskunusedresult"),
	Doc: `report errors of enqueueing, scheduling and cancelling that are ignored

A task whose enqueue returned an error may not be on its queue: nothing else in the program
says so. The check reports a call whose error is dropped: as a statement of its own, by the
blank identifier, by go and by defer. It looks at the generated functions EnqueueX,
EnqueueXBatch, ScheduleX, ModifyX and RegisterSchedules, at the functions of the runtime that
they call, and at the methods of managers, schedulers and queues that enqueue, schedule,
cancel, change, pause, resume, reschedule, purge or delete. In tests the blank identifier is
not reported.`,
	Run: runUnused,
}

// changing are the methods of packages runtime, driver and schedule whose errors matter.
var changing = []string{"Enqueue", "Schedule", "Cancel", "Modify", "Pause", "Resume", "RunNow", "Reschedule", "Purge", "Delete"}

func runUnused(pass *analysis.Pass) (any, error) {
	check := func(e ast.Expr, started bool) {
		call, ok := ast.Unparen(e).(*ast.CallExpr)
		if !ok {
			return
		}
		fn := callee(pass.TypesInfo, call)
		if fn == nil {
			return
		}
		consequence := ignoring(fn)
		if consequence == "" {
			return
		}
		remedy := "return it, or log it"
		if started {
			remedy = "call it in a function that returns or logs its error"
		}
		pass.ReportRangef(call, "the error of %s is ignored, and with it that %s: %s", display(pass.Pkg, fn), consequence, remedy)
	}
	for _, f := range handwritten(pass, true) {
		test := isTest(pass.Fset, f)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ExprStmt:
				check(n.X, false)
			case *ast.GoStmt:
				check(n.Call, true)
			case *ast.DeferStmt:
				check(n.Call, true)
			case *ast.AssignStmt:
				if !test && len(n.Rhs) == 1 && isBlank(n.Lhs[len(n.Lhs)-1]) {
					check(n.Rhs[0], false)
				}
			}
			return true
		})
	}
	return nil, nil
}

// ignoring says what nobody learns if the error of a function is ignored. It is empty if the
// function is none of those that the check is about.
func ignoring(fn *types.Func) string {
	results := fn.Signature().Results()
	if results.Len() == 0 || !isError(results.At(results.Len()-1).Type()) {
		return ""
	}
	switch taskFuncOf(fn).role {
	case enqueues:
		return "the task may not be on its queue"
	case enqueuesBatch:
		return "some of the tasks may not be on their queue"
	case schedules:
		return "the job may not be scheduled"
	case modifies:
		return "the job may be as it was"
	case declares:
		return "the jobs may not be scheduled"
	}
	if fn.Pkg() == nil || fn.Signature().Recv() == nil || !slices.Contains(changing, fn.Name()) ||
		!slices.Contains([]string{runtimePath, driverPath, schedulePath}, fn.Pkg().Path()) {
		return ""
	}
	switch fn.Name() {
	case "Enqueue":
		return "the tasks may not be on their queues"
	case "Schedule":
		return "the job may not be scheduled"
	}
	return "nothing may have changed"
}
