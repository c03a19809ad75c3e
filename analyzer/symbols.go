package analyzer

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

const (
	modulePath   = "github.com/taskgen/taskgen"
	runtimePath  = modulePath + "/runtime"
	driverPath   = runtimePath + "/driver"
	schedulePath = runtimePath + "/schedule"
	configPath   = modulePath + "/config"
)

// A role is what a function does with tasks.
type role int

const (
	enqueues      role = iota + 1 // one task: EnqueueMail
	enqueuesBatch                 // many: EnqueueMailBatch
	schedules                     // ScheduleMail
	modifies                      // ModifyMail
	registers                     // RegisterMail
	registersAll                  // RegisterHandlers
	declares                      // RegisterSchedules
)

// A taskFunc is a generated function, or one of the generic functions that generated
// functions call.
type taskFunc struct {
	role role
	fn   *types.Func
	spec *types.Var // of a generated function for one type, else nil
}

// generic are the functions that get the spec as an argument.
var generic = map[string]role{
	runtimePath + ".Enqueue": enqueues, runtimePath + ".EnqueueBatch": enqueuesBatch,
	runtimePath + ".Register": registers, runtimePath + ".RegisterWithResult": registers,
	schedulePath + ".Add": schedules, schedulePath + ".ModifyPayload": modifies,
}

// taskFuncOf returns what a function does with tasks, with the role 0 for any other function.
func taskFuncOf(fn *types.Func) taskFunc {
	sig := fn.Signature()
	if fn.Pkg() == nil || sig.Recv() != nil {
		return taskFunc{}
	}
	if r := generic[fn.Pkg().Path()+"."+fn.Name()]; r != 0 {
		return taskFunc{r, fn, nil}
	}
	param := func(i int) types.Type {
		if i < sig.Params().Len() {
			return sig.Params().At(i).Type()
		}
		return types.Typ[types.Invalid]
	}
	scope := fn.Pkg().Scope()
	switch {
	case is(param(0), runtimePath, "Router") && strings.EqualFold(fn.Name(), "RegisterHandlers"):
		return taskFunc{registersAll, fn, nil}
	case fn.Name() == "RegisterSchedules" && is(param(1), schedulePath, "Scheduler"):
		return taskFunc{declares, fn, nil}
	}
	if base, ok := cutWord(fn.Name(), "Register"); ok && is(param(0), runtimePath, "Router") {
		if s := specOf(scope, base, fn.Exported()); s != nil {
			return taskFunc{registers, fn, s}
		}
	}
	if base, ok := cutWord(fn.Name(), "Enqueue"); ok && is(param(1), driverPath, "Enqueuer") {
		if s := specOf(scope, base, fn.Exported()); s != nil && types.Identical(param(2), payloadOf(s)) {
			return taskFunc{enqueues, fn, s}
		}
		if base, ok := strings.CutSuffix(base, "Batch"); ok {
			if s := specOf(scope, base, fn.Exported()); s != nil && types.Identical(param(2), types.NewSlice(payloadOf(s))) {
				return taskFunc{enqueuesBatch, fn, s}
			}
		}
	}
	for word, r := range map[string]role{"Schedule": schedules, "Modify": modifies} {
		if base, ok := cutWord(fn.Name(), word); ok && is(param(1), schedulePath, "Scheduler") {
			if s := specOf(scope, base, fn.Exported()); s != nil {
				return taskFunc{r, fn, s}
			}
		}
	}
	return taskFunc{}
}

// cutWord cuts the first word off a generated name. It begins with a small letter where the
// struct of the task is not exported.
func cutWord(name, word string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(name, word); !ok {
		rest, ok = strings.CutPrefix(name, lower(word))
	}
	return rest, ok && rest != ""
}

func lower(name string) string {
	r, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[size:]
}

// specOf returns the variable that is declared as the runtime.Spec of a task, or nil.
func specOf(scope *types.Scope, base string, exported bool) *types.Var {
	name := base + "Spec"
	if !exported {
		name = lower(name)
	}
	v, _ := scope.Lookup(name).(*types.Var)
	if v == nil || payloadOf(v) == nil {
		return nil
	}
	return v
}

// payloadOf returns the T of a variable of type runtime.Spec[T], and nil for another one.
func payloadOf(v *types.Var) types.Type {
	named, ok := types.Unalias(v.Type()).(*types.Named)
	if !ok || named.TypeArgs().Len() != 1 || !is(named, runtimePath, "Spec") {
		return nil
	}
	return named.TypeArgs().At(0)
}

// is reports whether t, or what it points to, is the named type of a package.
func is(t types.Type, pkg, name string) bool {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	named, ok := t.(*types.Named)
	if !ok {
		return false
	}
	obj := named.Obj()
	return obj.Name() == name && obj.Pkg() != nil && obj.Pkg().Path() == pkg
}

func isContext(t types.Type) bool { return is(t, "context", "Context") }

func isError(t types.Type) bool {
	return t != nil && types.Implements(t, types.Universe.Lookup("error").Type().Underlying().(*types.Interface))
}

// callee returns the function or method that is called, or nil.
func callee(info *types.Info, call *ast.CallExpr) *types.Func {
	fn, _ := typeutil.Callee(info, call).(*types.Func)
	return fn
}

// calls reports whether a function at package level is called.
func calls(info *types.Info, e ast.Expr, pkg string, names ...string) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return false
	}
	fn := callee(info, call)
	if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != pkg || fn.Signature().Recv() != nil {
		return false
	}
	for _, name := range names {
		if fn.Name() == name {
			return true
		}
	}
	return false
}

// display is how code in pkg calls a function.
func display(pkg *types.Package, fn *types.Func) string {
	if recv := fn.Signature().Recv(); recv != nil {
		t := recv.Type()
		if p, ok := t.(*types.Pointer); ok {
			t = p.Elem()
		}
		return types.TypeString(t, func(p *types.Package) string {
			if p == pkg {
				return ""
			}
			return p.Name()
		}) + "." + fn.Name()
	}
	if fn.Pkg() == nil || fn.Pkg() == pkg {
		return fn.Name()
	}
	return fn.Pkg().Name() + "." + fn.Name()
}

// handwritten are the files of a package that people write.
func handwritten(pass *analysis.Pass, tests bool) []*ast.File {
	var files []*ast.File
	for _, f := range pass.Files {
		if !ast.IsGenerated(f) && (tests || !isTest(pass.Fset, f)) {
			files = append(files, f)
		}
	}
	return files
}

func isTest(fset *token.FileSet, f *ast.File) bool {
	return strings.HasSuffix(fset.File(f.FileStart).Name(), "_test.go")
}
