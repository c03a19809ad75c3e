// Command redis measures taskgen on Redis beside asynq, machinery and BullMQ, and
// beside the client alone, with no-op tasks.
package main

import (
	"slices"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/redis/contenders"
	"github.com/taskgen/taskgen/bench/report"
)

func main() { contest.Main(declared) }

var declared = contest.Contest{
	Broker: "redis",
	Start:  contenders.Start,
	Contenders: []contest.Contender{
		contenders.Taskgen(), contenders.TaskgenCompact(), contenders.Asynq(), contenders.AsynqEager(), Machinery(), BullMQ(), contenders.Raw(),
	},
	Goals: goals,
}

// delayed is the link with a millisecond of round trip.
const delayed = "1ms of round trip"

func goals(r *contest.Result) []report.Goal {
	var goals []report.Goal
	goals = append(goals, r.Times(5, contest.Loopback, "asynq", contest.Drain)...)
	goals = append(goals, r.Times(20, delayed, "asynq", contest.Drain)...)
	return slices.Concat(goals, contenders.IdleGoal(r), contenders.CPUGoal(r), contenders.MemoryGoal(r))
}
