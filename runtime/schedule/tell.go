package schedule

import (
	"context"
	"errors"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// lookupPageSize is how many jobs are read at a time.
const lookupPageSize = 256

// taskStates maps states of jobs to states of tasks.
var taskStates = map[State]driver.State{
	Enqueued: driver.Ready, Running: driver.Leased, Failed: driver.Scheduled, Succeeded: driver.Done, Dead: driver.Dead,
}

// Tell implements [runtime.Teller]: it knows the last task of each job from the notes of
// workers that use Track. If no queue has shown the task it reads all jobs.
func (s *Service) Tell(ctx context.Context, id string, task *runtime.Task) (runtime.TaskStatus, bool, error) {
	if task != nil {
		job := JobID(task.Metadata[MetaJob])
		if job == "" {
			return runtime.TaskStatus{}, false, nil
		}
		e, err := s.store.Get(ctx, job)
		if errors.Is(err, ErrJobNotFound) {
			return runtime.TaskStatus{}, false, nil
		}
		if err != nil {
			return runtime.TaskStatus{}, false, fmt.Errorf("job %s: %w", job, err)
		}
		st, ok := tell(e, id)
		return st, ok, nil
	}
	for after := JobID(""); ; {
		es, err := s.store.List(ctx, "", after, lookupPageSize)
		if err != nil {
			return runtime.TaskStatus{}, false, fmt.Errorf("list jobs: %w", err)
		}
		for _, e := range es {
			if st, ok := tell(e, id); ok {
				return st, true, nil
			}
			after = e.ID
		}
		if len(es) < lookupPageSize {
			return runtime.TaskStatus{}, false, nil
		}
	}
}

// tell returns what is known about the job's last task, if that has the ID.
func tell(e *Entry, id string) (runtime.TaskStatus, bool) {
	last := statusOf(e).Last
	state, ok := taskStates[last.State]
	if !ok || last.TaskID != id {
		return runtime.TaskStatus{}, false
	}
	st := runtime.TaskStatus{
		ID: id, Type: e.Task.Type, Queue: e.Task.Queue, State: state, Attempts: last.Attempts, Failure: last.Error,
	}
	if state == driver.Leased {
		st.Progress = last.Progress
	}
	return st, true
}
