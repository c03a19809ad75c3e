package driver

import (
	"context"
	"fmt"
	"iter"
)

// Paged returns an iterator over the items of a paged call. The first call of page gets
// the cursor ""; each returns the cursor of the next page, empty after the last. A page
// is read once the items of the previous one have been consumed. An error comes last,
// with the zero value.
func Paged[T any](page func(cursor string) (items []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := ""; ; {
			items, next, err := page(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if cursor = next; cursor == "" {
				return
			}
		}
	}
}

// pageSize is how many tasks BrowseAll reads at once.
const pageSize = 100

// BrowseAll returns an iterator over the tasks of a queue in a state, in the order of
// [Browser]. It reads 100 at a time. A task that changes its state meanwhile may or may
// not appear; one that does not change appears once. An error ends the iteration and
// comes with a nil task: the error of ctx when ctx ends, or one that wraps ErrUnsupported
// where the queue cannot list its tasks (Capabilities.Browse).
func BrowseAll(ctx context.Context, q Queue, state State) iter.Seq2[*Task, error] {
	return Paged(func(cursor string) ([]*Task, string, error) {
		b, ok := q.(Browser)
		if !ok {
			return nil, "", fmt.Errorf("%w: queue %q cannot list its tasks", ErrUnsupported, q.Config().Name)
		}
		return b.Browse(ctx, state, cursor, pageSize)
	})
}
