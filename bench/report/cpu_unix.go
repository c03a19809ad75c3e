//go:build unix

package report

import (
	"syscall"
	"time"
)

// CPUTime is the time that CPUs have spent on this process.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
