package pool

import (
	"math"
	"time"
)

// Backoff is how the delay grows from retry to retry.
type Backoff string

// The kinds of backoff. Base, Cap and Factor are those of the RetryPolicy.
const (
	Constant    Backoff = "constant"    // Base each time
	Linear      Backoff = "linear"      // Base, 2×Base, 3×Base, …
	Exponential Backoff = "exponential" // Base, Base×Factor, Base×Factor², …; the default
)

// A RetryPolicy is how often and when a failed task is retried. The zero value never
// retries.
type RetryPolicy struct {
	Max     int           // retries after the first run; 0: none
	Backoff Backoff       // Exponential when empty
	Base    time.Duration // delay of the first retry; DefaultRetryBase when 0
	Cap     time.Duration // longest delay, jitter included; DefaultRetryCap when 0
	Factor  float64       // growth of an exponential backoff; 2 when 0
	// Jitter spreads each delay evenly over ± this fraction of it, from 0 (none)
	// to 1.
	Jitter float64
	// Retryable reports whether an error is worth a retry. Nil: [DefaultRetryable].
	Retryable func(error) bool
}

// Defaults of a RetryPolicy.
const (
	DefaultRetryBase   = time.Second
	DefaultRetryCap    = time.Hour
	DefaultRetryFactor = 2.0
)

// Delay is how long to wait before the given retry, 1 being the first. spread is a
// random number in [0, 1) from which the jitter is drawn. The delay never overflows, is
// never negative and never above the cap.
func (p RetryPolicy) Delay(retry int, spread float64) time.Duration {
	base, limit, factor := p.Base, p.Cap, p.Factor
	if base <= 0 {
		base = DefaultRetryBase
	}
	if limit <= 0 {
		limit = DefaultRetryCap
	}
	if !(factor > 0) { // not a number, too
		factor = DefaultRetryFactor
	}
	n := float64(max(retry, 1))
	d := float64(base)
	switch p.Backoff {
	case Constant:
	case Linear:
		d *= n
	default:
		d *= math.Pow(factor, n-1) // +Inf for large n: the cap below holds
	}
	d = min(d, float64(limit))
	if j := min(max(p.Jitter, 0), 1); j > 0 {
		d *= 1 + j*(2*spread-1)
	}
	if d >= float64(limit) {
		return limit
	}
	return max(time.Duration(d), 0)
}
