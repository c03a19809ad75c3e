package dlq

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"
)

// A Retention discards letters that have been dead for too long. A queue must be able to
// discard dead letters (Capabilities.Discard).
type Retention struct {
	Box *Box
	// Age is how long a letter is kept after its task died. It must be positive. Letters
	// without a time of death are kept.
	Age time.Duration
	// Every is the time between two checks; DefaultRetainEvery when 0. A check reads all
	// letters.
	Every time.Duration
	// Logger logs discards and failures. Nil: slog.Default at the time of the record.
	// slog.New(slog.DiscardHandler) is silent.
	Logger *slog.Logger
}

// DefaultRetainEvery is the default of Retention.Every.
const DefaultRetainEvery = time.Hour

// Run discards old letters, at once and then periodically, until ctx ends; then it
// returns nil. A check that fails is repeated at the next interval. Any number of
// processes may run it.
func (r Retention) Run(ctx context.Context) error {
	if r.Age <= 0 || r.Every < 0 {
		return fmt.Errorf("taskgen: dead letters cannot be kept for %s and checked every %s", r.Age, r.Every)
	}
	if r.Every == 0 {
		r.Every = DefaultRetainEvery
	}
	for ctx.Err() == nil {
		n, err := r.Discard(ctx)
		log := cmp.Or(r.Logger, slog.Default())
		switch {
		case err != nil && ctx.Err() == nil:
			log.Warn("cannot discard old dead letters, will try again", "of", r.Box.name, "discarded", n, "error", err)
		case n > 0:
			log.Info("discarded old dead letters", "of", r.Box.name, "discarded", n, "age", r.Age)
		}
		pause(ctx.Done(), r.Every)
	}
	return nil
}

// Discard checks once, and returns how many letters it discarded.
func (r Retention) Discard(ctx context.Context) (int, error) {
	return r.Box.DiscardMatching(ctx, Filter{Before: r.Box.m.Now().Add(-r.Age), After: time.Unix(0, 0)})
}
