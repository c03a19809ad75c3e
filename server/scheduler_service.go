package server

import (
	"context"
	"fmt"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// A schedulerService keeps the jobs of Config.Scheduler.
type schedulerService struct{ s *Server }

// defaultJobs is how many jobs a page has at most if the request does not say.
const defaultJobs = 100

// scheduler is Config.Scheduler, or an error that wraps ErrUnsupported.
func (j *schedulerService) scheduler() (schedule.Scheduler, error) {
	if j.s.cfg.Scheduler == nil {
		return nil, fmt.Errorf("%w: the server keeps no jobs: set its Config.Scheduler to schedule.New with a store of jobs", driver.ErrUnsupported)
	}
	return j.s.cfg.Scheduler, nil
}

// ScheduleJob implements SchedulerServiceHandler.
func (j *schedulerService) ScheduleJob(ctx context.Context, r *v1.ScheduleJobRequest) (*v1.ScheduleJobResponse, error) {
	in, err := j.scheduler()
	if err != nil {
		return nil, err
	}
	job := schedule.Job{
		ID: schedule.JobID(r.GetId()), Overlap: overlaps[r.GetOverlap()], Missed: missed[r.GetMissed()],
		MaxMissed: int(r.GetMaxMissed()), Jitter: r.GetJitter().AsDuration(),
	}
	if job.When, err = whenOf(r.GetWhen()); err != nil {
		return nil, err
	}
	if job.Task, err = j.s.newTask(ctx, r.GetTask()); err != nil {
		return nil, err
	}
	id, err := in.Schedule(ctx, job)
	if err != nil {
		return nil, err
	}
	return &v1.ScheduleJobResponse{Id: string(id)}, nil
}

// CancelJob implements SchedulerServiceHandler.
func (j *schedulerService) CancelJob(ctx context.Context, r *v1.CancelJobRequest) (*v1.CancelJobResponse, error) {
	return answer(j, &v1.CancelJobResponse{}, func(in schedule.Scheduler) error {
		return in.Cancel(ctx, schedule.JobID(r.GetId()))
	})
}

// ModifyJob implements SchedulerServiceHandler.
func (j *schedulerService) ModifyJob(ctx context.Context, r *v1.ModifyJobRequest) (*v1.ModifyJobResponse, error) {
	return answer(j, &v1.ModifyJobResponse{}, func(in schedule.Scheduler) error {
		change := schedule.Change{Overlap: overlaps[r.GetOverlap()], Missed: missed[r.GetMissed()], MaxMissed: int(r.GetMaxMissed())}
		var err error
		if r.GetWhen() != nil {
			if change.When, err = whenOf(r.GetWhen()); err != nil {
				return err
			}
		}
		if r.GetTask() != nil {
			if change.Task, err = j.s.newTask(ctx, r.GetTask()); err != nil {
				return err
			}
		}
		if r.GetJitter() != nil {
			jitter := r.GetJitter().AsDuration()
			change.Jitter = &jitter
		}
		return in.Modify(ctx, schedule.JobID(r.GetId()), change)
	})
}

// GetJobStatus implements SchedulerServiceHandler.
func (j *schedulerService) GetJobStatus(ctx context.Context, r *v1.GetJobStatusRequest) (*v1.GetJobStatusResponse, error) {
	in, err := j.scheduler()
	if err != nil {
		return nil, err
	}
	st, err := in.Status(ctx, schedule.JobID(r.GetId()))
	if err != nil {
		return nil, err
	}
	job := j.s.jobOf(ctx, &st)
	if st.When.Recurring() {
		upcoming, err := st.Upcoming(int(r.GetUpcoming()))
		if err != nil && job.Error == "" { // such as of a time zone that only other schedulers have
			job.Error = err.Error()
		}
		for _, at := range upcoming {
			job.Upcoming = append(job.Upcoming, timestamp(at))
		}
	}
	return &v1.GetJobStatusResponse{Job: job}, nil
}

// ListJobs implements SchedulerServiceHandler.
func (j *schedulerService) ListJobs(ctx context.Context, r *v1.ListJobsRequest) (*v1.ListJobsResponse, error) {
	in, err := j.scheduler()
	if err != nil {
		return nil, err
	}
	limit := int(r.GetLimit())
	if limit == 0 {
		limit = defaultJobs
	}
	filter := schedule.Filter{Owner: r.GetOwner(), Type: r.GetType(), Queue: r.GetQueue(), State: jobStates[r.GetState()]}
	page, next, err := in.List(ctx, filter, r.GetCursor(), limit)
	if err != nil {
		return nil, err
	}
	res := &v1.ListJobsResponse{NextCursor: next}
	for i := range page {
		res.Jobs = append(res.Jobs, j.s.jobOf(ctx, &page[i]))
	}
	return res, nil
}

// PauseJob implements SchedulerServiceHandler.
func (j *schedulerService) PauseJob(ctx context.Context, r *v1.PauseJobRequest) (*v1.PauseJobResponse, error) {
	return answer(j, &v1.PauseJobResponse{}, func(in schedule.Scheduler) error {
		return in.Pause(ctx, schedule.JobID(r.GetId()))
	})
}

// ResumeJob implements SchedulerServiceHandler.
func (j *schedulerService) ResumeJob(ctx context.Context, r *v1.ResumeJobRequest) (*v1.ResumeJobResponse, error) {
	return answer(j, &v1.ResumeJobResponse{}, func(in schedule.Scheduler) error {
		return in.Resume(ctx, schedule.JobID(r.GetId()))
	})
}

// RunNow implements SchedulerServiceHandler.
func (j *schedulerService) RunNow(ctx context.Context, r *v1.RunNowRequest) (*v1.RunNowResponse, error) {
	res := &v1.RunNowResponse{}
	return answer(j, res, func(in schedule.Scheduler) (err error) {
		res.TaskId, err = in.RunNow(ctx, schedule.JobID(r.GetId()))
		return err
	})
}

// answer does what a request asks of the scheduler, and returns res if that went well.
func answer[T any](j *schedulerService, res *T, do func(in schedule.Scheduler) error) (*T, error) {
	in, err := j.scheduler()
	if err != nil {
		return nil, err
	}
	if err := do(in); err != nil {
		return nil, err
	}
	return res, nil
}
