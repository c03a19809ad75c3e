// Command generator measures what taskgen costs on a package of task structs,
// beside go list -json on the same package: the least that any tool must spend
// that asks the go command where the files are.
//
// The cases, in interleaved rounds, each beside a go list of its own: first (there
// is no generated file), changed (a field of one task has), unchanged, and the same
// with -check. The binary is built beforehand. The cache of taskgen is a folder of
// the benchmark's own.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/bench/report"
)

type config struct {
	tasks  []int
	rounds int
	out    string
}

// A Case is one line of the table.
type Case struct {
	Name    string         `json:"name"`
	GoList  report.Summary `json:"go_list_ms"`
	Taskgen report.Summary `json:"taskgen_ms"`
	// Ratio is that of taskgen to the go list before it, round by round, and
	// CPURatio the same of the CPU time of the processes with their children.
	Ratio    report.Summary `json:"ratio"`
	CPURatio report.Summary `json:"cpu_ratio"`
	PeakMB   float64        `json:"peak_mb"` // of the largest process of taskgen
	Goal     report.Goal    `json:"goal"`    // of the median of Ratio
}

// A Size is the result for a number of tasks.
type Size struct {
	Tasks          int    `json:"tasks"`
	GeneratedBytes int    `json:"generated_bytes"`
	GeneratedLines int    `json:"generated_lines"`
	Cases          []Case `json:"cases"`
}

// A Result is what is written to the file.
type Result struct {
	Machine report.Machine `json:"machine"`
	Floor   string         `json:"floor"`
	Rounds  int            `json:"rounds"`
	Sizes   []Size         `json:"sizes"`
}

func main() {
	cfg := config{tasks: []int{200, 1000}}
	flag.Func("tasks", "task structs in the package, at least 2; several `numbers` with commas between (default 200,1000)", func(s string) error {
		cfg.tasks = nil
		for n := range strings.SplitSeq(s, ",") {
			tasks, err := strconv.Atoi(n)
			if err != nil {
				return err
			}
			cfg.tasks = append(cfg.tasks, tasks)
		}
		return nil
	})
	flag.IntVar(&cfg.rounds, "rounds", 9, "rounds of each case")
	flag.StringVar(&cfg.out, "out", "results/generator.json", "the `file` to write the result to")
	flag.Parse()
	if err := run(context.Background(), cfg); err != nil {
		fmt.Fprintln(os.Stderr, "bench/generator:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg config) error {
	result := Result{Machine: report.ThisMachine(), Floor: strings.Join(goList, " "), Rounds: cfg.rounds}
	for _, tasks := range cfg.tasks {
		if tasks < 2 || cfg.rounds < 1 {
			return fmt.Errorf("%d tasks, %d rounds: at least 2 and 1", tasks, cfg.rounds)
		}
		size, err := measure(ctx, tasks, cfg.rounds)
		if err != nil {
			return err
		}
		if err := table(size, result.Floor); err != nil {
			return err
		}
		result.Sizes = append(result.Sizes, *size)
	}
	return report.Write(cfg.out, result)
}

var goList = []string{"go", "list", "-json", "."}

// A bench is a sample and the commands that run on it.
type bench struct {
	temp    string // what is removed in the end
	taskgen string // the binary
	sample  *sample
}

func newBench(ctx context.Context, tasks int) (*bench, error) {
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
	b.sample, err = newSample(dir, strings.TrimSpace(string(root)), tasks)
	return b, err
}

// A cost is what a command took.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

// run runs a command in the sample.
func (b *bench) run(ctx context.Context, args ...string) (cost, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = b.sample.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "TASKGEN_CACHE="+filepath.Join(b.temp, "cache"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if _, err := cmd.Output(); err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return cost{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), report.PeakMemory(cmd.ProcessState)}, nil
}

// A scenario is a case before it is measured.
type scenario struct {
	name  string
	goal  float64 // the largest median ratio that is aimed at
	args  []string
	ready func(ctx context.Context) error // is called before go list

	lists, runs []cost
}

func (b *bench) scenarios() []*scenario {
	// A first run makes the go command say something else, so that the second one
	// is the first to be remembered.
	settle := func(ctx context.Context) error {
		_, err := b.run(ctx, b.taskgen, "-q")
		return err
	}
	settleCheck := func(ctx context.Context) error {
		if err := settle(ctx); err != nil {
			return err
		}
		_, err := b.run(ctx, b.taskgen, "-q", "-check") // which looks at ./... and is another run
		return err
	}
	return []*scenario{
		{name: "first", goal: 5, args: []string{"-q"}, ready: func(context.Context) error { return b.sample.clean() }},
		{name: "changed", goal: 5, args: []string{"-q"}, ready: func(context.Context) error { return b.sample.edit() }},
		{name: "unchanged", goal: 1.2, args: []string{"-q"}, ready: settle},
		{name: "check", goal: 1.2, args: []string{"-q", "-check"}, ready: settleCheck},
	}
}

func measure(ctx context.Context, tasks, rounds int) (*Size, error) {
	b, err := newBench(ctx, tasks)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.temp)
	scenarios := b.scenarios()
	for round := range rounds + 1 {
		for _, s := range scenarios {
			if err := b.round(ctx, s, round > 0); err != nil { // the first one warms up
				return nil, err
			}
		}
	}
	src, err := os.ReadFile(b.sample.generated())
	if err != nil {
		return nil, err
	}
	size := &Size{Tasks: tasks, GeneratedBytes: len(src), GeneratedLines: bytes.Count(src, []byte("\n"))}
	for _, s := range scenarios {
		size.Cases = append(size.Cases, s.summarize())
	}
	return size, nil
}

// round measures go list and then taskgen.
func (b *bench) round(ctx context.Context, s *scenario, counts bool) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	list, err := b.run(ctx, goList...)
	if err != nil {
		return err
	}
	taskgen, err := b.run(ctx, append([]string{b.taskgen}, s.args...)...)
	if err != nil {
		return err
	}
	if counts {
		s.lists, s.runs = append(s.lists, list), append(s.runs, taskgen)
	}
	return nil
}

func (s *scenario) summarize() Case {
	c := Case{Name: s.name}
	var lists, runs, ratios, cpu []float64
	for i, list := range s.lists {
		taskgen := s.runs[i]
		lists, runs = append(lists, milliseconds(list.wall)), append(runs, milliseconds(taskgen.wall))
		ratios = append(ratios, taskgen.wall.Seconds()/list.wall.Seconds())
		cpu = append(cpu, taskgen.cpu.Seconds()/list.cpu.Seconds())
		c.PeakMB = max(c.PeakMB, float64(taskgen.peak)/(1<<20))
	}
	c.GoList, c.Taskgen = report.Summarize(lists), report.Summarize(runs)
	c.Ratio, c.CPURatio = report.Summarize(ratios), report.Summarize(cpu)
	c.Goal = report.AtMost(s.name+" beside go list, times", c.Ratio.Median, s.goal)
	return c
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func table(s *Size, floor string) error {
	fmt.Printf("\ntaskgen on %d tasks (%d lines generated) beside %s: least, median, most\n\n", s.Tasks, s.GeneratedLines, floor)
	three := func(format string, s report.Summary) string {
		return fmt.Sprintf(strings.Join([]string{format, format, format}, " "), s.Min, s.Median, s.Max)
	}
	var rows [][]string
	for _, c := range s.Cases {
		met := "met"
		if !c.Goal.Met {
			met = "NOT MET"
		}
		rows = append(rows, []string{
			c.Name, three("%.0f", c.GoList), three("%.0f", c.Taskgen), three("%.1f", c.Ratio), three("%.1f", c.CPURatio),
			fmt.Sprintf("%.0f", c.PeakMB), report.Figure(c.Goal.Goal), met,
		})
	}
	return report.Table(os.Stdout, []string{"case", "go list, ms", "taskgen, ms", "ratio", "of CPU time", "peak, MB", "goal", ""}, rows)
}
