package runtime

import "github.com/taskgen/taskgen/runtime/internal/pool"

// Backoff is how the delay grows from retry to retry.
type Backoff = pool.Backoff

// The kinds of backoff. Base, Cap and Factor are those of the RetryPolicy.
const (
	Constant    Backoff = pool.Constant    // Base each time
	Linear      Backoff = pool.Linear      // Base, 2×Base, 3×Base, …
	Exponential Backoff = pool.Exponential // Base, Base×Factor, Base×Factor², …; the default
)

// A RetryPolicy is how often and when a failed task is retried. The zero value never
// retries. Its fields:
//
//	Max       int              retries after the first run; 0: none
//	Backoff   Backoff          Exponential when empty
//	Base      time.Duration    delay of the first retry; 1 s when 0
//	Cap       time.Duration    longest delay, jitter included; 1 h when 0
//	Factor    float64          growth of an exponential backoff; 2 when 0
//	Jitter    float64          spreads each delay evenly over ± this fraction of it, from 0 (none) to 1
//	Retryable func(error) bool which errors are worth a retry; nil: DefaultRetryable
//
// Its method Delay(retry int, spread float64) time.Duration is how long to wait before
// the given retry, 1 being the first. spread is a random number in [0, 1) from which
// the jitter is drawn. The delay never overflows, is never negative and never above the
// cap.
type RetryPolicy = pool.RetryPolicy
