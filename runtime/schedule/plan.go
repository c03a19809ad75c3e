package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// A plan says what to do about a due job.
type plan struct {
	fire    []time.Time // the firings to enqueue, in order
	skipped int64       // firings left out as missed
	next    time.Time   // the firing after them, which may also be due; zero: none
}

// maxChecked bounds the firings that a plan checks one by one. Of a job that is further
// behind it checks the newest ones.
const maxChecked = 100_000

// planOf decides about the firings that are due at now, and fires at most room of them.
// Firings later than missedAfter are missed.
func planOf(e *Entry, now time.Time, missedAfter time.Duration, room int) (plan, error) {
	times, err := timetableOf(e.When)
	if err != nil {
		return plan{}, err
	}
	var (
		p              plan
		missed, timely []time.Time
		keep           = keepMissed(e)
		at             = e.Next
	)
	for n := 0; !at.IsZero(); n++ {
		due := dueBy(e, times, at)
		if due.After(now) {
			break
		}
		if n == maxChecked || n > 2*maxChecked && n%maxChecked == 0 {
			newest := now.Add(-missedAfter)
			if n == maxChecked { // keep as many firings as were checked so far
				newest = newest.Add(-at.Sub(e.Next))
			}
			var passed int64
			if at, passed = times.skip(at, newest); passed > 0 {
				if n == maxChecked {
					p.skipped, missed = p.skipped+int64(len(missed)), nil
				}
				p.skipped += passed
				continue
			}
		}
		if now.Sub(due) > missedAfter {
			missed = append(missed, at)
			if over := len(missed) - keep; over > 0 {
				missed, p.skipped = missed[over:], p.skipped+int64(over)
			}
		} else {
			timely = append(timely, at)
			if len(missed)+len(timely) > room {
				break // later firings belong to the next plan
			}
		}
		at = times.next(at)
	}
	p.fire, p.next = append(missed, timely...), at
	if len(p.fire) > room {
		p.fire, p.next = p.fire[:room], p.fire[room]
	}
	return p, nil
}

// keepMissed is how many missed firings the job makes up for.
func keepMissed(e *Entry) int {
	switch {
	case e.Missed == FireNone:
		return 0
	case e.Missed == FireAll && e.MaxMissed > 0:
		return e.MaxMissed
	case e.Missed == FireAll:
		return DefaultMaxMissed
	}
	return 1
}

// dueOf is when the next firing is due, jitter included.
func dueOf(e *Entry) time.Time { return dueAt(e, e.Next) }

// dueAt adds the job's jitter to the time of a firing: less than the time to the next
// one.
func dueAt(e *Entry, at time.Time) time.Time {
	if e.Jitter <= 0 || at.IsZero() || !e.When.Recurring() {
		return at
	}
	times, err := timetableOf(e.When)
	if err != nil {
		return at // it cannot be fired either
	}
	return dueBy(e, times, at)
}

// dueBy is dueAt for callers that have the timetable of the job.
func dueBy(e *Entry, times timetable, at time.Time) time.Time {
	if e.Jitter <= 0 || at.IsZero() || !e.When.Recurring() {
		return at
	}
	jitter := e.Jitter
	if next := times.next(at); !next.IsZero() {
		jitter = min(jitter, next.Sub(at))
	}
	sum := digest(e, "jitter", at)
	return at.Add(time.Duration(binary.BigEndian.Uint64(sum[:8]) % uint64(max(jitter, 1))))
}

// digest is a hash of one aspect of one firing: the same in every process.
func digest(e *Entry, what string, at time.Time) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", what, seedOf(e), at.UnixNano()))
}

// taskIDOf is the ID of a firing's task: a UUIDv8 (RFC 9562) made of the job's seed and
// the firing's time. what distinguishes the firings of RunNow from a scheduled one.
func taskIDOf(e *Entry, what string, at time.Time) string {
	u := digest(e, what, at)
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
