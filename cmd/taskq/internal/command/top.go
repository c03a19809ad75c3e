package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// leastInterval is the least time between two pictures: each is some calls to every broker.
const leastInterval = 500 * time.Millisecond

func (a *app) topCommand() *cobra.Command {
	interval := 2 * time.Second
	cmd := &cobra.Command{
		Use: "top", Short: "watch queues, running tasks and workers", Args: wants(),
		Long: `Watch queues, the tasks that run, the longest first, and workers: the screen is drawn anew at an
interval. DONE/S and FAILED/S are the runs a second of the last minute, which need a history;
GROWTH/S is by how much the tasks that wait or run have become more, of at most the last minute. The
key q ends it, p holds the picture, and s changes the order of the queues. Where standard output is
no terminal, one picture is printed.`,
		Example: "taskq top --interval 5s",
		RunE: a.calls(func(ctx context.Context, c *target.Client, _ []string) error {
			switch {
			case interval < leastInterval:
				return exit.Usagef("--interval is at least %s", leastInterval)
			case a.format != "table":
				return exit.Usagef("taskq top draws tables: use taskq queue ls -o %s and taskq worker ls -o %s", a.format, a.format)
			case terminal.IsTerminal(a.Out):
				return a.watch(ctx, c, interval)
			}
			now, err := lookAround(ctx, c)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.Out, strings.Join((&topView{name: c.Name, colored: a.Colored}).frame(now, nil), "\n"))
			return err
		}),
	}
	cmd.Flags().DurationVar(&interval, "interval", interval, "time between two pictures")
	return cmd
}

// A topSample is the queues and the workers at one time.
type topSample struct {
	at      time.Time
	queues  []*v1.ListedQueue
	workers []*v1.Worker
	blind   string // why the workers cannot be seen; empty if they can
}

// lookAround asks for all that is drawn. Queues are shown where workers cannot be.
func lookAround(ctx context.Context, c *target.Client) (*topSample, error) {
	queues, err := c.Admin.ListQueues(ctx, &v1.ListQueuesRequest{})
	if err != nil {
		return nil, err
	}
	s := &topSample{at: time.Now(), queues: queues.GetQueues()}
	workers, err := c.Monitoring.ListWorkers(ctx, &v1.ListWorkersRequest{})
	if err != nil {
		s.blind = err.Error()
	}
	s.workers = workers.GetWorkers()
	return s, nil
}
