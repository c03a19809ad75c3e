// Command sqlite measures the SQLite provider beside goqite, another durable
// queue in a SQLite file, with no-op tasks: filling a queue, draining it, and
// both at the same time.
//
// Both write the same file system with the same durability (WAL, synchronous =
// FULL: every commit is on the disk before its caller is answered), and carry the
// same 300 bytes. Cases run in interleaved rounds, so that what disturbs the
// machine for a while disturbs them all.
//
// goqite is set up as its documentation shows: mattn/go-sqlite3 with
// _journal=WAL&_timeout=5000&_fk=true, one open connection, its own schema, one
// message a call. Beside that stands what it can do at most: 200 messages in each
// of the caller's transactions, by SendTx, ReceiveTx and DeleteTx.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/taskgen/taskgen/bench/report"
)

type config struct {
	scale  int
	rounds int
	dir    string
	out    string
}

// A Case is one line of the table. Rates are tasks a second.
type Case struct {
	Name    string         `json:"name"`
	Tasks   int            `json:"tasks_per_round"`
	Enqueue report.Summary `json:"enqueue"`
	Drain   report.Summary `json:"drain"`
	Flow    report.Summary `json:"enqueue_and_drain"`
	// The medians as multiples of those of the first case.
	EnqueueRatio float64 `json:"enqueue_ratio"`
	DrainRatio   float64 `json:"drain_ratio"`
	FlowRatio    float64 `json:"enqueue_and_drain_ratio"`
}

// A Result is what is written to the file.
type Result struct {
	Machine  report.Machine `json:"machine"`
	Settings string         `json:"settings"`
	Payload  int            `json:"payload_bytes"`
	Batch    int            `json:"batch"`
	Rounds   int            `json:"rounds"`
	Cases    []Case         `json:"cases"`
	Goals    []report.Goal  `json:"goals"`
}

const settings = "WAL, synchronous=FULL for both; goqite v0.4.0 on mattn/go-sqlite3 v1.14.53 with _journal=WAL&_timeout=5000&_fk=true&_synchronous=FULL and one open connection"

func main() {
	var cfg config
	flag.IntVar(&cfg.scale, "scale", 100, "percent of the usual number of tasks")
	flag.IntVar(&cfg.rounds, "rounds", 5, "rounds of each case, at least 3")
	flag.StringVar(&cfg.dir, "dir", "", "the `folder` for the files; its file system is what is measured (default: a new one here)")
	flag.StringVar(&cfg.out, "out", "results/sqlite.json", "the `file` to write the result to")
	flag.Parse()
	if err := run(cfg); err != nil {
		fmt.Fprintln(os.Stderr, "bench/sqlite:", err)
		os.Exit(1)
	}
}

func run(cfg config) (err error) {
	if cfg.rounds < 3 || cfg.scale < 1 {
		return fmt.Errorf("it takes at least 3 rounds and a scale of at least 1 percent")
	}
	// Not the system's folder for temporary files, which may be in memory.
	if cfg.dir, err = os.MkdirTemp(cmp.Or(cfg.dir, "."), "bench-sqlite-"); err != nil {
		return err
	}
	defer os.RemoveAll(cfg.dir)
	result, err := measure(cfg)
	if err != nil {
		return err
	}
	if err := show(result); err != nil {
		return err
	}
	return report.Write(cfg.out, result)
}

// A sample is one round of a case: tasks a second.
type sample struct{ enqueue, drain, flow float64 }

// measure runs all cases, round by round.
func measure(cfg config) (*Result, error) {
	samples := make([][]sample, len(cases))
	for round := range cfg.rounds + 1 {
		for i, c := range cases {
			s, err := take(cfg, c, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 { // the first one warms up
				samples[i] = append(samples[i], s)
			}
		}
	}
	r := &Result{Machine: report.ThisMachine(), Settings: settings, Payload: payloadSize, Batch: batch, Rounds: cfg.rounds}
	for i, c := range cases {
		of := func(field func(sample) float64) report.Summary {
			values := make([]float64, len(samples[i]))
			for j, s := range samples[i] {
				values[j] = field(s)
			}
			return report.Summarize(values)
		}
		r.Cases = append(r.Cases, Case{
			Name: c.name, Tasks: c.scaled(cfg),
			Enqueue: of(func(s sample) float64 { return s.enqueue }),
			Drain:   of(func(s sample) float64 { return s.drain }),
			Flow:    of(func(s sample) float64 { return s.flow }),
		})
		last, first := &r.Cases[i], r.Cases[0]
		last.EnqueueRatio = last.Enqueue.Median / first.Enqueue.Median
		last.DrainRatio = last.Drain.Median / first.Drain.Median
		last.FlowRatio = last.Flow.Median / first.Flow.Median
	}
	documented, ours := r.Cases[0], r.Cases[len(cases)-2]
	r.Goals = goals("times goqite as documented", ours, documented)
	return r, nil
}

// goals compares a case with another: it is to be three times as fast.
func goals(name string, ours, theirs Case) []report.Goal {
	goal := func(what string, a, b float64) report.Goal { return report.AtLeast(what+", "+name, a/b, 3) }
	return []report.Goal{
		goal("enqueue", ours.Enqueue.Median, theirs.Enqueue.Median),
		goal("drain", ours.Drain.Median, theirs.Drain.Median),
		goal("enqueue and drain", ours.Flow.Median, theirs.Flow.Median),
	}
}

// take measures one round of a case: a queue that is filled and then drained,
// and one that flows.
func take(cfg config, c benchCase, round int) (s sample, err error) {
	ctx, n := context.Background(), c.scaled(cfg)
	path := filepath.Join(cfg.dir, fmt.Sprint(round, ".db"))
	runtime.GC()
	q, err := c.open(ctx, path)
	if err != nil {
		return s, err
	}
	rate := func(f func() error) (float64, error) {
		began := time.Now()
		err := f()
		return float64(n) / time.Since(began).Seconds(), err
	}
	if s.enqueue, err = rate(func() error { return q.enqueue(ctx, n) }); err != nil {
		return s, err
	}
	if s.drain, err = rate(func() error { return q.drain(ctx, n) }); err != nil {
		return s, err
	}
	s.flow, err = rate(func() error {
		filled := make(chan error, 1)
		go func() { filled <- q.enqueue(ctx, n) }()
		if err := q.drain(ctx, n); err != nil {
			return err
		}
		return <-filled
	})
	if err != nil {
		return s, err
	}
	if err := q.close(ctx); err != nil {
		return s, err
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !os.IsNotExist(err) {
			return s, err
		}
	}
	return s, nil
}

func show(r *Result) error {
	fmt.Printf("%s %s/%s, %s, GOMAXPROCS %d; %d rounds, %d bytes a task\n%s\n\n",
		r.Machine.Go, r.Machine.OS, r.Machine.Arch, r.Machine.CPU, r.Machine.GOMAXPROCS, r.Rounds, r.Payload, r.Settings)
	var rows [][]string
	for _, c := range r.Cases {
		row := []string{c.Name}
		for _, s := range []struct {
			rate  report.Summary
			ratio float64
		}{{c.Enqueue, c.EnqueueRatio}, {c.Drain, c.DrainRatio}, {c.Flow, c.FlowRatio}} {
			row = append(row, report.Count(s.rate.Min), report.Count(s.rate.Median), fmt.Sprintf("%.1f×", s.ratio))
		}
		rows = append(rows, row)
	}
	header := []string{"tasks a second", "enqueue min", "median", "", "drain min", "median", "", "both min", "median", ""}
	if err := report.Table(os.Stdout, header, rows); err != nil {
		return err
	}
	fmt.Println()
	return report.ShowGoals(os.Stdout, r.Goals)
}
