package driver

import (
	"context"
	"errors"
)

// A Reviver is a queue whose Redrive can be told what belongs around it. When a
// manager of package runtime opens the queue, it gives it Manager.Revive.
type Reviver interface {
	Redriver
	// OnRedrive has each Redrive move tasks within around, a batch at a time. It is
	// called before the queue is used, on one handle, and counts for that one alone.
	OnRedrive(around Revival)
}

// A Revival calls move, which puts tasks with the given IDs on their queue again and
// returns the IDs of those that it has put there. An error from before that says that
// move was not called.
type Revival func(ctx context.Context, ids []string, move func() (moved []string)) error

// Around calls the revival, or move alone where that is nil.
func (r Revival) Around(ctx context.Context, ids []string, move func() (moved []string)) error {
	if r == nil {
		move()
		return nil
	}
	return r(ctx, ids, move)
}

// Deaths is Around for a move of tasks that died the given deaths.
func (r Revival) Deaths(ctx context.Context, deaths []Death, move func() ([]Death, error)) (moved []Death, err error) {
	around := r.Around(ctx, IDsOf(deaths), func() []string {
		moved, err = move()
		return IDsOf(moved)
	})
	if around != nil {
		err = errors.Join(err, around)
	}
	return moved, err
}
