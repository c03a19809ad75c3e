package gosrc

import (
	"github.com/taskgen/taskgen/generator/internal/model"
)

// handlers writes the interfaces of complete sets of handlers, and their registration:
// one for the exported structs, which another package may implement, and one for the
// others, which it cannot.
func (f *file) handlers() {
	var exported, others []*model.Task
	for i := range f.pkg.Tasks {
		if t := &f.pkg.Tasks[i]; t.Exported() {
			exported = append(exported, t)
		} else {
			others = append(others, t)
		}
	}
	what := "every task of the package"
	if len(exported) > 0 && len(others) > 0 {
		f.handlerSet("Handlers", "RegisterHandlers", what+" whose struct is exported", exported)
		f.handlerSet("handlers", "registerHandlers", what+" whose struct is not exported", others)
		return
	}
	f.handlerSet("Handlers", "RegisterHandlers", what, exported)
	f.handlerSet("handlers", "registerHandlers", what, others)
}

func (f *file) handlerSet(name, register, what string, tasks []*model.Task) {
	if len(tasks) == 0 {
		return
	}
	w := words{"Set": name, "RegisterSet": register}
	f.params(w, "r", "h")
	var embedded, calls lines
	for _, t := range tasks {
		embedded.add(handlerName(t))
		calls.add(f.expand("$Register($r, $h)", words{"Register": registerName(t), "r": w["r"], "h": w["h"]}))
	}
	w["embedded"], w["calls"] = embedded.block(), calls.block()
	f.declare(doc(name+" handles "+what+"."), `
type $Set interface $embedded`, w)
	f.declare(doc(register+" registers "+w["h"]+" as the handler of "+what+"."), `
func $RegisterSet($r *$runtime.Router, $h $Set) $calls`, w)
}

// handler writes the interface of one task's handler, and the function type that
// implements it.
func (f *file) handler(t *model.Task, w words) {
	f.params(w, "ctx", "task", "f")
	w["results"] = f.predeclared("error")
	if t.Result != nil {
		w["results"] = "(" + f.typ(t.Result) + ", " + f.predeclared("error") + ")"
	}
	rough := f.rough // for each of them
	f.declare(doc(w["Handler"]+" handles "+plural(t.Struct)+". It must be safe for concurrent use. A task may be delivered more than once."), `
type $Handler interface {
	$Handle($ctx $context.Context, $task $Struct) $results
}`, w)
	f.rough = rough
	f.declare(doc(w["HandlerFunc"]+" is an adapter that lets a function be used as "+article(w["Handler"])+"."), `
type $HandlerFunc func($ctx $context.Context, $task $Struct) $results`, w)
	f.rough = rough
	f.declare(doc(w["Handle"]+" calls "+w["f"]+"("+w["ctx"]+", "+w["task"]+")."), `
func ($f $HandlerFunc) $Handle($ctx $context.Context, $task $Struct) $results {
	return $f($ctx, $task)
}`, w)
}

func (f *file) register(t *model.Task, w words) {
	f.params(w, "r", "h")
	w["register"] = "Register"
	if t.Result != nil {
		w["register"] = "RegisterWithResult"
	}
	f.declare(doc(w["Register"]+" registers "+w["h"]+" as the handler of "+plural(t.Struct)+"."), `
func $Register($r *$runtime.Router, $h $Handler) {
	$runtime.$register($r, &$Spec, $h.$Handle)
}`, w)
}

// onDead writes the function that registers a hook for a task that dies.
func (f *file) onDead(t *model.Task, w words) {
	f.params(w, "r", "hook", "ctx", "task", "cause")
	f.declare(doc(w["OnDead"]+" has "+w["hook"]+" called whenever "+article(t.Struct)+" dies, before it moves to the dead letter queue: at least once, and with the error of its last run as "+w["cause"]+"."), `
func $OnDead($r *$runtime.Router, $hook func($ctx $context.Context, $task $Struct, $cause $error) $error) {
	$runtime.OnDead($r, &$Spec, $hook)
}`, w)
}
