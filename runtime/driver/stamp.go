package driver

import "time"

// SetDelay makes t due d after it is enqueued. The clock of whoever makes a task need not
// be that of the manager which the task reaches, so the times of a task are guesses until
// [Stamp]: until then ScheduledFor counts from CreatedAt. WithDelay of package runtime
// calls it.
func SetDelay(t *Task, d time.Duration) {
	t.ScheduledFor, t.delay, t.delayed = t.CreatedAt.Add(d), d, true
}

// SetDue makes t due at the given time, whenever it is stamped.
func SetDue(t *Task, at time.Time) { t.ScheduledFor, t.delayed = at, false }

// Unstamp says that t.CreatedAt is a guess, which Stamp replaces.
func Unstamp(t *Task) { t.unstamped = true }

// Stamp gives a task that comes to a manager at the given time those of its times that
// do not hold yet: CreatedAt where it is zero or a guess, and ScheduledFor where that
// is a delay which nobody has changed since.
func Stamp(t *Task, now time.Time) {
	if t.delayed && t.ScheduledFor.Equal(t.CreatedAt.Add(t.delay)) {
		t.ScheduledFor = now.Add(t.delay)
	}
	if t.CreatedAt.IsZero() || t.unstamped {
		t.CreatedAt = now
	}
	if t.unstamped || t.delayed {
		t.unstamped, t.delayed = false, false
	}
}
