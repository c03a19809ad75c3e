// Package command has the commands of taskq: a file for each noun.
package command

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
)

// Main runs taskq with the arguments of its command line, and returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := newApp(in, out, errOut, os.Getenv)
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err = errors.Join(err, a.close()); err == nil {
		return exit.OK
	}
	code := exit.Of(err)
	if ctx.Err() != nil {
		code = exit.Interrupted
	}
	a.report(err)
	return code
}

const about = `taskq looks at queues, tasks, dead letters, schedules and workers, and changes them.

It calls the API of a server: name it by -s, by TASKQ_SERVER or with "taskq ctx use". Where no
server runs, --provider and --queue (or --config) have it open the broker itself.`

// root is the command taskq with all others below it.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "taskq", Short: "look at queues, tasks and workers, and change them", Long: about,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.check() },
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exit.Error{Code: exit.Usage, Err: err, Hint: cmd.CommandPath() + " --help lists the flags"}
	})
	a.globalFlags(root)
	root.AddCommand(a.queueCommand(), a.taskCommand(), a.dlqCommand(), a.bulkCommand(), a.scheduleCommand(), a.workerCommand(), a.typeCommand(), a.auditCommand(),
		a.topCommand(), a.doctorCommand(), a.benchCommand(), a.serveCommand(), a.configCommand(), a.contextCommand(), a.versionCommand())
	asGroup(root)
	withShapes(root)
	return root
}

// globalFlags are those of every command.
func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&a.server, "server", "s", "", "server to call: its name (see taskq ctx) or its URL (TASKQ_SERVER)")
	f.StringVar(&a.tokenFile, "token-file", "", "file that has the token for the server (the token itself: TASKQ_TOKEN)")
	f.StringVar(&a.caFile, "ca-file", "", "certificates that the server's is signed by, as PEM")
	f.StringVar(&a.certFile, "cert-file", "", "certificate of the caller, as PEM, for servers that want one")
	f.StringVar(&a.keyFile, "key-file", "", "private key of that certificate, as PEM")
	f.StringVar(&a.provider, "provider", "", "URL of a broker to open in place of a server, like redis://host (TASKQ_PROVIDER, also for a password)")
	f.StringVar(&a.config, "config", "", "configuration file of a program, whose brokers to open in place of a server")
	f.StringArrayVar(&a.queues, "queue", nil, "queue to open with --provider or --config: NAME, NAME:fifo or NAME:priority[:LEVELS]; may be repeated")
	f.StringVarP(&a.format, "output", "o", "table", "form of the output: "+strings.Join(terminal.Formats, ", "))
	f.StringVar(&a.color, "color", "auto", "colours: "+strings.Join(terminal.Colors, ", ")+" (NO_COLOR, CLICOLOR_FORCE)")
	f.DurationVar(&a.timeout, "timeout", 30*time.Second, "how long to wait for the server or the broker; 0: without end")
	_ = root.RegisterFlagCompletionFunc("server", a.completeContexts)
	_ = root.RegisterFlagCompletionFunc("output", words(terminal.Formats...))
	_ = root.RegisterFlagCompletionFunc("color", words(terminal.Colors...))
}

// asGroup has commands that only group others print their help, and name what is misspelt.
func asGroup(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		if below.HasSubCommands() {
			asGroup(below)
		}
	}
	cmd.Args, cmd.SuggestionsMinimumDistance = cobra.ArbitraryArgs, 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		err := &exit.Error{Code: exit.Usage, Err: errors.New(cmd.CommandPath() + " has no command " + quoted(args[0]))}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			err.Hint = "did you mean " + cmd.CommandPath() + " " + near[0] + "?"
		} else {
			err.Hint = cmd.CommandPath() + " --help lists the commands"
		}
		return err
	}
}

// withShapes adds what commands print as JSON to their help.
func withShapes(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		withShapes(below)
	}
	if shape := shapeOf(cmd); shape != "" {
		text := cmd.Long
		if text == "" {
			text = strings.ToUpper(cmd.Short[:1]) + cmd.Short[1:] + "."
		}
		cmd.Long = text + "\n\n" + shape
	}
}
