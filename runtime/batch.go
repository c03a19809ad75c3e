package runtime

import (
	"context"
	"errors"
	"slices"
)

// enqueueValid passes on the tasks for which check returns nil. The others fail on
// their own.
func enqueueValid(ctx context.Context, next Enqueuer, tasks []*Task, check func(*Task) error) ([]Enqueued, error) {
	var (
		failed  *BatchError // made at the first failure, as valid is
		valid   []*Task
		indexes []int
	)
	for i, t := range tasks {
		err := check(t)
		if err != nil && failed == nil {
			failed = new(BatchError)
			valid, indexes = slices.Clone(tasks[:i]), make([]int, i, len(tasks))
			for j := range indexes {
				indexes[j] = j
			}
		}
		switch {
		case err != nil:
			failed.Add(i, idOf(t), err)
		case failed != nil:
			valid, indexes = append(valid, t), append(indexes, i)
		}
	}
	switch {
	case failed == nil:
		return next.Enqueue(ctx, tasks)
	case len(valid) == 0:
		return make([]Enqueued, len(tasks)), failed
	}
	answers, err := next.Enqueue(ctx, valid)
	return spread(answers, err, valid, indexes, len(tasks), failed)
}

func idOf(t *Task) string {
	if t == nil {
		return ""
	}
	return t.ID
}

// spread puts the answers and errors of a part of a batch of n at their indexes in the
// whole, beside the earlier failures.
func spread(answers []Enqueued, err error, part []*Task, indexes []int, n int, failed *BatchError) ([]Enqueued, error) {
	all := make([]Enqueued, n)
	scatter(all, failed, answers, err, part, indexes)
	return all, failed.Sorted()
}

// scatter writes the answers of a part of a batch into all, and its errors into
// failed.
func scatter(all []Enqueued, failed *BatchError, answers []Enqueued, err error, part []*Task, indexes []int) {
	var be *BatchError
	if err != nil && !errors.As(err, &be) {
		for j, i := range indexes {
			failed.Add(i, part[j].ID, err)
		}
		return
	}
	for j, a := range answers {
		all[indexes[j]] = a
	}
	if be != nil {
		for _, it := range be.Items {
			failed.Add(indexes[it.Index], it.ID, it.Err)
		}
	}
}
