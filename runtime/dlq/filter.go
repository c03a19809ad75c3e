package dlq

import (
	"strings"
	"time"
)

// A Filter chooses dead letters. A zero field matches all.
type Filter struct {
	Queue  string // on which they died
	Type   string
	Group  string    // the failure they have in common; see Group
	Reason string    // part of the last error, case ignored
	Text   string    // part of the ID, the error or the redacted payload, case ignored
	Before time.Time // died before; for letters older than an age: now minus the age
	After  time.Time // died at this time or later
	// Match decides about the letters that the other fields match: that of package filter,
	// say. Nil: all of them.
	Match func(*Letter) bool
}

// Matches reports whether f matches a letter.
func (f *Filter) Matches(l *Letter) bool {
	return (f.Queue == "" || f.Queue == l.Queue) && (f.Type == "" || f.Type == l.Type) &&
		(f.Group == "" || f.Group == l.Group) && containsFold(l.Reason, f.Reason) &&
		(f.Text == "" || containsFold(l.ID, f.Text) || containsFold(l.Reason, f.Text) || containsFold(string(l.Payload), f.Text)) &&
		(f.Before.IsZero() || l.FailedAt.Before(f.Before)) && (f.After.IsZero() || !l.FailedAt.Before(f.After)) &&
		(f.Match == nil || f.Match(l))
}

func containsFold(s, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
