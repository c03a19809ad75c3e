package pool

import (
	"context"
	"math/rand/v2"
	"time"
)

// Bounds of the pauses after errors.
const (
	firstPause    = 20 * time.Millisecond
	maxFetchPause = 5 * time.Second
	maxAckPause   = time.Second
)

// A backoff counts failures in a row, and pauses longer after each.
type backoff struct{ streak int }

// next is the pause after one more failure: exponential, spread over its upper half so
// that pools do not all come back at once.
func (b *backoff) next(limit time.Duration) time.Duration {
	d := min(firstPause<<min(b.streak, 20), limit)
	b.streak++
	return d/2 + rand.N(max(d/2, 1))
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
