package dlq

import (
	"strings"
	"time"
)

// A Filter chooses dead letters. What is zero chooses all.
type Filter struct {
	Queue  string // the one they died on
	Type   string
	Group  string    // the failure they have in common; see Group
	Reason string    // is in the last error, in whatever case
	Text   string    // is in the ID, the error or the redacted payload, in whatever case
	Before time.Time // died before: now less an age, for letters older than that
	After  time.Time // died at this time or later
}

// Matches reports whether f chooses a letter.
func (f *Filter) Matches(l *Letter) bool {
	return (f.Queue == "" || f.Queue == l.Queue) && (f.Type == "" || f.Type == l.Type) &&
		(f.Group == "" || f.Group == l.Group) && holds(l.Reason, f.Reason) &&
		(f.Text == "" || holds(l.ID, f.Text) || holds(l.Reason, f.Text) || holds(string(l.Payload), f.Text)) &&
		(f.Before.IsZero() || l.FailedAt.Before(f.Before)) && (f.After.IsZero() || !l.FailedAt.Before(f.After))
}

func holds(s, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
