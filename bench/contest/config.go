package contest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/taskgen/taskgen/bench/report"
)

// Config is how much is measured.
type Config struct {
	Rounds int
	More   int // rounds at most, for the links on which some rate differs too much between rounds
	Tasks  int // of a stage
	// Limit is the longest time of a stage; LinkLimit that of one over a link with
	// an added round trip, where slow contenders take a hundred times as long and a
	// part of the time tells the rate. 0: the same.
	Limit, LinkLimit time.Duration
	// Stages that are run; LinkStages are those over a link with an added round
	// trip. Nil: all.
	Stages, LinkStages []Stage
	Idle               int             // pickups measured in a round
	Delayed            int             // delayed tasks in a round
	Links              []time.Duration // round trips to add, each measured on its own
	Quiet              bool            // do not tell how far it is
	// Profiles is a folder for CPU profiles of this process, one of each contender,
	// stage and link, in the last round; "": none.
	Profiles string
}

// size of a stage over a link.
func (c Config) size(rtt time.Duration) Size {
	if rtt > 0 && c.LinkLimit > 0 {
		return Size{c.Tasks, c.LinkLimit}
	}
	return Size{c.Tasks, c.Limit}
}

// stages over a link.
func (c Config) stages(rtt time.Duration) []Stage {
	chosen := c.Stages
	if rtt > 0 {
		chosen = c.LinkStages
	}
	if chosen == nil {
		return Stages
	}
	return chosen
}

// warmUp is a twentieth of the usual, and nothing that takes long. Its stages have the usual
// limit: on a busy machine a shorter one may pass before anything is done.
func (c Config) warmUp() Config {
	c.Tasks, c.Idle, c.Delayed = max(c.Tasks/20, 1), min(c.Idle, 1), 0
	return c
}

func (c Config) say(format string, args ...any) {
	if !c.Quiet {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// Main runs a contest as the flags say, prints it and writes the file.
func Main(c Contest) {
	if err := c.main(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "bench/%s: %v\n", c.Broker, err)
		os.Exit(1)
	}
}

func (c Contest) main(ctx context.Context, args []string, out io.Writer) error {
	cfg := Config{}
	flags := flag.NewFlagSet("bench/"+c.Broker, flag.ExitOnError)
	flags.IntVar(&cfg.Tasks, "tasks", 100_000, "tasks of a stage")
	flags.DurationVar(&cfg.Limit, "limit", 3*time.Second, "longest `time` of a stage; the rate is that of the tasks until then")
	flags.DurationVar(&cfg.LinkLimit, "link-limit", time.Second, "longest `time` of a stage with an added round trip")
	flags.IntVar(&cfg.Rounds, "rounds", 3, "rounds, at least 3")
	flags.IntVar(&cfg.More, "more", 3, "rounds more at most, while some rate differs by more than 1.5 times between rounds")
	flags.IntVar(&cfg.Idle, "idle", 50, "idle pickups measured in a round")
	flags.IntVar(&cfg.Delayed, "delayed", 100, "delayed tasks in a round")
	flags.BoolVar(&cfg.Quiet, "quiet", false, "do not tell how far it is")
	flags.StringVar(&cfg.Profiles, "profiles", "", "the `folder` to write CPU profiles of the contenders into, one for each stage; empty: none")
	links := flags.String("links", "0s,1ms", "round trips to add, each measured on its own")
	only := flags.String("only", "", "only the contenders whose names this `pattern` matches, beside taskgen")
	file := flags.String("out", "results/"+c.Broker+".json", "the `file` to write the result to; empty: none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for s := range strings.SplitSeq(*links, ",") {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("-links: %w", err)
		}
		cfg.Links = append(cfg.Links, d)
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if cfg.Rounds < 3 || cfg.More < 0 || cfg.Tasks < 1 || cfg.Limit <= 0 || cfg.Idle < 0 || cfg.Delayed < 0 {
		return errors.New("it takes at least 3 rounds and a positive number of tasks and limit")
	}
	ours := c.Contenders[0].Name
	c.Contenders = slices.DeleteFunc(slices.Clone(c.Contenders), func(o Contender) bool {
		return o.Name != ours && !pattern.MatchString(o.Name)
	})
	r, err := Run(ctx, c, cfg)
	if err != nil {
		return err
	}
	if err := r.Show(out); err != nil || *file == "" {
		return err
	}
	return report.Write(*file, r)
}
