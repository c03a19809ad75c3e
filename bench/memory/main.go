// Command memory measures how many no-op tasks a second go all the way through
// the memory provider: enqueued in batches by a manager, run by a pool, and
// completed. Beside it runs a plain channel, the ceiling of what the machine
// could do, so that the ratio means something on another machine.
//
// Cases run in interleaved rounds, so that what disturbs the machine for a while
// disturbs them all. Allocations are those of the whole process between the
// first enqueue and the pool's stop, divided by the tasks.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/taskgen/taskgen/bench/report"
)

type config struct {
	tasks   int
	batch   int
	rounds  int
	workers int
	out     string
}

// A Case is one line of the table.
type Case struct {
	Name string `json:"name"`
	// TasksPerSecond over the rounds.
	TasksPerSecond report.Summary `json:"tasks_per_second"`
	// AllocsPerTask of the whole way of a task; the median round.
	AllocsPerTask float64 `json:"allocs_per_task"`
	BytesPerTask  float64 `json:"bytes_per_task"`
	// CPUPerTask is the CPU time of the process in nanoseconds, which says more
	// than the rate when the machine is busy with something else.
	CPUPerTask report.Summary `json:"cpu_ns_per_task"`
	// OfChannel is the median rate as a fraction of the channel's.
	OfChannel float64 `json:"of_channel"`
}

// A Result is what is written to the file.
type Result struct {
	Machine report.Machine `json:"machine"`
	Tasks   int            `json:"tasks_per_round"`
	Batch   int            `json:"batch"`
	Rounds  int            `json:"rounds"`
	Workers int            `json:"workers"`
	Cases   []Case         `json:"cases"`
	Goals   []report.Goal  `json:"goals"`
}

func main() {
	var cfg config
	flag.IntVar(&cfg.tasks, "tasks", 500_000, "tasks in each round of a case")
	flag.IntVar(&cfg.batch, "batch", 500, "tasks in each enqueue")
	flag.IntVar(&cfg.rounds, "rounds", 5, "rounds of each case, at least 3")
	flag.IntVar(&cfg.workers, "workers", 2, "workers of the pool")
	flag.StringVar(&cfg.out, "out", "results/memory.json", "the `file` to write the result to")
	cpus := flag.Int("cpus", 2, "CPUs to use (GOMAXPROCS)")
	flag.Parse()
	runtime.GOMAXPROCS(*cpus)
	if err := run(cfg); err != nil {
		fmt.Fprintln(os.Stderr, "bench/memory:", err)
		os.Exit(1)
	}
}

func run(cfg config) error {
	if cfg.rounds < 3 || cfg.tasks < 1 || cfg.batch < 1 || cfg.workers < 1 {
		return fmt.Errorf("it takes at least 3 rounds and a positive number of tasks, batch and workers")
	}
	result, err := measure(cfg)
	if err != nil {
		return err
	}
	if err := show(result); err != nil {
		return err
	}
	return report.Write(cfg.out, result)
}

// measure runs all cases, round by round.
func measure(cfg config) (*Result, error) {
	samples := make([][]sample, len(cases))
	for round := range cfg.rounds + 1 {
		for i, c := range cases {
			s, err := take(c.run, cfg)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 { // the first one warms up
				samples[i] = append(samples[i], s)
			}
		}
	}
	result := &Result{Machine: report.ThisMachine(), Tasks: cfg.tasks, Batch: cfg.batch, Rounds: cfg.rounds, Workers: cfg.workers}
	for i, c := range cases {
		result.Cases = append(result.Cases, summarize(c.name, samples[i]))
		result.Cases[i].OfChannel = result.Cases[i].TasksPerSecond.Median / result.Cases[0].TasksPerSecond.Median
	}
	encoded, generated, codec := result.Cases[1], result.Cases[2], result.Cases[3]
	result.Goals = []report.Goal{
		report.AtLeast("encoded payload, tasks a second", encoded.TasksPerSecond.Median, 1_000_000),
		report.AtMost("encoded payload, allocations a task", encoded.AllocsPerTask, 6),
		report.AtLeast("generated code, tasks a second", generated.TasksPerSecond.Median, 250_000),
		report.AtMost("generated code, allocations a task beyond encoding/json", generated.AllocsPerTask-codec.AllocsPerTask, 8),
	}
	return result, nil
}

// A sample is one measurement of a case.
type sample struct{ rate, allocs, bytes, cpu float64 }

// take measures one round of a case, from a clean heap.
func take(run func(config) (time.Duration, error), cfg config) (sample, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu := report.CPUTime()
	took, err := run(cfg)
	if err != nil {
		return sample{}, err
	}
	cpu = report.CPUTime() - cpu
	runtime.ReadMemStats(&after)
	n := float64(cfg.tasks)
	return sample{
		rate:   n / took.Seconds(),
		allocs: float64(after.Mallocs-before.Mallocs) / n,
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / n,
		cpu:    float64(cpu) / n,
	}, nil
}

func summarize(name string, samples []sample) Case {
	of := func(field func(sample) float64) report.Summary {
		values := make([]float64, len(samples))
		for i, s := range samples {
			values[i] = field(s)
		}
		return report.Summarize(values)
	}
	return Case{
		Name:           name,
		TasksPerSecond: of(func(s sample) float64 { return s.rate }),
		AllocsPerTask:  of(func(s sample) float64 { return s.allocs }).Median,
		BytesPerTask:   of(func(s sample) float64 { return s.bytes }).Median,
		CPUPerTask:     of(func(s sample) float64 { return s.cpu }),
	}
}

func show(r *Result) error {
	fmt.Printf("%s %s/%s, %s, GOMAXPROCS %d; %d rounds of %s tasks in batches of %d, %d workers\n\n",
		r.Machine.Go, r.Machine.OS, r.Machine.Arch, r.Machine.CPU, r.Machine.GOMAXPROCS, r.Rounds, report.Count(float64(r.Tasks)), r.Batch, r.Workers)
	var rows [][]string
	for _, c := range r.Cases {
		rows = append(rows, []string{
			c.Name, report.Count(c.TasksPerSecond.Min), report.Count(c.TasksPerSecond.Median),
			report.Count(c.CPUPerTask.Median), fmt.Sprintf("%.2f", c.AllocsPerTask), fmt.Sprintf("%.0f", c.BytesPerTask), fmt.Sprintf("%.3f", c.OfChannel),
		})
	}
	header := []string{"case", "tasks/s min", "median", "CPU ns/task", "allocs/task", "B/task", "of channel"}
	if err := report.Table(os.Stdout, header, rows); err != nil {
		return err
	}
	fmt.Println()
	return report.ShowGoals(os.Stdout, r.Goals)
}
