package contenders

import (
	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/report"
)

// CPUPerTask is what a contender's task costs Redis on loopback, in microseconds:
// to be enqueued in the way that is best for many, and to be drained. It is 0
// where that was not measured.
func CPUPerTask(r *contest.Result, name string) float64 {
	c := r.Case(contest.Loopback, name)
	if c == nil {
		return 0
	}
	cost, _ := c.Life(contest.CPUMicros)
	return cost
}

// CPUGoal is that a task costs Redis a fifth of what asynq's costs at most.
func CPUGoal(r *contest.Result) []report.Goal {
	ours, theirs := CPUPerTask(r, "taskgen"), CPUPerTask(r, "asynq")
	if ours == 0 || theirs == 0 {
		return nil
	}
	return []report.Goal{report.AtMost("Redis CPU of a task, as a part of asynq's", ours/theirs, 0.2)}
}

// IdleGoal is that a task on an idle queue is begun within 5 ms.
func IdleGoal(r *contest.Result) []report.Goal {
	c := r.Case(contest.Loopback, "taskgen")
	if c == nil || c.Idle == nil {
		return nil
	}
	return []report.Goal{report.AtMost("idle pickup p50, ms", c.Idle.P50, 5)}
}

// MemoryGoal is that a waiting task takes at most 0.6 of the memory of asynq's where the
// provider is told to spare it.
func MemoryGoal(r *contest.Result) []report.Goal {
	ours, theirs := r.Case(contest.Loopback, TaskgenCompact().Name), r.Case(contest.Loopback, "asynq")
	if ours == nil || theirs == nil || ours.Memory == nil || theirs.Memory == nil {
		return nil
	}
	return []report.Goal{report.AtMost("Redis memory of a task, as a part of asynq's, with WithCompactTasks", ours.Memory.Median/theirs.Memory.Median, 0.6)}
}
