// Command wire measures what the API costs: tasks that are enqueued, handed out and completed
// by gRPC over loopback, beside the same provider used by a manager and a pool. Client and
// server are one process, as manager and pool are. The contenders share the server of the
// queue, and their rounds are interleaved; each round is compared with the one of the same
// number.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/taskgen/taskgen/bench/contest"
	redis "github.com/taskgen/taskgen/bench/redis/contenders"
	"github.com/taskgen/taskgen/bench/report"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	tgredis "github.com/taskgen/taskgen/runtime/redis"
)

func main() {
	cfg := contest.Config{Stages: []contest.Stage{contest.Batches, contest.Drain, contest.BatchFlow}, Links: []time.Duration{0}}
	flag.IntVar(&cfg.Tasks, "tasks", 100_000, "tasks of a stage")
	flag.DurationVar(&cfg.Limit, "limit", 5*time.Second, "longest `time` of a stage; the rate is that of the tasks until then")
	flag.IntVar(&cfg.Rounds, "rounds", 5, "rounds, at least 3")
	flag.IntVar(&cfg.More, "more", 3, "rounds more at most, while some rate differs by more than 1.5 times between rounds")
	flag.BoolVar(&cfg.Quiet, "quiet", false, "do not tell how far it is")
	flag.StringVar(&cfg.Profiles, "profiles", "", "the `folder` to write CPU profiles of the contenders into; empty: none")
	only := flag.String("on", "", "redis or memory; empty: both")
	folder := flag.String("out", "results", "the `folder` to write wire-redis.json and wire-memory.json to; empty: none")
	flag.Parse()
	if err := run(context.Background(), cfg, *only, *folder, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/wire:", err)
		os.Exit(1)
	}
}

// A provider is what both contenders use.
type provider struct {
	name  string
	start func(ctx context.Context) (*contest.Broker, error)
	open  func(ctx context.Context, url string) (runtime.Provider, error)
	goal  float64 // the least part of the direct rate; 0: none
}

var providers = []provider{
	{"redis", redis.Start, func(ctx context.Context, url string) (runtime.Provider, error) { return tgredis.Open(ctx, url) }, 0.5},
	{"memory", inProcess, func(context.Context, string) (runtime.Provider, error) { return memory.New(), nil }, 0},
}

// inProcess is the broker of a provider that needs none.
func inProcess(context.Context) (*contest.Broker, error) {
	return &contest.Broker{
		About: "none: the queue is in the process", Clear: func(context.Context) error { return nil }, Stop: func() error { return nil },
	}, nil
}

func run(ctx context.Context, cfg contest.Config, only, folder string, out io.Writer) error {
	if cfg.Rounds < 3 || cfg.More < 0 || cfg.Tasks < 1 || cfg.Limit <= 0 {
		return errors.New("it takes at least 3 rounds and a positive number of tasks and limit")
	}
	measured := false
	for _, p := range providers {
		if only != "" && only != p.name {
			continue
		}
		measured = true
		r, err := contest.Run(ctx, contest.Contest{
			Broker: p.name, Start: p.start, Contenders: p.contenders(), Goals: p.goals,
		}, cfg)
		if err != nil {
			return err
		}
		if err := r.Show(out); err != nil {
			return err
		}
		if folder == "" {
			continue
		}
		if err := report.Write(filepath.Join(folder, "wire-"+p.name+".json"), r); err != nil {
			return err
		}
	}
	if !measured {
		return fmt.Errorf("-on is redis or memory, not %q", only)
	}
	return nil
}

func (p provider) contenders() []contest.Contender {
	return []contest.Contender{contest.Taskgen("provider "+p.name+" with its defaults", p.open), wire(p.name, p.open)}
}

// goals are about the whole way of a task. Times says how many times as fast the direct way is.
func (p provider) goals(r *contest.Result) []report.Goal {
	rate := r.Rate(contest.Loopback, overTheWire, contest.BatchFlow)
	if p.goal == 0 || rate == nil || rate.Times.Median == 0 {
		return nil
	}
	return []report.Goal{report.AtLeast("tasks over the wire, as a part of the direct rate", 1/rate.Times.Median, p.goal)}
}
