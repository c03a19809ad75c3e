package server

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// Unspecified values have no entry: in a request they are the zero value, which leaves the
// choice to the scheduler.
var (
	overlaps = map[v1.Overlap]schedule.Overlap{
		v1.Overlap_OVERLAP_ALLOW: schedule.AllowOverlap, v1.Overlap_OVERLAP_SKIP: schedule.SkipOverlap,
	}
	missed = map[v1.Missed]schedule.Missed{
		v1.Missed_MISSED_FIRE_ONCE: schedule.FireOnce, v1.Missed_MISSED_FIRE_ALL: schedule.FireAll, v1.Missed_MISSED_FIRE_NONE: schedule.FireNone,
	}
	jobStates = map[v1.JobState]schedule.State{
		v1.JobState_JOB_STATE_SCHEDULED: schedule.Scheduled, v1.JobState_JOB_STATE_ENQUEUED: schedule.Enqueued, v1.JobState_JOB_STATE_RUNNING: schedule.Running,
		v1.JobState_JOB_STATE_SUCCEEDED: schedule.Succeeded, v1.JobState_JOB_STATE_FAILED: schedule.Failed, v1.JobState_JOB_STATE_DEAD: schedule.Dead,
		v1.JobState_JOB_STATE_MISSING: schedule.Missing, v1.JobState_JOB_STATE_CANCELLED: schedule.Cancelled, v1.JobState_JOB_STATE_UNREADABLE: schedule.Unreadable,
	}
)

var (
	overlapNumbers  = inverse(overlaps)
	missedNumbers   = inverse(missed)
	jobStateNumbers = inverse(jobStates)
)

func inverse[K, V comparable](m map[K]V) map[V]K {
	back := make(map[V]K, len(m))
	for k, v := range m {
		back[v] = k
	}
	return back
}

// whenOf is the time of a job that a request has. The error wraps ErrInvalidJob.
func whenOf(m *v1.When) (schedule.When, error) {
	bad := func(field string, err error) (schedule.When, error) {
		return schedule.When{}, fmt.Errorf("%w: when.%s: %w", schedule.ErrInvalidJob, field, err)
	}
	switch w := m.GetWhen().(type) {
	case *v1.When_At:
		at, err := timeOf(w.At)
		if err != nil {
			return bad("at", err)
		}
		return schedule.At(at), nil
	case *v1.When_In:
		if err := w.In.CheckValid(); err != nil {
			return bad("in", err)
		}
		return schedule.In(w.In.AsDuration()), nil
	case *v1.When_Every:
		if err := w.Every.CheckValid(); err != nil {
			return bad("every", err)
		}
		return schedule.Every(w.Every.AsDuration()), nil
	case *v1.When_Cron:
		return schedule.Cron(w.Cron.GetExpression(), w.Cron.GetZone()), nil
	}
	return schedule.When{}, fmt.Errorf("%w: when has no value: set one of at, in, every and cron", schedule.ErrInvalidJob)
}

// whenMessage is the time of a job as a message; nil for none.
func whenMessage(w schedule.When) *v1.When {
	switch {
	case w.Cron != "":
		return &v1.When{When: &v1.When_Cron{Cron: &v1.Cron{Expression: w.Cron, Zone: w.Zone}}}
	case w.Every != 0:
		return &v1.When{When: &v1.When_Every{Every: durationpb.New(w.Every)}}
	case w.In != 0:
		return &v1.When{When: &v1.When_In{In: durationpb.New(w.In)}}
	case !w.At.IsZero():
		return &v1.When{When: &v1.When_At{At: timestamppb.New(w.At)}}
	}
	return nil
}

// jobOf is a job as people may see it.
func (s *Server) jobOf(ctx context.Context, st *schedule.Status) *v1.Job {
	j := &v1.Job{
		Id: string(st.ID), Owner: st.Owner, When: whenMessage(st.When),
		Overlap: overlapNumbers[st.Overlap], Missed: missedNumbers[st.Missed], MaxMissed: int32(st.MaxMissed), Jitter: duration(st.Jitter),
		State: jobStateNumbers[st.State], Paused: st.Paused, Next: timestamp(st.Next), Fired: st.Fired, Skipped: st.Skipped, Last: firingOf(&st.Last),
		Error: st.Error, CreatedAt: timestamp(st.CreatedAt), UpdatedAt: timestamp(st.UpdatedAt),
	}
	if st.Missed == schedule.FireAll && st.MaxMissed == 0 {
		j.MaxMissed = schedule.DefaultMaxMissed
	}
	if st.Task != nil && st.Task.Type != "" { // of an unreadable job nothing is known
		j.Task = s.taskOf(ctx, st.Task)
		j.Task.Id, j.Task.DueAt = "", nil // each firing has its own
	}
	return j
}

// firingOf is the last firing of a job; nil if there was none.
func firingOf(r *schedule.Run) *v1.Firing {
	if r.TaskID == "" {
		return nil
	}
	f := &v1.Firing{TaskId: r.TaskID, DueAt: timestamp(r.Due), State: jobStateNumbers[r.State], Error: r.Error}
	if p := r.Progress; p.Done != 0 || p.Total != 0 || p.Note != "" {
		f.Progress = &v1.Progress{Done: p.Done, Total: p.Total, Note: p.Note}
	}
	return f
}
