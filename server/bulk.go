package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

const (
	// maxBulkRunning is how many bulk jobs work at a time.
	maxBulkRunning = 4
	// maxBulkKept is how many bulk jobs a server remembers.
	maxBulkKept = 1000
	// watchEvery is the least time between two messages of WatchBulkJob.
	watchEvery = 200 * time.Millisecond
)

var (
	// errTooManyBulkJobs: the server works on as many as it may.
	errTooManyBulkJobs = fmt.Errorf("%d bulk jobs run, and no more do at a time: wait for one, or cancel it", maxBulkRunning)
	// errUnknownBulkJob: the server has no such job, or no longer.
	errUnknownBulkJob = errors.New("the server has no such bulk job: another server may have it, and each forgets the oldest of a thousand, and all when it stops")
	// errBulkState: the job cannot be resumed.
	errBulkState = errors.New("only a bulk job that was cancelled or has failed can be resumed")
)

// bulkJobs are those of a server. They go on when their callers have gone, and end with it.
type bulkJobs struct {
	s    *Server
	hard context.Context // of calls to queues: ends some time after the server
	end  context.CancelFunc

	mu      sync.Mutex
	all     []*bulkJob // the newest last
	running int
	closed  bool
	work    sync.WaitGroup
}

func newBulkJobs(s *Server) *bulkJobs {
	b := &bulkJobs{s: s}
	b.hard, b.end = context.WithCancel(context.Background())
	return b
}

// start begins a new job.
func (b *bulkJobs) start(j *bulkJob) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.beginLocked(j); err != nil {
		return err
	}
	if b.all = append(b.all, j); len(b.all) > maxBulkKept {
		oldest := slices.IndexFunc(b.all, func(j *bulkJob) bool { return !runs(j.message().GetState()) })
		b.all = slices.Delete(b.all, oldest, oldest+1)
	}
	return nil
}

// resume goes on with a job that was cancelled or has failed.
func (b *bulkJobs) resume(j *bulkJob) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state := j.message().GetState(); state {
	case v1.BulkState_BULK_STATE_CANCELLED, v1.BulkState_BULK_STATE_FAILED:
		return b.beginLocked(j)
	default:
		return fmt.Errorf("%w: this one is %s", errBulkState, bulkStates[state])
	}
}

var bulkStates = map[v1.BulkState]string{v1.BulkState_BULK_STATE_RUNNING: "running", v1.BulkState_BULK_STATE_DONE: "done"}

// beginLocked has a job work. b.mu is held.
func (b *bulkJobs) beginLocked(j *bulkJob) error {
	if b.closed {
		return errStopped
	}
	if b.running >= maxBulkRunning {
		return errTooManyBulkJobs
	}
	b.running++
	ctx, stop := context.WithCancel(b.s.live)
	j.update(func(m *v1.BulkJob) {
		m.State, m.EndedAt, m.Error = v1.BulkState_BULK_STATE_RUNNING, nil, nil
		if m.StartedAt == nil {
			m.StartedAt = timestamppb.Now()
		}
		j.stop, j.over = stop, make(chan struct{})
	})
	b.work.Go(func() {
		defer stop()
		err := b.workOn(ctx, j)
		b.mu.Lock()
		b.running--
		b.mu.Unlock()
		j.end(err, ctx.Err() != nil)
	})
	return nil
}

// workOn has a panic, of a provider say, end its job alone.
func (b *bulkJobs) workOn(ctx context.Context, j *bulkJob) (err error) {
	defer func() {
		if p := recover(); p != nil {
			b.s.panicked(ctx, p, slog.String("bulk_job", j.m.GetId()))
			err = errPanicked
		}
	}()
	return j.work(ctx, b.hard)
}

// cancel stops a job and waits for that, or for ctx.
func (b *bulkJobs) cancel(ctx context.Context, j *bulkJob) error {
	j.mu.Lock()
	stop, over := j.stop, j.over
	j.mu.Unlock()
	stop()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// job finds one by its ID.
func (b *bulkJobs) job(id string) (*bulkJob, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, j := range b.all {
		if j.m.GetId() == id {
			return j, nil
		}
	}
	return nil, errUnknownBulkJob
}

// close ends all jobs: those whose call to a queue does not end within the grace with that call.
func (b *bulkJobs) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	defer time.AfterFunc(grace, b.end).Stop()
	b.work.Wait() // the server's context is done, and so are those of the jobs
	b.end()
}

// GetBulkJob implements the method of QueueAdminService.
func (a *adminService) GetBulkJob(_ context.Context, req *v1.GetBulkJobRequest) (*v1.GetBulkJobResponse, error) {
	j, err := a.s.bulk.job(req.GetId())
	if err != nil {
		return nil, err
	}
	return &v1.GetBulkJobResponse{Job: j.message()}, nil
}

// ListBulkJobs implements the method of QueueAdminService.
func (a *adminService) ListBulkJobs(context.Context, *v1.ListBulkJobsRequest) (*v1.ListBulkJobsResponse, error) {
	a.s.bulk.mu.Lock()
	all := slices.Clone(a.s.bulk.all)
	a.s.bulk.mu.Unlock()
	res := &v1.ListBulkJobsResponse{}
	for _, j := range slices.Backward(all) {
		res.Jobs = append(res.Jobs, j.message())
	}
	return res, nil
}

// WatchBulkJob implements the method of QueueAdminService.
func (a *adminService) WatchBulkJob(ctx context.Context, req *v1.WatchBulkJobRequest, stream *connect.ServerStream[v1.WatchBulkJobResponse]) error {
	j, err := a.s.bulk.job(req.GetId())
	if err != nil {
		return err
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		m, changed := j.watch()
		if err := stream.Send(&v1.WatchBulkJobResponse{Job: m}); err != nil || !runs(m.GetState()) {
			return err
		}
		for _, wait := range []func() error{waitFor(ctx, changed), waitFor(ctx, tick.C)} {
			if err := wait(); err != nil {
				return err
			}
		}
	}
}

// waitFor waits for a channel, or for the end of ctx.
func waitFor[T any](ctx context.Context, c <-chan T) func() error {
	return func() error {
		select {
		case <-c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// CancelBulkJob implements the method of QueueAdminService.
func (a *adminService) CancelBulkJob(ctx context.Context, req *v1.CancelBulkJobRequest) (*v1.CancelBulkJobResponse, error) {
	j, err := a.s.bulk.job(req.GetId())
	if err != nil {
		return nil, err
	}
	if err := a.s.bulk.cancel(ctx, j); err != nil {
		return nil, err
	}
	return &v1.CancelBulkJobResponse{Job: j.message()}, nil
}

// ResumeBulkJob implements the method of QueueAdminService. What only an admin may begin, only an
// admin may resume.
func (a *adminService) ResumeBulkJob(ctx context.Context, req *v1.ResumeBulkJobRequest) (*v1.ResumeBulkJobResponse, error) {
	j, err := a.s.bulk.job(req.GetId())
	if err != nil {
		return nil, err
	}
	if err := authorize(ctx, bulkProcedures[j.m.GetKind()]); err != nil {
		return nil, err
	}
	if err := a.s.bulk.resume(j); err != nil {
		return nil, err
	}
	return &v1.ResumeBulkJobResponse{Job: j.message()}, nil
}
