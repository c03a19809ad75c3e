package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/filter"
)

// errOver: the task is done or dead, and nothing is left to cancel or to reschedule.
var errOver = errors.New("the task is over")

const (
	// scanCalls bounds the calls to a queue for one answer to a list: with a filter that few
	// tasks match, an answer ends before it is full.
	scanCalls = 100
	// scanPage is how many tasks one call reads at most.
	scanPage = 100
)

// CancelTask implements the method of QueueAdminService. A running task is cancelled by its
// worker: see fleet.Fleet.Cancel. One that this server has handed out is taken off its queue.
func (a *adminService) CancelTask(ctx context.Context, req *v1.CancelTaskRequest) (*v1.CancelTaskResponse, error) {
	status, err := a.s.cfg.Manager.Lookup(ctx, req.GetId())
	switch {
	case errors.Is(err, driver.ErrTaskNotFound): // a queue that cannot be searched may have it
		return a.cancelRun(ctx, req.GetId(), err)
	case err != nil:
		return nil, err
	case status.State == driver.Dead:
		return nil, fmt.Errorf("%w: task %s is dead: discard its dead letter", errOver, req.GetId())
	case status.State == driver.Done:
		return nil, fmt.Errorf("%w: task %s is done", errOver, req.GetId())
	case status.State == driver.Leased:
		if held, err := a.cancelHeld(ctx, req.GetId()); held || err != nil {
			return &v1.CancelTaskResponse{Removed: held}, err
		}
		return a.cancelRun(ctx, req.GetId(), nil)
	}
	c, err := a.canceller(status.Queue)
	if err != nil {
		return nil, err
	}
	gone, err := c.Cancel(ctx, []string{req.GetId()})
	if err != nil {
		return nil, err
	}
	if len(gone) == 0 { // a worker has begun it meanwhile
		return a.cancelRun(ctx, req.GetId(), nil)
	}
	return &v1.CancelTaskResponse{Removed: true}, nil
}

func (a *adminService) canceller(queue string) (driver.Canceller, error) {
	return ability[driver.Canceller](a.s, queue, "cancel tasks", func(c driver.Capabilities) bool { return c.Cancel })
}

// cancelHeld takes a task off its queue that a worker of the API has, and reports whether this
// server has handed it out. The worker hears that the lease is lost.
func (a *adminService) cancelHeld(ctx context.Context, id string) (bool, error) {
	caller, lease, ok := a.s.leases.ofTask(id)
	if !ok {
		return false, nil
	}
	items := a.s.leases.take(caller, []string{lease})
	defer a.s.leases.done(items)
	it := items[0]
	if it.err == nil {
		now := a.s.cfg.Manager.Now()
		it.verb, it.outcome, it.cause = completes, driver.Cancelled, driver.ErrCancelled
		a.s.leases.ends(items, now)
		a.s.send(ctx, items, now)
	}
	switch {
	case errors.Is(it.err, errUnknownLease), errors.Is(it.err, driver.ErrLeaseLost): // it has ended meanwhile
		return false, nil
	case it.err != nil:
		return false, it.err
	}
	t := it.own()
	driver.SetMeta(t, driver.MetaFailureReason, driver.ErrCancelled.Error())
	a.s.storeFailure(ctx, t)
	return true, nil
}

// cancelRun has the workers that run a task stop it. unknown is why no queue has it, if none has.
func (a *adminService) cancelRun(ctx context.Context, id string, unknown error) (*v1.CancelTaskResponse, error) {
	if a.s.cfg.Fleet == nil {
		if unknown != nil {
			return nil, unknown
		}
		return nil, errNoFleet
	}
	workers, err := a.s.cfg.Fleet.Cancel(ctx, id)
	if err != nil {
		return nil, errors.Join(err, unknown)
	}
	return &v1.CancelTaskResponse{WorkerIds: workers}, nil
}

// RescheduleTask implements the method of QueueAdminService.
func (a *adminService) RescheduleTask(ctx context.Context, req *v1.RescheduleTaskRequest) (*v1.RescheduleTaskResponse, error) {
	at := a.s.cfg.Manager.Now()
	if req.DueAt != nil {
		var err error
		if at, err = timeOf(req.GetDueAt()); err != nil {
			return nil, fmt.Errorf("%w: due_at: %w", driver.ErrInvalidTask, err)
		}
	}
	status, err := a.s.cfg.Manager.Lookup(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	if status.State != driver.Ready && status.State != driver.Scheduled {
		return nil, fmt.Errorf("%w or runs: only a task that waits can be rescheduled, and %s is %s", errOver, req.GetId(), status.State)
	}
	r, err := ability[driver.Rescheduler](a.s, status.Queue, "reschedule tasks", func(c driver.Capabilities) bool { return c.Reschedule })
	if err != nil {
		return nil, err
	}
	if err := r.Reschedule(ctx, req.GetId(), at); err != nil {
		return nil, err
	}
	return &v1.RescheduleTaskResponse{Queue: status.Queue, DueAt: timestamp(at)}, nil
}

// cancellable are the states of tasks that can be cancelled.
var cancellable = []driver.State{driver.Ready, driver.Scheduled}

// listed are the states whose tasks a filter may mean, in the order of a list. Dead ones are
// listed only if it names them.
func listed(f filter.Filter) []driver.State {
	all := append(slices.Clone(cancellable), driver.Leased)
	named := f.States()
	if named == nil {
		return all
	}
	return slices.DeleteFunc(append(all, driver.Dead), func(s driver.State) bool { return !slices.Contains(named, string(s)) })
}

func (a *adminService) browser(queue string) (driver.Browser, error) {
	return ability[driver.Browser](a.s, queue, "list its tasks", func(c driver.Capabilities) bool { return c.Browse })
}

// ListTasks implements the method of QueueAdminService. A cursor is a state, and the queue's own
// cursor within it.
func (a *adminService) ListTasks(ctx context.Context, req *v1.ListTasksRequest) (*v1.ListTasksResponse, error) {
	browser, err := a.browser(req.GetQueue())
	if err != nil {
		return nil, err
	}
	f, err := filter.Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultPage
	}
	all, cursor := listed(f), ""
	if req.GetCursor() != "" {
		if all, cursor, err = after(all, req.GetCursor()); err != nil {
			return nil, err
		}
	}
	res := &v1.ListTasksResponse{}
	for range scanCalls {
		if len(all) == 0 {
			return res, nil
		}
		tasks, next, err := browser.Browse(ctx, all[0], cursor, min(limit-len(res.Tasks), scanPage))
		if err != nil {
			return nil, asCursor(err, req.GetCursor())
		}
		for _, t := range tasks {
			shown := a.s.taskOf(ctx, t)
			facts := factsOf(t, shown, all[0])
			if f.Matches(&facts, a.s.cfg.Manager.Now()) {
				res.Tasks = append(res.Tasks, &v1.ListedTask{Task: shown, State: states[all[0]]})
			}
		}
		if cursor = next; cursor == "" {
			all = all[1:]
		}
		if len(res.Tasks) == limit {
			break
		}
	}
	if len(all) > 0 {
		res.NextCursor = string(all[0]) + ":" + cursor
	}
	return res, nil
}

// after finds the place of a cursor in the states of a list.
func after(all []driver.State, cursor string) ([]driver.State, string, error) {
	name, rest, ok := strings.Cut(cursor, ":")
	at := slices.Index(all, driver.State(name))
	if !ok || at < 0 {
		return nil, "", errCursor
	}
	return all[at:], rest, nil
}

// asCursor is an error of a list that began at a cursor, which a provider may not know.
func asCursor(err error, cursor string) error {
	if cursor != "" && codeOf(err) == connect.CodeInternal {
		return fmt.Errorf("%w: %w", errCursor, err)
	}
	return err
}

// CancelTasks implements the method of QueueAdminService.
func (a *adminService) CancelTasks(ctx context.Context, req *v1.CancelTasksRequest) (*v1.CancelTasksResponse, error) {
	c, err := a.canceller(req.GetQueue())
	if err != nil {
		return nil, err
	}
	if _, err := a.browser(req.GetQueue()); err != nil {
		return nil, err
	}
	f, err := filter.Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	q, err := a.s.cfg.Manager.Queue(req.GetQueue())
	if err != nil {
		return nil, err
	}
	job := newBulkJob(ctx, v1.BulkKind_BULK_KIND_CANCEL, req.GetQueue(), req.GetFilter(), nil, req.GetOptions())
	job.collect = func(ctx context.Context, found func(key, id string)) error {
		return a.eachWaiting(ctx, q, f, a.s.cfg.Manager.Now(), found)
	}
	job.do = c.Cancel
	if err := a.s.bulk.start(job); err != nil {
		return nil, err
	}
	return &v1.CancelTasksResponse{Job: job.message()}, nil
}

// eachWaiting calls found with the waiting tasks of a queue that a filter means, each once.
func (a *adminService) eachWaiting(ctx context.Context, q driver.Queue, f filter.Filter, now time.Time, found func(key, id string)) error {
	for _, state := range cancellable {
		for t, err := range driver.BrowseAll(ctx, q, state) {
			if err != nil {
				return err
			}
			facts := factsOf(t, a.s.taskOf(ctx, t), state)
			if f.Matches(&facts, now) {
				found(t.ID, t.ID)
			}
		}
	}
	return nil
}
