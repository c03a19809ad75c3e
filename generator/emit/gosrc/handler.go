package gosrc

import (
	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

// handlers writes the interface that a complete set of handlers implements, and
// its registration.
func (f *file) handlers() {
	if len(f.pkg.Tasks) == 0 {
		return
	}
	var embedded, calls []jen.Code
	p := f.params("r", "h")
	r, h := p[0], p[1]
	for i := range f.pkg.Tasks {
		t := &f.pkg.Tasks[i]
		embedded = append(embedded, jen.Id(handlerName(t)))
		// RegisterEmbedding(r, h)
		calls = append(calls, jen.Id(registerName(t)).Call(jen.Id(r), jen.Id(h)))
	}
	f.declare(
		doc("Handlers handles every task of the package. Forget one, and the program does not compile."),
		jen.Type().Id("Handlers").Interface(embedded...),
	)
	f.declare(
		doc("RegisterHandlers registers "+h+" for every task of the package."),
		jen.Func().Id("RegisterHandlers").Params(
			jen.Id(r).Op("*").Qual(RuntimePath, "Router"), jen.Id(h).Id("Handlers"),
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
		doc(handlerName(t)+" handles "+plural(t.Struct)+". It is called by many goroutines at once, and may see a task again after a crash."),
		// type EmbeddingHandler interface { HandleEmbedding(…) … }
		jen.Type().Id(handlerName(t)).Interface(jen.Id(handleName(t)).Add(signature())),
	)
	f.declare(
		doc(handlerFuncName(t)+" is a function that handles "+plural(t.Struct)+"."),
		// type EmbeddingHandlerFunc func(…) …
		jen.Type().Id(handlerFuncName(t)).Func().Add(signature()),
	)
	f.declare(
		doc(handleName(t)+" calls "+fn+"."),
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
		doc(registerName(t)+" makes "+h+" the handler of every "+t.Struct+" that "+r+" routes."),
		jen.Func().Id(registerName(t)).Params(
			jen.Id(r).Op("*").Qual(RuntimePath, "Router"), jen.Id(h).Id(handlerName(t)),
		).Block(
			// runtime.RegisterWithResult(r, &EmbeddingSpec, h.HandleEmbedding)
			jen.Qual(RuntimePath, register).Call(jen.Id(r), jen.Op("&").Id(specName(t)), jen.Id(h).Dot(handleName(t))),
		),
	)
}
