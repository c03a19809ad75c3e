package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/bench"
	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
)

func (a *app) benchCommand() *cobra.Command {
	o := bench.Options{Payload: `{"text":"0123456789abcdef"}`, Tasks: 5000, Runs: 3, Producers: 4, Batch: 100}
	cmd := &cobra.Command{
		Use: "bench", Short: "measure how many tasks go through", Args: wants(),
		Long: `Measure how many tasks a second can be enqueued and completed through the API, and how long a task
takes to a worker. The tasks are on a queue of their own, which is deleted at the end unless --on
names it. With -s the server must know the type of the tasks (--type), and the token must have the
role admin. With --provider the API is in this process, and the figures are those of the broker and
the way to it.`,
		Example: "taskq --provider redis://localhost bench --tasks 1000",
	}
	f := cmd.Flags()
	f.StringVar(&o.Queue, "on", "", "name of a queue without tasks, which is not open and stays, empty; else a new one, which is deleted")
	f.StringVar(&o.Provider, "on-provider", "", "name of the provider to create it on; needed if the server has several")
	f.StringVar(&o.Type, "type", "", "type of the tasks; needed with -s")
	f.StringVar(&o.Payload, "payload", o.Payload, "payload of the tasks as JSON")
	f.IntVar(&o.Tasks, "tasks", o.Tasks, "tasks of a run")
	f.IntVar(&o.Runs, "runs", o.Runs, "how many runs")
	f.IntVar(&o.Producers, "producers", o.Producers, "how many enqueue side by side")
	f.IntVar(&o.Batch, "batch", o.Batch, "how many tasks a call enqueues: 1 to 1000")
	_ = cmd.RegisterFlagCompletionFunc("type", a.completes(typeNames))
	cmd.PreRun = func(*cobra.Command, []string) { a.benchmark = true }
	cmd.RunE = a.calls(func(ctx context.Context, c *target.Client, _ []string) error {
		switch {
		case o.Tasks < 1 || o.Runs < 1 || o.Producers < 1 || o.Batch < 1 || o.Batch > 1000:
			return exit.Usagef("--tasks, --runs and --producers are at least 1, and --batch is 1 to 1000")
		case o.Type == "" && !c.Local:
			return exit.Usagef("name a type that the server knows with --type, and a payload that fits it: taskq type ls")
		case o.Type == "":
			o.Type = target.BenchType
		}
		progress := a.NewProgress()
		o.Progress = progress.Set
		r, left, err := bench.Run(ctx, c, o)
		progress.Done()
		if left != nil {
			a.Notef("the queue of the benchmark could not be removed: %s", left)
		}
		if err != nil {
			return err
		}
		return a.showResult(r)
	})
	return cmd
}

func (a *app) showResult(r *bench.Result) error {
	return showOne(a, r, func() error {
		a.Notef("%s of %s on %s, %s, %s a call", many(r.Runs, "run", "runs"), many(r.Tasks, "task", "tasks"), r.Provider, many(r.Producers, "producer", "producers"), many(r.Batch, "task", "tasks"))
		t := terminal.NewTable(terminal.Column{Name: "MEASURE"}, terminal.Column{Name: "MEDIAN", Right: true}, terminal.Column{Name: "MIN", Right: true}, terminal.Column{Name: "MAX", Right: true}, terminal.Column{Name: "UNIT"})
		row := func(name, unit, form string, f bench.Figure) {
			t.Row(name, fmt.Sprintf(form, f.Median), fmt.Sprintf(form, f.Min), fmt.Sprintf(form, f.Max), unit)
		}
		row("enqueue", "tasks/s", "%.0f", r.Enqueued)
		row("complete", "tasks/s", "%.0f", r.Completed)
		row("latency", "ms", "%.2f", r.Latency)
		return a.Print(t)
	})
}
