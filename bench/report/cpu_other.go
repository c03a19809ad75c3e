//go:build !unix

package report

import "time"

// CPUTime is not known here: the column says 0.
func CPUTime() time.Duration { return 0 }
