package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history"
)

// queueService implements QueueService: reads are here, enqueues in enqueue.go, what hands out
// tasks in subscribe.go, and their outcomes in settle.go.
type queueService struct{ s *Server }

var _ taskgenv1connect.QueueServiceHandler = (*queueService)(nil)

// defaultPage is how many tasks a page of Peek has at most if the request does not say.
const defaultPage = 100

// Peek implements the method of QueueService.
func (q *queueService) Peek(ctx context.Context, req *v1.PeekRequest) (*v1.PeekResponse, error) {
	queue, err := q.s.cfg.Manager.Queue(req.GetQueue())
	if err != nil {
		return nil, err
	}
	browser, ok := queue.(driver.Browser)
	if !ok {
		return nil, fmt.Errorf("%w: queue %q cannot list its tasks", driver.ErrUnsupported, req.GetQueue())
	}
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultPage
	}
	tasks, next, err := browser.Browse(ctx, stateOf(req.GetState()), req.GetCursor(), limit)
	if err != nil {
		if req.GetCursor() != "" && codeOf(err) == connect.CodeInternal {
			err = fmt.Errorf("%w: %w", errCursor, err)
		}
		return nil, err
	}
	page := make([]*v1.Task, len(tasks))
	for i, t := range tasks {
		page[i] = q.s.taskOf(ctx, t)
	}
	return &v1.PeekResponse{Tasks: page, NextCursor: next}, nil
}

// stateOf is the state that a request names; ready if it names none.
func stateOf(m v1.TaskState) driver.State {
	for state, as := range states {
		if as == m {
			return state
		}
	}
	return driver.Ready
}

// GetQueueInfo implements the method of QueueService.
func (q *queueService) GetQueueInfo(ctx context.Context, req *v1.GetQueueInfoRequest) (*v1.GetQueueInfoResponse, error) {
	queue, err := q.s.cfg.Manager.Queue(req.GetQueue())
	if err != nil {
		return nil, err
	}
	cfg, provider, err := q.s.cfg.Manager.Declared(req.GetQueue())
	if err != nil {
		return nil, err
	}
	stats, err := queue.Stats(ctx)
	if err != nil {
		return nil, err
	}
	res := &v1.GetQueueInfoResponse{Queue: queueInfoOf(cfg, queue.Capabilities()), Stats: statsOf(stats)}
	res.Queue.Provider = provider
	if p, ok := queue.(driver.Pauser); ok {
		pause, err := p.Paused(ctx)
		if err != nil && !errors.Is(err, driver.ErrUnsupported) {
			return nil, err
		}
		res.Paused = pause.Paused
	}
	return res, nil
}

var queueTypes = map[driver.QueueType]v1.QueueType{
	driver.Standard: v1.QueueType_QUEUE_TYPE_STANDARD, driver.FIFO: v1.QueueType_QUEUE_TYPE_FIFO, driver.Priority: v1.QueueType_QUEUE_TYPE_PRIORITY,
}

// queueInfoOf is a queue without its provider.
func queueInfoOf(cfg driver.QueueConfig, can driver.Capabilities) *v1.QueueInfo {
	return &v1.QueueInfo{
		Name: cfg.Name, Type: queueTypes[cfg.Type], Levels: int32(cfg.Levels), Visibility: duration(cfg.Visibility), MaxDeliveries: int32(cfg.MaxDeliveries),
		Dlq: cfg.DLQ, Retention: duration(cfg.Retention), Capacity: int64(cfg.Capacity), Types: cfg.Types,
		Operations: &v1.QueueOperations{
			Browse: can.Browse, Cancel: can.Cancel, Reschedule: can.Reschedule, Purge: can.Purge, Pause: can.Pause, Redrive: can.Redrive, Discard: can.Discard,
			Delete: can.Delete,
		},
	}
}

// GetTask implements the method of QueueService.
func (q *queueService) GetTask(ctx context.Context, req *v1.GetTaskRequest) (*v1.GetTaskResponse, error) {
	runs, err := q.runs(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	status, err := q.s.cfg.Manager.Lookup(ctx, req.GetId())
	if errors.Is(err, driver.ErrTaskNotFound) && len(runs) > 0 {
		// Its last run is known: the task may be done without a result, or on a queue that
		// cannot be searched.
		last := runs[len(runs)-1]
		return &v1.GetTaskResponse{State: ended[driver.Outcome(last.GetOutcome())], Attempts: last.GetAttempt(), Failure: last.GetError(), Runs: runs}, nil
	}
	if err != nil {
		return nil, err
	}
	res := &v1.GetTaskResponse{State: states[status.State], Attempts: int32(status.Attempts), Failure: status.Failure, Runs: runs}
	if status.Progress != (driver.ProgressReport{}) {
		res.Progress = &v1.Progress{Done: status.Progress.Done, Total: status.Progress.Total, Note: status.Progress.Note}
	}
	t, err := q.find(ctx, status)
	if err != nil {
		return nil, err
	}
	if t != nil {
		res.Task = q.s.taskOf(ctx, t)
	}
	return res, nil
}

// ended are the states that outcomes in the history prove.
var ended = map[driver.Outcome]v1.TaskState{driver.Completed: v1.TaskState_TASK_STATE_DONE, driver.Died: v1.TaskState_TASK_STATE_DEAD}

// runs are what the history has of a task.
func (q *queueService) runs(ctx context.Context, id string) ([]*v1.Run, error) {
	if q.s.cfg.History == nil {
		return nil, nil
	}
	records, err := q.s.cfg.History.Task(ctx, id)
	if err != nil {
		return nil, err
	}
	runs := make([]*v1.Run, len(records))
	for i := range records {
		runs[i] = runOf(&records[i])
	}
	return runs, nil
}

func runOf(r *history.Record) *v1.Run {
	return &v1.Run{
		Attempt: int32(r.Attempt), StartedAt: timestamp(r.StartedAt), EndedAt: timestamp(r.EndedAt), Outcome: string(r.Outcome), Error: r.Error, Worker: r.Worker,
		TraceId: r.TraceID,
	}
}

// find is the task that a queue has shown to Lookup; nil if none has, or if it has gone
// since.
func (q *queueService) find(ctx context.Context, status runtime.TaskStatus) (*runtime.Task, error) {
	if status.Queue == "" {
		return nil, nil
	}
	queue, err := q.s.cfg.Manager.Queue(status.Queue)
	if err != nil {
		return nil, err
	}
	finder, ok := queue.(driver.Finder)
	if !ok {
		return nil, nil
	}
	found, err := finder.Find(ctx, status.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range slices.Backward(found) { // of several deaths the last
		if f.State == status.State {
			return f.Task, nil
		}
	}
	return nil, nil
}

// AwaitResult implements the method of QueueService.
func (q *queueService) AwaitResult(ctx context.Context, req *v1.AwaitResultRequest) (*v1.AwaitResultResponse, error) {
	results := q.s.cfg.Results
	if results == nil {
		return nil, fmt.Errorf("%w: the server has no store of results: set its Config.Results", driver.ErrUnsupported)
	}
	wait := defaultWait
	if req.Wait != nil {
		wait = max(req.GetWait().AsDuration(), minWait)
	}
	waiting, cancel := q.s.whileLive(ctx)
	defer cancel()
	waiting, stop := context.WithTimeout(waiting, wait)
	defer stop()
	data, err := results.Await(waiting, req.GetId())
	switch {
	case err == nil:
		res := &v1.AwaitResultResponse{State: v1.TaskState_TASK_STATE_DONE}
		if t := driver.UnpackResult(data); t.Encoding == "" && utf8.Valid(t.Payload) {
			res.Result = string(t.Payload)
		}
		return res, nil
	case errors.Is(err, driver.ErrTaskFailed):
		return &v1.AwaitResultResponse{State: v1.TaskState_TASK_STATE_DEAD, Failure: q.failure(ctx, req.GetId(), err)}, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case waiting.Err() != nil:
		return &v1.AwaitResultResponse{}, nil
	default:
		return nil, err
	}
}

// failureLimit bounds the look at why a task has died, which is not worth more.
const failureLimit = time.Second

// failure is why a task has died. Await says it within the text of its error; a store that
// can be read says it alone.
func (q *queueService) failure(ctx context.Context, id string, err error) string {
	if keeper, ok := q.s.cfg.Results.(driver.ResultKeeper); ok {
		ctx, cancel := context.WithTimeout(ctx, failureLimit)
		defer cancel()
		if found, e := keeper.Peek(ctx, []string{id}); e == nil && len(found) == 1 && found[0].Failure != "" {
			return found[0].Failure
		}
	}
	return err.Error()
}
