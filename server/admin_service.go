package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/filter"
	"github.com/taskgen/taskgen/runtime/fleet"
)

// An adminService implements QueueAdminService: queues are in admin_queues.go, tasks in
// admin_tasks.go, dead letters in admin_letters.go, and bulk jobs in bulk.go.
type adminService struct{ s *Server }

var _ taskgenv1connect.QueueAdminServiceHandler = (*adminService)(nil)

// factsOf are what a filter knows of a task. shown is the task as people may see it.
func factsOf(t *driver.Task, shown *v1.Task, state driver.State) filter.Facts {
	f := filter.Facts{
		ID: t.ID, Type: t.Type, Queue: t.Queue, State: string(state), Since: t.CreatedAt, Due: t.DueAt(),
		Retries: t.RetryCount, MaxRetries: t.MaxRetries, Priority: t.Priority, GroupKey: t.GroupKey, UniqueKey: t.UniqueKey,
		Payload: visible(shown.GetPayload()), Metadata: shown.GetMetadata(),
	}
	f.Redrives, _ = strconv.Atoi(t.Metadata[driver.MetaRedriveCount])
	if state == driver.Dead {
		f.Runs, _ = strconv.Atoi(t.Metadata[driver.MetaAttempts])
		f.Error = t.Metadata[driver.MetaFailureReason]
		f.Group = dlq.GroupID(t.Type, f.Error)
		if died, err := time.Parse(time.RFC3339Nano, t.Metadata[driver.MetaFailedAt]); err == nil {
			f.Since = died
		}
		return f
	}
	_, f.Error, _ = strings.Cut(t.Metadata[driver.MetaAttemptPrefix+strconv.Itoa(t.RetryCount)], ": ")
	f.Runs = t.RetryCount
	return f
}

// letterFacts are what a filter knows of a dead letter.
func letterFacts(l *dlq.Letter) filter.Facts {
	return filter.Facts{
		ID: l.ID, Type: l.Type, Queue: l.Queue, State: string(driver.Dead), Since: l.FailedAt,
		Retries: max(l.Runs-1, 0), MaxRetries: l.MaxRetries, Runs: l.Runs, Redrives: l.RedriveCount, Priority: l.Priority,
		Group: l.Group, GroupKey: l.GroupKey, UniqueKey: l.UniqueKey, Error: l.Reason, Payload: visible(string(l.Payload)), Metadata: l.Metadata,
	}
}

// visible is a payload for a filter, which finds nothing in one that cannot be shown.
func visible(payload string) string {
	if payload == "null" {
		return ""
	}
	return payload
}

// QuietWorker implements the method of QueueAdminService.
func (a *adminService) QuietWorker(ctx context.Context, req *v1.QuietWorkerRequest) (*v1.QuietWorkerResponse, error) {
	id, err := a.order(ctx, req.GetWorker(), (*fleet.Fleet).Quiet)
	if err != nil {
		return nil, err
	}
	return &v1.QuietWorkerResponse{WorkerId: id}, nil
}

// ResumeWorker implements the method of QueueAdminService.
func (a *adminService) ResumeWorker(ctx context.Context, req *v1.ResumeWorkerRequest) (*v1.ResumeWorkerResponse, error) {
	id, err := a.order(ctx, req.GetWorker(), (*fleet.Fleet).Resume)
	if err != nil {
		return nil, err
	}
	return &v1.ResumeWorkerResponse{WorkerId: id}, nil
}

// errAmbiguous: several workers have the name.
var errAmbiguous = errors.New("several workers have this name")

// order gives an order to the worker with an ID or a name, and returns its ID.
func (a *adminService) order(ctx context.Context, worker string, give func(*fleet.Fleet, context.Context, string) error) (id string, err error) {
	if a.s.cfg.Fleet == nil {
		return "", errNoFleet
	}
	all, err := a.s.cfg.Fleet.List(ctx)
	if err != nil {
		return "", err
	}
	var named []string
	for _, w := range all {
		if w.ID == worker {
			return worker, give(a.s.cfg.Fleet, ctx, worker)
		}
		if w.Name == worker {
			named = append(named, w.ID)
		}
	}
	switch len(named) {
	case 0:
		return "", fmt.Errorf("%w: %q is neither the ID nor the name of a worker", fleet.ErrWorkerNotFound, worker)
	case 1:
		return named[0], give(a.s.cfg.Fleet, ctx, named[0])
	}
	slices.Sort(named)
	return "", fmt.Errorf("%w: %q: use one of the IDs %s", errAmbiguous, worker, strings.Join(named, ", "))
}
