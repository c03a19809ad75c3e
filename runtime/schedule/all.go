package schedule

import (
	"context"
	"iter"

	"github.com/taskgen/taskgen/runtime/driver"
)

// pageSize is how many jobs All reads at once.
const pageSize = 200

// All returns an iterator over the jobs of a scheduler that f matches, in the order of
// their IDs. It reads 200 at a time. The loop may change or cancel the current job. Jobs
// that are scheduled or end meanwhile may or may not appear. An error ends the iteration
// and comes with the zero Status; see Scheduler.List.
func All(ctx context.Context, in Scheduler, f Filter) iter.Seq2[Status, error] {
	return driver.Paged(func(cursor string) ([]Status, string, error) { return in.List(ctx, f, cursor, pageSize) })
}
