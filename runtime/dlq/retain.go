package dlq

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"
)

// A Retention discards letters that have been dead for too long. On a queue it
// needs one that can discard dead letters (Capabilities.Discard).
type Retention struct {
	Box *Box
	// Age is how long a letter is kept after its task died. It must be positive.
	// Letters that do not say when they died are kept.
	Age time.Duration
	// Every is how often it looks; DefaultRetainEvery when 0. A look reads all
	// letters.
	Every time.Duration
	// Logger hears what was discarded, and of failures. Nil: slog.Default, as it is
	// when something is logged. slog.New(slog.DiscardHandler) is silent.
	Logger *slog.Logger
}

// DefaultRetainEvery is how often a Retention looks where it does not say.
const DefaultRetainEvery = time.Hour

// Run discards what is too old, at once and again and again, until ctx ends; then it
// returns nil. A look that fails is tried again with the next one. Any number of
// processes may run it.
func (r Retention) Run(ctx context.Context) error {
	if r.Age <= 0 || r.Every < 0 {
		return fmt.Errorf("taskgen: dead letters cannot be kept for %s, and looked at every %s", r.Age, r.Every)
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

// Discard looks once, and returns how many letters it discarded.
func (r Retention) Discard(ctx context.Context) (int, error) {
	return r.Box.DiscardMatching(ctx, Filter{Before: r.Box.m.Now().Add(-r.Age), After: time.Unix(0, 0)})
}
