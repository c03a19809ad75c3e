package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) typeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "type", Short: "the types of tasks that are known"}
	cmd.AddCommand(a.typeList())
	return cmd
}

func (a *app) typeList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "list the types", Args: wants(),
		Long:    "List the types that the server or the fleet knows. The JSON has their schemas, too.",
		Example: "taskq type ls",
		RunE: a.calls(func(ctx context.Context, c *target.Client, _ []string) error {
			res, err := c.Monitoring.ListTypes(ctx, &v1.ListTypesRequest{})
			if err != nil {
				return err
			}
			t := terminal.NewTable(
				terminal.Column{Name: "TYPE", Shrinks: true}, terminal.Column{Name: "QUEUE", Shrinks: true}, terminal.Column{Name: "RETRIES", Right: true},
				terminal.Column{Name: "TIMEOUT", Right: true}, terminal.Column{Name: "RESULT"}, terminal.Column{Name: "ENQUEUES"},
				terminal.Column{Name: "SECRETS", Shrinks: true, Optional: true}, terminal.Column{Name: "ALIASES", Shrinks: true, Optional: true},
			)
			for _, typ := range res.GetTypes() {
				t.Row(typ.GetName(), typ.GetQueue(), typ.GetMaxRetries(), lasts(typ.GetTimeout()), yesNo(typ.GetResult()), yesNo(typ.GetEnqueues()), list(typ.GetSecrets()), list(typ.GetAliases()))
			}
			return a.show(res, terminal.Items(res.GetTypes()), a.table(t))
		}),
	}
}
