package command

import (
	"context"
	"path"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	"github.com/taskgen/taskgen/cmd/taskq/internal/terminal"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "who has changed what"}
	cmd.AddCommand(a.auditList())
	return cmd
}

func (a *app) auditList() *cobra.Command {
	var req v1.ListAuditRecordsRequest
	var limit int
	cmd := &cobra.Command{
		Use: "ls", Short: "list what was changed by whom, the newest first", Args: wants(),
		Long:    "List what was changed or refused, by whom and why, the newest first. The token must have the role admin.",
		Example: "taskq audit ls --subject emails --limit 20",
		RunE: a.ofServer("audit records", func(ctx context.Context, c *target.Client, _ []string) error {
			all, next, err := pages(limit, func(cursor string, size int32) ([]*v1.AuditRecord, string, error) {
				req.Cursor, req.Limit = cursor, size
				res, err := c.Admin.ListAuditRecords(ctx, &req)
				return res.GetRecords(), res.GetNextCursor(), err
			})
			if err != nil {
				return err
			}
			defer a.more(next, len(all))
			return a.show(&v1.ListAuditRecordsResponse{Records: all, NextCursor: next}, terminal.Items(all), a.table(auditTable(all, time.Now())))
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Caller, "caller", "", "only those of this caller")
	f.StringVar(&req.Procedure, "method", "", "only those of this method, like /taskgen.v1.QueueService/Enqueue")
	f.StringVar(&req.Subject, "subject", "", "only those about this name: a queue, a task, a job, a worker")
	limitFlag(cmd, &limit)
	return cmd
}

func auditTable(all []*v1.AuditRecord, now time.Time) *terminal.Table {
	t := terminal.NewTable(
		terminal.Column{Name: "WHEN", Right: true}, terminal.Column{Name: "CALLER", Shrinks: true, Least: 8}, terminal.Column{Name: "METHOD", Shrinks: true}, terminal.Column{Name: "SUBJECTS", Shrinks: true},
		terminal.Column{Name: "CODE", Shrinks: true, Least: 8}, terminal.Column{Name: "REASON", Shrinks: true}, terminal.Column{Name: "COUNT", Right: true, Optional: true},
		terminal.Column{Name: "TOOK", Right: true, Optional: true}, terminal.Column{Name: "ROLE", Optional: true}, terminal.Column{Name: "REMOTE", Shrinks: true, Optional: true},
	)
	for _, r := range all {
		code := terminal.Cell{Text: r.GetCode(), Color: terminal.Red}
		if r.GetCode() == "ok" {
			code.Color = terminal.Green
		}
		t.Row(from(now, r.GetAt()), r.GetCaller(), path.Base(r.GetProcedure()), list(r.GetSubjects()), code, r.GetReason(), r.GetCount(), lasts(r.GetTook()), r.GetRole(), r.GetRemote())
	}
	return t
}
