package faultproxy

import (
	"syscall"
	"time"
)

// pause waits for d. Timers of package time are a millisecond late and more on
// Linux when nothing else goes on, which would more than double a round trip of
// one millisecond; the system's own sleep is some 60 µs late.
func pause(d time.Duration) {
	for end := time.Now().Add(d); d > 0; d = time.Until(end) {
		ts := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&ts, nil) // a signal ends it early
	}
}
