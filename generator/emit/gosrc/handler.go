package gosrc

import (
	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// handlers writes the interfaces that complete sets of handlers implement, and
// their registration: one for the exported structs, which another package may
// implement, and one for the others, which it cannot.
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
	var embedded, calls []jen.Code
	p := f.params("r", "h")
	r, h := p[0], p[1]
	for _, t := range tasks {
		embedded = append(embedded, jen.Id(handlerName(t)))
		// RegisterEmbedding(r, h)
		calls = append(calls, jen.Id(registerName(t)).Call(jen.Id(r), jen.Id(h)))
	}
	f.declare(
		doc(name+" handles "+what+"."),
		jen.Type().Id(name).Interface(embedded...),
	)
	f.declare(
		doc(register+" registers "+h+" as the handler of "+what+"."),
		jen.Func().Id(register).Params(
			jen.Id(r).Op("*").Qual(RuntimePath, "Router"), jen.Id(h).Id(name),
		).Block(calls...),
	)
}

// handler writes the interface of one task's handler, and the function type
// that implements it.
func (f *file) handler(t *model.Task) {
	p := f.params("ctx", "task", "f")
	ctx, task, fn := p[0], p[1], p[2]
	// (ctx context.Context, task EmbeddingTask) (Embedding, error)
	signature := func() *jen.Statement {
		s := jen.Params(jen.Id(ctx).Qual("context", "Context"), jen.Id(task).Id(t.Struct))
		if t.Result == nil {
			return s.Add(f.predeclared("error"))
		}
		return s.Params(f.typ(t.Result), f.predeclared("error"))
	}
	f.declare(
		doc(handlerName(t)+" handles "+plural(t.Struct)+". It must be safe for concurrent use. A task may be delivered more than once."),
		// type EmbeddingHandler interface { HandleEmbedding(…) … }
		jen.Type().Id(handlerName(t)).Interface(jen.Id(handleName(t)).Add(signature())),
	)
	f.declare(
		doc(handlerFuncName(t)+" is an adapter that lets a function be used as "+article(handlerName(t))+"."),
		// type EmbeddingHandlerFunc func(…) …
		jen.Type().Id(handlerFuncName(t)).Func().Add(signature()),
	)
	f.declare(
		doc(handleName(t)+" calls "+fn+"("+ctx+", "+task+")."),
		// func (f EmbeddingHandlerFunc) HandleEmbedding(…) … { return f(ctx, task) }
		jen.Func().Params(jen.Id(fn).Id(handlerFuncName(t))).Id(handleName(t)).Add(signature()).Block(
			jen.Return(jen.Id(fn).Call(jen.Id(ctx), jen.Id(task))),
		),
	)
}

func (f *file) register(t *model.Task) {
	p := f.params("r", "h")
	r, h := p[0], p[1]
	register := "Register"
	if t.Result != nil {
		register = "RegisterWithResult"
	}
	f.declare(
		doc(registerName(t)+" registers "+h+" as the handler of "+plural(t.Struct)+"."),
		jen.Func().Id(registerName(t)).Params(
			jen.Id(r).Op("*").Qual(RuntimePath, "Router"), jen.Id(h).Id(handlerName(t)),
		).Block(
			// runtime.RegisterWithResult(r, &EmbeddingSpec, h.HandleEmbedding)
			jen.Qual(RuntimePath, register).Call(jen.Id(r), jen.Op("&").Id(specName(t)), jen.Id(h).Dot(handleName(t))),
		),
	)
}
