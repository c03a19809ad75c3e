package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// A choice is which dead letters a command is about.
type choice struct {
	filter string
	all    bool
	limit  int
}

func (w *choice) flags(cmd *cobra.Command) {
	filterFlag(cmd, &w.filter)
	cmd.Flags().BoolVar(&w.all, "all", false, "all letters of the queue")
	cmd.Flags().IntVar(&w.limit, "limit", 0, "only this many of them, those that died first: 1 to 1000, since the request names each")
}

// mostIDs is how many IDs a request may name.
const mostIDs = 1000

// ids are the letters of a choice by their refs, if the request has to name them, and else
// none.
func (w *choice) ids(ctx context.Context, c *target.Client, queue string, named []string) ([]string, error) {
	chosen := 0
	for _, one := range []bool{len(named) > 0, w.filter != "", w.all} {
		if one {
			chosen++
		}
	}
	switch {
	case chosen != 1:
		return nil, exit.Usagef("say which letters of %s: their IDs, a --filter, or --all", queue)
	case len(named) > mostIDs:
		return nil, exit.Usagef("these are %d IDs, and a request names at most %d: choose the letters by a --filter, or give the IDs in parts", len(named), mostIDs)
	case w.limit < 0 || w.limit > mostIDs:
		return nil, exit.Usagef("--limit is %d: it is 1 to %d, since the request names each letter; without --limit there is no bound", w.limit, mostIDs)
	case len(named) > 0 && w.limit > 0:
		return nil, exit.Usagef("--limit is for a --filter or --all: the IDs are all meant")
	case len(named) > 0 || w.limit == 0:
		return named, nil
	}
	found, _, err := letters(ctx, c, queue, w.filter, w.limit)
	refs := make([]string, len(found))
	for i, l := range found {
		refs[i] = l.GetRef()
	}
	return refs, err
}

// A letterJob starts a bulk job on the letters of a queue that have the ids, or match the filter.
type letterJob func(ctx context.Context, c *target.Client, queue string, ids []string, filter string, o *v1.BulkOptions) (*v1.BulkJob, error)

// onLetters makes a command one that starts a bulk job on dead letters. What asks says whether the
// operator is asked first.
func (a *app) onLetters(cmd *cobra.Command, verb string, asks func(*choice) bool, begin letterJob) *cobra.Command {
	var which choice
	var reason string
	var bulk bulkFlags
	which.flags(cmd)
	bulk.flags(cmd)
	reasonFlag(cmd, &reason)
	cmd.Args, cmd.ValidArgsFunction = wantsFrom("QUEUE"), a.completes(queueNames)
	cmd.RunE = a.calls(func(ctx context.Context, c *target.Client, args []string) error {
		queue, filter := args[0], which.filter
		ids, err := which.ids(ctx, c, queue, args[1:])
		if err != nil {
			return err
		}
		if which.limit > 0 {
			if filter = ""; len(ids) == 0 { // a request without IDs would mean all
				a.Notef("no letter matches")
				return nil
			}
		}
		return a.runBulk(ctx, c, &bulk, bulkWork{verb: verb, noun: "letter", queue: queue, reason: reason, harmless: !asks(&which), start: func(ctx context.Context, o *v1.BulkOptions) (*v1.BulkJob, error) {
			return begin(ctx, c, queue, ids, filter, o)
		}})
	})
	return cmd
}

func (a *app) dlqRedrive() *cobra.Command {
	return a.onLetters(&cobra.Command{
		Use: "redrive QUEUE [ID…]", Short: "put dead letters back on their queue",
		Long: `Put dead letters back on the queue on which they died: those that are named by the IDs of their
tasks or by their refs, those that match a filter, or all. The command stays until it is done; one
that is interrupted cancels what it has begun.`,
		Example: "taskq dlq redrive emails welcome-bob\ntaskq dlq redrive emails --filter 'error~timeout' --rate 50 --reason \"the mail server is back\"",
	}, "redrive", func(which *choice) bool { return which.all }, func(ctx context.Context, c *target.Client, queue string, ids []string, filter string, o *v1.BulkOptions) (*v1.BulkJob, error) {
		res, err := c.Admin.RedriveDeadLetters(ctx, &v1.RedriveDeadLettersRequest{Queue: queue, Ids: ids, Filter: filter, Options: o})
		return res.GetJob(), err
	})
}

func (a *app) dlqDiscard() *cobra.Command {
	return a.onLetters(&cobra.Command{
		Use: "discard QUEUE [ID…]", Short: "remove dead letters for good",
		Long:    "Remove dead letters for good: those that are named, those that match a filter, or all. The token must have the role admin.",
		Example: "taskq dlq discard emails --filter 'age>30d' --dry-run\ntaskq dlq discard emails --filter 'age>30d' --yes --reason \"too old to be of use\"",
	}, "discard", func(*choice) bool { return true }, func(ctx context.Context, c *target.Client, queue string, ids []string, filter string, o *v1.BulkOptions) (*v1.BulkJob, error) {
		res, err := c.Admin.DiscardDeadLetters(ctx, &v1.DiscardDeadLettersRequest{Queue: queue, Ids: ids, Filter: filter, Options: o})
		return res.GetJob(), err
	})
}
