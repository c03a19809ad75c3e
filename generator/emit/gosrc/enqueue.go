package gosrc

import (
	"strconv"

	"github.com/dave/jennifer/jen"

	"github.com/taskgen/taskgen/generator/model"
)

func (f *file) enqueue(t *model.Task) {
	p := f.params("ctx", "to", "task", "opts")
	ctx, to, task, opts := p[0], p[1], p[2], p[3]
	f.declare(
		docWith(enqueueName(t)+" enqueues "+article(t.Struct)+" on queue "+strconv.Quote(t.Queue)+".", t.Doc),
		// func EnqueueEmbedding(ctx context.Context, to runtime.Enqueuer, task EmbeddingTask, opts ...runtime.EnqueueOption) (runtime.Enqueued, error)
		jen.Func().Id(enqueueName(t)).Params(
			jen.Id(ctx).Qual("context", "Context"),
			jen.Id(to).Qual(RuntimePath, "Enqueuer"),
			jen.Id(task).Id(t.Struct),
			jen.Id(opts).Op("...").Qual(RuntimePath, "EnqueueOption"),
		).Params(jen.Qual(RuntimePath, "Enqueued"), f.predeclared("error")).Block(
			// return runtime.Enqueue(ctx, to, &EmbeddingSpec, &task, opts...)
			jen.Return(jen.Qual(RuntimePath, "Enqueue").Call(
				jen.Id(ctx), jen.Id(to), jen.Op("&").Id(specName(t)), jen.Op("&").Id(task), jen.Id(opts).Op("..."),
			)),
		),
	)
}

func (f *file) enqueueBatch(t *model.Task) {
	p := f.params("ctx", "to", "tasks", "opts")
	ctx, to, tasks, opts := p[0], p[1], p[2], p[3]
	f.declare(
		doc(batchName(t)+" enqueues "+plural(t.Struct)+" on queue "+strconv.Quote(t.Queue)+" in as few round trips as possible. If some of them fail, the error is a *"+f.imports[RuntimePath]+".BatchError and the others are enqueued."),
		// func EnqueueEmbeddingBatch(ctx context.Context, to runtime.Enqueuer, tasks []EmbeddingTask, opts ...runtime.EnqueueOption) ([]runtime.Enqueued, error)
		jen.Func().Id(batchName(t)).Params(
			jen.Id(ctx).Qual("context", "Context"),
			jen.Id(to).Qual(RuntimePath, "Enqueuer"),
			jen.Id(tasks).Index().Id(t.Struct),
			jen.Id(opts).Op("...").Qual(RuntimePath, "EnqueueOption"),
		).Params(jen.Index().Qual(RuntimePath, "Enqueued"), f.predeclared("error")).Block(
			// return runtime.EnqueueBatch(ctx, to, &EmbeddingSpec, tasks, opts...)
			jen.Return(jen.Qual(RuntimePath, "EnqueueBatch").Call(
				jen.Id(ctx), jen.Id(to), jen.Op("&").Id(specName(t)), jen.Id(tasks), jen.Id(opts).Op("..."),
			)),
		),
	)
}

// await writes the function that waits for a result, for tasks that have one.
func (f *file) await(t *model.Task) {
	if t.Result == nil {
		return
	}
	p := f.params("ctx", "from", "id")
	ctx, from, id := p[0], p[1], p[2]
	f.declare(
		doc(awaitName(t)+" waits for the result of the "+t.Struct+" with the given ID. The error wraps "+f.imports[RuntimePath]+".ErrTaskFailed if the task is dead."),
		// func AwaitEmbedding(ctx context.Context, from runtime.Results, id string) (Embedding, error)
		jen.Func().Id(awaitName(t)).Params(
			jen.Id(ctx).Qual("context", "Context"),
			jen.Id(from).Qual(RuntimePath, "Results"),
			jen.Id(id).Add(f.predeclared("string")),
		).Params(f.typ(t.Result), f.predeclared("error")).Block(
			// return runtime.Await[EmbeddingTask, Embedding](ctx, from, &EmbeddingSpec, id)
			jen.Return(jen.Qual(RuntimePath, "Await").Types(jen.Id(t.Struct), f.typ(t.Result)).Call(
				jen.Id(ctx), jen.Id(from), jen.Op("&").Id(specName(t)), jen.Id(id),
			)),
		),
	)
}
