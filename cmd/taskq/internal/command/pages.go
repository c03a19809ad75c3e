package command

import (
	"github.com/spf13/cobra"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
)

// limitFlag adds --limit to a command that lists.
func limitFlag(cmd *cobra.Command, into *int) {
	cmd.Flags().IntVar(into, "limit", 100, "how many at most; 0: all")
}

// filterFlag adds --filter to a command.
func filterFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "filter", "", "only those that match, like 'type:mail age>1h' (docs/filter.md)")
}

// pageSize is how much a call that lists asks for.
const pageSize = 1000

// eachPage reads up to limit items of a list, page by page; all if limit is 0. page returns how
// many it has read. next is the cursor of what was left out.
func eachPage(limit int, page func(cursor string, size int32) (n int, next string, err error)) (next string, err error) {
	if limit < 0 {
		return "", exit.Usagef("--limit is %d: it is a number, or 0 for all", limit)
	}
	for read := 0; ; {
		size := pageSize
		if limit > 0 {
			size = min(pageSize, limit-read)
		}
		n, cursor, err := page(next, int32(size))
		if err != nil {
			return "", err
		}
		read, next = read+n, cursor
		if next == "" || limit > 0 && read >= limit {
			return next, nil
		}
	}
}

// pages collects what eachPage reads.
func pages[T any](limit int, page func(cursor string, size int32) (items []T, next string, err error)) (all []T, next string, err error) {
	next, err = eachPage(limit, func(cursor string, size int32) (int, string, error) {
		items, next, err := page(cursor, size)
		all = append(all, items...)
		return len(items), next, err
	})
	return all, next, err
}

// more says that a list has been cut off.
func (a *app) more(next string, shown int) {
	if next != "" && a.format == "table" {
		a.Notef("these are the first %d: --limit 0 lists all", shown)
	}
}
