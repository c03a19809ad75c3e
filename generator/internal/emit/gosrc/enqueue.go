package gosrc

import (
	"strconv"

	"github.com/taskgen/taskgen/generator/internal/model"
)

func (f *file) enqueue(t *model.Task, w words) {
	f.params(w, "ctx", "to", "task", "opts")
	f.declare(f.docWith(w["Enqueue"]+" enqueues "+article(t.Struct)+" on queue "+strconv.Quote(t.Queue)+".", t.Doc), `
func $Enqueue($ctx $context.Context, $to $runtime.Enqueuer, $task $Struct, $opts ...$runtime.EnqueueOption) ($runtime.Enqueued, $error) {
	return $runtime.Enqueue($ctx, $to, &$Spec, &$task, $opts...)
}`, w)
}

func (f *file) enqueueBatch(t *model.Task, w words) {
	f.params(w, "ctx", "to", "tasks", "opts")
	f.declare(doc(w["EnqueueBatch"]+" enqueues "+plural(t.Struct)+" on queue "+strconv.Quote(t.Queue)+" in as few round trips as possible. If some of them fail, the error is a *"+f.imports[RuntimePath]+".BatchError and the others are enqueued."), `
func $EnqueueBatch($ctx $context.Context, $to $runtime.Enqueuer, $tasks []$Struct, $opts ...$runtime.EnqueueOption) ([]$runtime.Enqueued, $error) {
	return $runtime.EnqueueBatch($ctx, $to, &$Spec, $tasks, $opts...)
}`, w)
}

// await writes the function that waits for a result, for tasks that have one.
func (f *file) await(t *model.Task, w words) {
	if t.Result == nil {
		return
	}
	f.params(w, "ctx", "from", "id")
	w["Result"] = f.typ(t.Result)
	f.declare(doc(w["Await"]+" waits for the result of the "+t.Struct+" with the given ID. The error wraps "+f.imports[RuntimePath]+".ErrTaskFailed if the task is dead."), `
func $Await($ctx $context.Context, $from $runtime.Results, $id $string) ($Result, $error) {
	return $runtime.Await[$Struct, $Result]($ctx, $from, &$Spec, $id)
}`, w)
}
