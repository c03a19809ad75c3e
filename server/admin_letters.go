package server

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/filter"
	"github.com/taskgen/taskgen/runtime/fleet"
)

// knownTypes are the types that a server knows, for a box of dead letters.
type knownTypes fleet.Types

// Policy implements dlq.Types.
func (k knownTypes) Policy(name string) (runtime.Policy, bool) {
	t, ok := fleet.Types(k).Of(name)
	return runtime.Policy{Type: t.Name, Aliases: t.Aliases, Schema: t.Schema, Shape: t.Shape, Secrets: t.Secrets}, ok
}

// known are the types that the server knows now: none until the fleet has said what is secret.
func (t *types) known(ctx context.Context) knownTypes {
	all := t.list(ctx)
	if !t.complete() {
		return nil
	}
	return knownTypes(all)
}

// box is that of a queue which lists its dead letters. To receive them would hide them from
// others, which a look must not do.
func (a *adminService) box(ctx context.Context, queue string) (*dlq.Box, error) {
	q, err := a.s.cfg.Manager.Queue(queue)
	if err != nil {
		return nil, err
	}
	if !q.Capabilities().Browse {
		return nil, fmt.Errorf("%w: queue %q cannot list its dead letters: use package dlq, which receives them, or work on the queue %q", driver.ErrUnsupported, queue, q.Config().DLQ)
	}
	return dlq.Open(a.s.cfg.Manager, queue, dlq.Config{Router: a.s.types.known(ctx)})
}

// matching is a filter for a box.
func (a *adminService) matching(text string) (dlq.Filter, error) {
	f, err := filter.Parse(text)
	if err != nil {
		return dlq.Filter{}, err
	}
	now := a.s.cfg.Manager.Now()
	return dlq.Filter{Match: func(l *dlq.Letter) bool {
		facts := letterFacts(l)
		return f.Matches(&facts, now)
	}}, nil
}

// ListDeadLetters implements the method of QueueAdminService.
func (a *adminService) ListDeadLetters(ctx context.Context, req *v1.ListDeadLettersRequest) (*v1.ListDeadLettersResponse, error) {
	box, err := a.box(ctx, req.GetQueue())
	if err != nil {
		return nil, err
	}
	f, err := a.matching(req.GetFilter())
	if err != nil {
		return nil, err
	}
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultPage
	}
	res := &v1.ListDeadLettersResponse{}
	cursor := req.GetCursor()
	for range scanCalls {
		// A page of all letters is one call to the queue.
		page, next, err := box.List(ctx, dlq.Filter{}, cursor, min(limit-len(res.Letters), scanPage))
		if err != nil {
			return nil, asCursor(err, req.GetCursor())
		}
		for i := range page {
			if f.Matches(&page[i]) {
				res.Letters = append(res.Letters, letterOf(&page[i]))
			}
		}
		if cursor = next; cursor == "" || len(res.Letters) == limit {
			break
		}
	}
	res.NextCursor = cursor
	return res, nil
}

// GroupDeadLetters implements the method of QueueAdminService.
func (a *adminService) GroupDeadLetters(ctx context.Context, req *v1.GroupDeadLettersRequest) (*v1.GroupDeadLettersResponse, error) {
	box, err := a.box(ctx, req.GetQueue())
	if err != nil {
		return nil, err
	}
	f, err := a.matching(req.GetFilter())
	if err != nil {
		return nil, err
	}
	groups, err := box.Groups(ctx, f)
	if err != nil {
		return nil, err
	}
	res := &v1.GroupDeadLettersResponse{}
	for _, g := range groups {
		res.Groups = append(res.Groups, &v1.DeadLetterGroup{
			Id: g.ID, Type: g.Type, Pattern: g.Pattern, Count: int64(g.Count), FirstAt: timestamp(g.First), LastAt: timestamp(g.Last), Example: g.Example,
		})
	}
	return res, nil
}

// GetDeadLetter implements the method of QueueAdminService.
func (a *adminService) GetDeadLetter(ctx context.Context, req *v1.GetDeadLetterRequest) (*v1.GetDeadLetterResponse, error) {
	box, err := a.box(ctx, req.GetQueue())
	if err != nil {
		return nil, err
	}
	l, err := box.Show(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &v1.GetDeadLetterResponse{Letter: letterOf(&l)}, nil
}

// EditDeadLetter implements the method of QueueAdminService.
func (a *adminService) EditDeadLetter(ctx context.Context, req *v1.EditDeadLetterRequest) (*v1.EditDeadLetterResponse, error) {
	box, err := a.box(ctx, req.GetQueue())
	if err != nil {
		return nil, err
	}
	if err := box.RedriveEdited(ctx, req.GetId(), []byte(req.GetPayload())); err != nil {
		return nil, err
	}
	return &v1.EditDeadLetterResponse{}, nil
}

// RedriveDeadLetters implements the method of QueueAdminService.
func (a *adminService) RedriveDeadLetters(ctx context.Context, req *v1.RedriveDeadLettersRequest) (*v1.RedriveDeadLettersResponse, error) {
	if _, err := ability[driver.Redriver](a.s, req.GetQueue(), "redrive dead letters", func(c driver.Capabilities) bool { return c.Redrive }); err != nil {
		return nil, err
	}
	box, err := a.box(ctx, req.GetQueue())
	if err != nil {
		return nil, err
	}
	job := newBulkJob(ctx, v1.BulkKind_BULK_KIND_REDRIVE, req.GetQueue(), req.GetFilter(), req.GetIds(), req.GetOptions())
	job.do = box.RedriveLetters
	if err := a.startOnLetters(job, box); err != nil {
		return nil, err
	}
	return &v1.RedriveDeadLettersResponse{Job: job.message()}, nil
}

// DiscardDeadLetters implements the method of QueueAdminService.
func (a *adminService) DiscardDeadLetters(ctx context.Context, req *v1.DiscardDeadLettersRequest) (*v1.DiscardDeadLettersResponse, error) {
	if _, err := ability[driver.Discarder](a.s, req.GetQueue(), "discard dead letters", func(c driver.Capabilities) bool { return c.Discard }); err != nil {
		return nil, err
	}
	box, err := a.box(ctx, req.GetQueue())
	if err != nil {
		return nil, err
	}
	job := newBulkJob(ctx, v1.BulkKind_BULK_KIND_DISCARD, req.GetQueue(), req.GetFilter(), req.GetIds(), req.GetOptions())
	job.do = func(ctx context.Context, refs []string) ([]string, error) {
		ids, err := box.Discard(ctx, refs)
		return refsOf(ids, refs), err
	}
	if err := a.startOnLetters(job, box); err != nil {
		return nil, err
	}
	return &v1.DiscardDeadLettersResponse{Job: job.message()}, nil
}

// refsOf are those of refs whose tasks have the IDs, as many as there are of each.
func refsOf(ids, refs []string) (of []string) {
	left := make(map[string]int, len(ids))
	for _, id := range ids {
		left[id]++
	}
	for _, ref := range refs {
		if id := dlq.TaskID(ref); left[id] > 0 {
			left[id]--
			of = append(of, ref)
		}
	}
	return of
}

// startOnLetters starts a job on the letters that its request means. Its keys are refs: a task that
// dies again meanwhile is left alone, and a call may be repeated.
func (a *adminService) startOnLetters(job *bulkJob, box *dlq.Box) error {
	f, err := a.matching(job.text)
	if err != nil {
		return err
	}
	job.collect = func(ctx context.Context, found func(key, id string)) error {
		for l, err := range box.All(ctx, f) {
			if err != nil {
				return err
			}
			found(l.Ref, l.ID)
		}
		return nil
	}
	if len(job.ids) > 0 {
		job.find = func(ctx context.Context, id string) (key, taskID string, err error) {
			l, err := box.Show(ctx, id)
			return l.Ref, l.ID, err
		}
	}
	return a.s.bulk.start(job)
}

// letterOf is a dead letter as a message.
func letterOf(l *dlq.Letter) *v1.DeadLetter {
	m := &v1.DeadLetter{
		Id: l.ID, Ref: l.Ref, Type: l.Type, Queue: l.Queue, Reason: l.Reason, DiedAt: timestamp(l.FailedAt), Runs: int32(l.Runs), Group: l.Group,
		RedriveCount: int32(l.RedriveCount), CreatedAt: timestamp(l.CreatedAt), MaxRetries: int32(l.MaxRetries), Priority: int32(l.Priority),
		GroupKey: l.GroupKey, UniqueKey: l.UniqueKey, Metadata: l.Metadata, Payload: string(l.Payload), Shape: l.Shape,
	}
	for _, at := range l.Attempts {
		m.FailedRuns = append(m.FailedRuns, &v1.FailedRun{Number: int32(at.Number), At: timestamp(at.At), Took: durationpb.New(at.Took), Worker: at.Worker, Error: at.Error, Stack: at.Stack})
	}
	return m
}
