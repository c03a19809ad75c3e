package jobstore

import (
	"encoding/json"
	"fmt"
	"time"
)

// A When says when a job is due. At, In, Every and Cron of package schedule make one. One
// of the first four fields is set; the zero When is unset.
type When struct {
	At    time.Time     // once
	In    time.Duration // once, that long after the job is scheduled
	Every time.Duration // repeatedly, at this interval
	Cron  string        // repeatedly, by an expression,
	Zone  string        // on the wall clock of an IANA time zone; empty: UTC
}

// Recurring reports whether the job is due more than once.
func (w When) Recurring() bool { return w.Cron != "" || w.Every != 0 }

// IsZero reports whether w is not set.
func (w When) IsZero() bool { return w == When{} }

// String describes w.
func (w When) String() string {
	switch {
	case w.Cron != "" && w.Zone != "":
		return fmt.Sprintf("cron %q in %s", w.Cron, w.Zone)
	case w.Cron != "":
		return fmt.Sprintf("cron %q in UTC", w.Cron)
	case w.Every != 0:
		return "every " + w.Every.String()
	case w.In != 0:
		return "in " + w.In.String()
	case !w.At.IsZero():
		return "at " + w.At.Format(time.RFC3339Nano)
	}
	return "never"
}

// Equal reports whether two Whens mean the same.
func (w When) Equal(v When) bool {
	return w.At.Equal(v.At) && w.In == v.In && w.Every == v.Every && w.Cron == v.Cron && w.Zone == v.Zone
}

type whenJSON struct {
	At    *time.Time `json:"at,omitempty"`
	Every string     `json:"every,omitempty"`
	Cron  string     `json:"cron,omitempty"`
	Zone  string     `json:"zone,omitempty"`
}

// MarshalJSON writes w as an object with at, every, or cron and zone. A delay (In) cannot
// be written: it becomes a time when the job is scheduled.
func (w When) MarshalJSON() ([]byte, error) {
	j := whenJSON{Cron: w.Cron, Zone: w.Zone}
	if w.In != 0 {
		return nil, fmt.Errorf("taskgen: %q has no form in JSON: a delay becomes a time when the job is scheduled", w)
	}
	if !w.At.IsZero() {
		at := w.At.UTC()
		j.At = &at
	}
	if w.Every != 0 {
		j.Every = w.Every.String()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (w *When) UnmarshalJSON(data []byte) error {
	var j whenJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*w = When{Cron: j.Cron, Zone: j.Zone}
	if j.At != nil {
		w.At = *j.At
	}
	if j.Every != "" {
		d, err := time.ParseDuration(j.Every)
		if err != nil {
			return err
		}
		w.Every = d
	}
	return nil
}
