package dlq

import (
	"context"
	"errors"
	"slices"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// RedriveLetters puts single letters back on the queue on which they died, as Redrive does, by
// the IDs of their tasks or by their Refs, and returns those of ids that are back. An ID means
// the current letter of the task, a Ref the letter that was read, not a later one of the same
// task: a call whose outcome is unknown may be repeated with Refs, and moves none twice. Unknown
// IDs and Refs are no error. If single letters stay, the error is a *runtime.BatchError about
// them, in the order of ids; of another error it is unknown what was moved besides.
//
// On a queue that cannot list its dead letters this reads all of them; see Redrive.
func (b *Box) RedriveLetters(ctx context.Context, ids []string) (moved []string, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if s, ok := b.backend.(*receiveBackend); ok {
		return b.redriveByScan(ctx, s, ids)
	}
	deaths, at := make([]driver.Death, 0, len(ids)), make([]int, 0, len(ids))
	for i, id := range ids {
		a := parseRef(id)
		d := driver.Death{ID: a.id, Version: a.version}
		if a.version == "" {
			t, err := b.find(ctx, id)
			if errors.Is(err, runtime.ErrTaskNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			d = driver.DeathOf(t)
		}
		deaths, at = append(deaths, d), append(at, i)
	}
	back, err := b.backend.redrive(ctx, deaths, nil)
	there := make(map[driver.Death]bool, len(back))
	for _, d := range back {
		there[d] = true
	}
	for k, d := range deaths {
		if there[d] {
			moved = append(moved, ids[at[k]])
		}
	}
	return moved, reindexed(err, at)
}

// reindexed is the error of a batch with the indexes of the caller's in place of those of a part
// of it.
func reindexed(err error, at []int) error {
	var be *runtime.BatchError
	if !errors.As(err, &be) {
		return err
	}
	var all runtime.BatchError
	for _, it := range be.Items {
		all.Add(at[it.Index], it.ID, it.Err)
	}
	return all.Sorted()
}

// redriveByScan is RedriveLetters where letters can be read only by receiving them.
func (b *Box) redriveByScan(ctx context.Context, s *receiveBackend, ids []string) (moved []string, err error) {
	var be runtime.BatchError
	only := selection{filter: &Filter{}, only: parseRefs(ids), limiter: newLimiter(runtime.Rate{})}
	err = b.scanMatching(ctx, s, only, func(w *scan, ds []*driver.Delivery) error {
		_, err := b.redriveReceived(ctx, s, w, ds, nil)
		var some *runtime.BatchError
		if err != nil && !errors.As(err, &some) {
			return err
		}
		for i, d := range ds {
			at := slices.IndexFunc(ids, func(id string) bool { return parseRef(id).matches(d.Task) })
			if e := runtime.ErrorAt(err, i); e != nil {
				be.Add(at, d.Task.ID, e)
			} else {
				moved = append(moved, ids[at])
			}
		}
		return nil
	})
	if err != nil {
		return moved, err
	}
	return moved, be.Sorted()
}
