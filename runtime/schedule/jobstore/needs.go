package jobstore

import "strings"

// Needs are what a scheduler must have to fire a job.
type Needs struct {
	Queue string // of the task; empty if the store does not know it: any scheduler may try
	Zone  string // the IANA time zone of its cron expression; empty for UTC
}

// Key is n as a store keeps it: "queue LF zone", or empty if it is not known. See
// ParseNeeds.
func (n Needs) Key() string {
	if n.Queue == "" {
		return ""
	}
	return n.Queue + "\n" + n.Zone
}

// ParseNeeds reads what Needs.Key returned.
func ParseNeeds(key string) Needs {
	queue, zone, _ := strings.Cut(key, "\n")
	return Needs{Queue: queue, Zone: zone}
}

// Needs returns what a scheduler must have to fire the entry's job. The needs of an
// unreadable entry are not known.
func (e *Entry) Needs() Needs {
	if e.Task == nil {
		return Needs{}
	}
	return Needs{Queue: e.Task.Queue, Zone: e.When.Zone}
}
