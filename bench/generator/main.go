// Command generator measures what taskgen costs on a package of 200 tasks,
// beside go list -json on the same package: the least that any tool must spend
// that asks the go command where the files are.
//
// Three cases, in interleaved rounds: warm (nothing has changed), edited (a
// field was added since the last run; taskgen writes the file), and cold (an
// empty build cache for each run). The binary is built beforehand.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/taskgen/taskgen/bench/report"
)

type config struct {
	tasks, rounds, coldRounds int
	out                       string
}

// A Case is one line of the table. Times are in milliseconds.
type Case struct {
	Name    string         `json:"name"`
	Rounds  int            `json:"rounds"`
	GoList  report.Summary `json:"go_list_ms"`
	Taskgen report.Summary `json:"taskgen_ms"`
	// Ratio of taskgen to go list, by the least and the median of each.
	RatioMin    float64 `json:"ratio_min"`
	RatioMedian float64 `json:"ratio_median"`
	Goal        float64 `json:"goal"` // largest median ratio that is aimed at
	Met         bool    `json:"met"`
}

// A Result is what is written to the file.
type Result struct {
	Machine        report.Machine `json:"machine"`
	Tasks          int            `json:"tasks"`
	GeneratedBytes int            `json:"generated_bytes"`
	GeneratedLines int            `json:"generated_lines"`
	Floor          string         `json:"floor"`
	Cases          []Case         `json:"cases"`
}

func main() {
	var cfg config
	flag.IntVar(&cfg.tasks, "tasks", 200, "task structs in the package, at least 2")
	flag.IntVar(&cfg.rounds, "rounds", 9, "rounds of the warm and the edited case")
	flag.IntVar(&cfg.coldRounds, "cold", 3, "rounds of the cold case")
	flag.StringVar(&cfg.out, "out", "results/generator.json", "the `file` to write the result to")
	flag.Parse()
	if err := run(context.Background(), cfg); err != nil {
		fmt.Fprintln(os.Stderr, "bench/generator:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg config) error {
	if cfg.tasks < 2 || cfg.rounds < 1 || cfg.coldRounds < 1 {
		return fmt.Errorf("%d tasks, %d rounds, %d cold ones: at least 2, 1 and 1", cfg.tasks, cfg.rounds, cfg.coldRounds)
	}
	b, err := newBench(ctx, cfg)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.temp)
	cases, err := b.measure(ctx, cfg)
	if err != nil {
		return err
	}
	src, err := os.ReadFile(filepath.Join(b.sample.dir, "tasks_taskgen.go"))
	if err != nil {
		return err
	}
	result := Result{
		Machine: report.ThisMachine(), Tasks: cfg.tasks, GeneratedBytes: len(src), GeneratedLines: bytes.Count(src, []byte("\n")),
		Floor: "go list -json .", Cases: cases,
	}
	if err := table(result); err != nil {
		return err
	}
	return report.Write(cfg.out, result)
}

// A bench is a sample and the commands that run on it.
type bench struct {
	temp    string // what is removed in the end
	taskgen string // the binary
	sample  *sample
}

func newBench(ctx context.Context, cfg config) (*bench, error) {
	temp, err := os.MkdirTemp("", "taskgen-bench-*")
	if err != nil {
		return nil, err
	}
	b := &bench{temp: temp, taskgen: filepath.Join(temp, "taskgen")}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/taskgen/taskgen").Output()
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.taskgen, "github.com/taskgen/taskgen/cmd/taskgen").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build taskgen: %w\n%s", err, out)
	}
	dir := filepath.Join(temp, "sample")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	b.sample, err = newSample(dir, strings.TrimSpace(string(root)), cfg.tasks)
	return b, err
}

// time runs a command in the sample, on the given build cache or the usual one,
// and returns how many milliseconds it took.
func (b *bench) time(ctx context.Context, cache string, args ...string) (float64, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = b.sample.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off")
	if cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+cache)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if _, err := cmd.Output(); err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return float64(time.Since(start).Microseconds()) / 1000, nil
}

// pair measures go list and then taskgen, calling before ahead of each.
func (b *bench) pair(ctx context.Context, times *[2][]float64, before func() (cache string, err error)) error {
	for i, args := range [][]string{{"go", "list", "-json", "."}, {b.taskgen, "-q"}} {
		cache, err := before()
		if err != nil {
			return err
		}
		ms, err := b.time(ctx, cache, args...)
		if err != nil {
			return err
		}
		times[i] = append(times[i], ms)
	}
	return nil
}

func (b *bench) measure(ctx context.Context, cfg config) ([]Case, error) {
	var warmUp, warm, edited, cold [2][]float64
	nothing := func() (string, error) { return "", nil }
	edit := func() (string, error) { return "", b.sample.edit() }
	empty := func() (string, error) { return os.MkdirTemp(b.temp, "cache-*") }
	if err := b.pair(ctx, &warmUp, nothing); err != nil {
		return nil, err
	}
	for round := range cfg.rounds {
		if err := b.pair(ctx, &warm, nothing); err != nil {
			return nil, err
		}
		if err := b.pair(ctx, &edited, edit); err != nil {
			return nil, err
		}
		if round >= cfg.coldRounds {
			continue
		}
		if err := b.pair(ctx, &cold, empty); err != nil {
			return nil, err
		}
	}
	return []Case{newCase("warm", warm, 5), newCase("edited", edited, 5), newCase("cold", cold, 3)}, nil
}

func newCase(name string, times [2][]float64, goal float64) Case {
	c := Case{Name: name, Rounds: len(times[0]), GoList: report.Summarize(times[0]), Taskgen: report.Summarize(times[1]), Goal: goal}
	c.RatioMin = c.Taskgen.Min / c.GoList.Min
	c.RatioMedian = c.Taskgen.Median / c.GoList.Median
	c.Met = c.RatioMedian <= goal
	return c
}

func table(r Result) error {
	fmt.Printf("taskgen on %d tasks (%d lines generated) beside %s, in milliseconds\n\n", r.Tasks, r.GeneratedLines, r.Floor)
	var rows [][]string
	for _, c := range r.Cases {
		met := "yes"
		if !c.Met {
			met = "no"
		}
		rows = append(rows, []string{
			c.Name, fmt.Sprint(c.Rounds),
			fmt.Sprintf("%.0f", c.GoList.Min), fmt.Sprintf("%.0f", c.GoList.Median),
			fmt.Sprintf("%.0f", c.Taskgen.Min), fmt.Sprintf("%.0f", c.Taskgen.Median),
			fmt.Sprintf("%.1f", c.RatioMin), fmt.Sprintf("%.1f", c.RatioMedian), fmt.Sprintf("%.0f", c.Goal), met,
		})
	}
	return report.Table(os.Stdout, []string{
		"case", "rounds", "go list min", "median", "taskgen min", "median", "ratio of mins", "of medians", "goal", "met",
	}, rows)
}
