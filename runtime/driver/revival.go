package driver

import (
	"context"
	"errors"
)

// A Reviver is a queue whose Redrive can run inside a function. A manager of package
// runtime that opens the queue passes Manager.Revive.
type Reviver interface {
	Redriver
	// OnRedrive makes each Redrive move its tasks inside around, a batch at a time. It is
	// called before the queue is used, and applies only to this handle.
	OnRedrive(around Revival)
}

// A Revival calls move, which puts tasks with the given IDs back on their queue and
// returns the IDs of those it moved. An error before that means that move was not called.
type Revival func(ctx context.Context, ids []string, move func() (moved []string)) error

// Around calls r, or only move if r is nil.
func (r Revival) Around(ctx context.Context, ids []string, move func() (moved []string)) error {
	if r == nil {
		move()
		return nil
	}
	return r(ctx, ids, move)
}

// Deaths is Around for a move of the tasks of the given deaths.
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
