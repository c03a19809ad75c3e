package driver

import "time"

// A Clock is the source of time for managers, providers and pools. [SystemClock] is the
// real one; package tasktest has one that tests move by hand.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own once d has passed.
	AfterFunc(d time.Duration, f func()) Timer
}

// A Timer is a pending AfterFunc call. Both methods report whether the call was
// still pending, as those of [time.Timer] do.
type Timer interface {
	Reset(d time.Duration) bool
	Stop() bool
}

// SystemClock is the clock of the machine.
var SystemClock Clock = systemClock{}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
