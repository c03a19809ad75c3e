package nats

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

// undecodable is the type of the task that stands on the dead letter queue for
// a message that cannot be decoded. Its payload is the message, in base64.
const undecodable = "taskgen.undecodable"

// salvage buries a message that cannot be decoded. On a dead letter queue it
// returns the task that stands for it, elsewhere nil.
func (q *Queue) salvage(ctx context.Context, l *lease, cause error) *runtime.Task {
	task := standIn(l.tail, q.name, l.data, l.stored, cause)
	if q.isDLQ() {
		return task
	}
	l.id = task.ID
	// What fails here stays where it is, and its lease brings it back.
	if errs := q.bury(ctx, []*lease{l}, []*runtime.Task{task}); errs[0] == nil {
		runtime.Buried(ctx, task)
	}
	return nil
}

// standIn is a valid task in place of a message that is none.
func standIn(tail, queue string, data []byte, at time.Time, cause error) *runtime.Task {
	task := &runtime.Task{
		ID: "undecodable." + tail, Type: undecodable, Queue: queue, CreatedAt: at,
		Payload: []byte(`"` + base64.StdEncoding.EncodeToString(data) + `"`),
	}
	runtime.Bury(task, queue, at, fmt.Errorf("%w: its message cannot be decoded: %w", runtime.ErrInvalidTask, cause))
	return task
}
