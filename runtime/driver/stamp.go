package driver

import "time"

// SetDelay makes t due d after it is enqueued. The code that makes a task may use another
// clock than the manager that enqueues it, so the times of a task are estimates until
// [Stamp]: until then ScheduledFor counts from CreatedAt. WithDelay of package runtime
// calls SetDelay.
func SetDelay(t *Task, d time.Duration) {
	t.ScheduledFor, t.delay, t.delayed = t.CreatedAt.Add(d), d, true
}

// SetDue makes t due at the given time, no matter when it is stamped.
func SetDue(t *Task, at time.Time) { t.ScheduledFor, t.delayed = at, false }

// Unstamp marks t.CreatedAt as an estimate, which Stamp replaces.
func Unstamp(t *Task) { t.unstamped = true }

// Stamp sets the times of a task that reaches a manager at the given time: CreatedAt if
// it is zero or an estimate, and ScheduledFor if it is a delay that has not been changed
// since SetDelay.
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
