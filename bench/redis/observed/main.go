// Command observed measures what it costs to be observed: how fast taskgen drains a queue on
// Redis with each kind of listener, beside itself with none. The contenders share the server,
// and their rounds are interleaved; each round is compared with the one of the same number.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/taskgen/taskgen/bench/contest"
	redis "github.com/taskgen/taskgen/bench/redis/contenders"
	"github.com/taskgen/taskgen/bench/report"
)

func main() {
	cfg := contest.Config{Stages: []contest.Stage{contest.Drain}, Links: []time.Duration{0}}
	flag.IntVar(&cfg.Tasks, "tasks", 100_000, "tasks of a stage")
	flag.DurationVar(&cfg.Limit, "limit", 10*time.Second, "longest `time` of a stage; the rate is that of the tasks until then")
	flag.IntVar(&cfg.Rounds, "rounds", 9, "rounds, at least 3: the differences are small")
	flag.IntVar(&cfg.More, "more", 3, "rounds more at most, while some rate differs by more than 1.5 times between rounds")
	flag.BoolVar(&cfg.Quiet, "quiet", false, "do not tell how far it is")
	flag.StringVar(&cfg.Profiles, "profiles", "", "the `folder` to write CPU profiles of the contenders into; empty: none")
	file := flag.String("out", "results/observed.json", "the `file` to write the result to; empty: none")
	flag.Parse()
	if err := run(context.Background(), cfg, *file, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/redis/observed:", err)
		os.Exit(1)
	}
}

// goals are those of the history, the one listener that uses the server of the queue.
func goals(r *contest.Result) []report.Goal {
	rate := r.Rate(contest.Loopback, history, contest.Drain)
	if rate == nil || rate.Times.Median == 0 {
		return nil
	}
	return []report.Goal{report.AtLeast("drain with a history, as a part of the rate without", 1/rate.Times.Median, 0.85)}
}

func run(ctx context.Context, cfg contest.Config, file string, out io.Writer) error {
	if cfg.Rounds < 3 || cfg.More < 0 || cfg.Tasks < 1 || cfg.Limit <= 0 {
		return errors.New("it takes at least 3 rounds and a positive number of tasks and limit")
	}
	r, err := contest.Run(ctx, contest.Contest{
		Broker: "redis", Start: redis.Start, Contenders: contenders,
		Goals: goals,
	}, cfg)
	if err != nil {
		return err
	}
	if err := r.Show(out); err != nil || file == "" {
		return err
	}
	return report.Write(file, r)
}
