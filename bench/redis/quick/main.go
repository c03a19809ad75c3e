// Command quick measures taskgen on Redis beside asynq in less than a minute, and
// prints one line of JSON last. It measures fewer tasks than the long benchmark
// beside it does, and what cannot end in time only for a while: its figures are
// rougher.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/redis/contenders"
	"github.com/taskgen/taskgen/bench/report"
)

const roundTrip = time.Millisecond

// Figures are the line that is printed last. Ratios are the medians of the
// rounds', and say how many times as fast taskgen is as asynq.
type Figures struct {
	Drain    float64 `json:"redis_drain_ratio"`     // on loopback
	Enqueue  float64 `json:"redis_enqueue_ratio"`   // 32 callers, one task a call, on loopback
	RTTDrain float64 `json:"redis_rtt_drain_ratio"` // with a millisecond of round trip
	IdleP50  float64 `json:"idle_p50_ms"`
	// CPU is Redis' own, of a taskgen task that is enqueued in a batch and drained.
	CPU float64 `json:"redis_cpu_us_per_task"`
}

func main() {
	tasks := flag.Int("tasks", 10_000, "tasks of a stage")
	limit := flag.Duration("limit", time.Second, "longest `time` of a stage")
	flag.Parse()
	if err := run(context.Background(), *tasks, *limit, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/redis/quick:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, tasks int, limit time.Duration, out io.Writer) error {
	c := contest.Contest{
		Broker: "redis", Start: contenders.Start,
		Contenders: []contest.Contender{contenders.Taskgen(), contenders.Asynq()},
		Goals:      func(*contest.Result) []report.Goal { return nil },
	}
	r, err := contest.Run(ctx, c, contest.Config{
		Rounds: 3, Tasks: tasks, Limit: limit, Links: []time.Duration{0, roundTrip}, Quiet: true,
		Stages:     []contest.Stage{contest.Many, contest.Batches, contest.Drain},
		LinkStages: []contest.Stage{contest.Drain},
	})
	if err != nil {
		return err
	}
	// How soon asynq picks a task up takes long to measure, and is not asked for.
	c.Contenders = c.Contenders[:1]
	idle, err := contest.Run(ctx, c, contest.Config{
		Rounds: 3, Tasks: 1, Limit: limit, Links: []time.Duration{0}, Quiet: true, Stages: []contest.Stage{}, Idle: 30,
	})
	if err != nil {
		return err
	}
	pickup := idle.Case(contest.Loopback, "taskgen").Idle
	if pickup == nil {
		return fmt.Errorf("no idle pickup was measured within %s: raise -limit", limit)
	}
	if err := r.Show(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return json.NewEncoder(out).Encode(Figures{
		Drain:    r.Rate(contest.Loopback, "asynq", contest.Drain).Times.Median,
		Enqueue:  r.Rate(contest.Loopback, "asynq", contest.Many).Times.Median,
		RTTDrain: r.Links[1].Cases[1].Rates[contest.Drain].Times.Median,
		IdleP50:  pickup.P50,
		CPU:      contenders.CPUPerTask(r, "taskgen"),
	})
}
