package command

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
)

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve --config FILE", Short: "serve the API of a configuration file", Args: wants(),
		Long: `Serve the API as the section server of a configuration file says, until the command is interrupted.
It opens the queues of the section queues, or those of --queue, and shows workers, results, jobs
and runs as the other sections say. The server knows the types that the fleet describes, and those
of a catalog, which taskgen -catalog writes and server.catalog names. Programs that have types of
their own serve them themselves (docs/api.md).`,
		Example: "taskq serve --config taskgen.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.config == "" {
				return &exit.Error{Code: exit.Usage, Err: errNoConfig, Hint: "usage: " + cmd.UseLine()}
			}
			return a.serve(cmd.Context())
		},
	}
}

var errNoConfig = errors.New("taskq serve wants a configuration file: --config FILE")

func (a *app) serve(ctx context.Context) error {
	c, code, err := target.Load(a.config, a.queues)
	if err != nil {
		return err
	}
	if c.Server.Listen == "" {
		return exit.Usagef("%s has no section server: set server.listen, to 127.0.0.1:7460, say", a.config)
	}
	p, err := c.Build(ctx, code)
	if err != nil {
		return target.Opening(err)
	}
	return p.Run(ctx)
}
