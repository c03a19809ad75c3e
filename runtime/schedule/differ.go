package schedule

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// A Difference is one way in which a job differs from its declaration.
type Difference struct {
	ID      JobID
	What    string // when, queue, timeout and the like
	Was, Is string // empty for a payload and keys made from it, which may contain secrets
}

// A Loss is what is lost with a job that is no longer declared.
type Loss struct {
	ID     JobID
	Due    time.Time // the firing that will not happen
	TaskID string    // of a task that is taken off its queue, if the queue can cancel tasks; empty: none
}

// Explain lists the changes like String, and below each job its differences and losses.
// In a dry run that is what a deploy would do.
func (c Changes) Explain() string {
	var lines strings.Builder
	for line := range strings.Lines(c.String()) {
		lines.WriteString(line)
		mark, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch mark {
		case "~":
			for _, d := range c.Differences {
				if string(d.ID) == rest {
					fmt.Fprintf(&lines, "    %s\n", d)
				}
			}
		case "-":
			for _, l := range c.Lost {
				if string(l.ID) == rest {
					fmt.Fprintf(&lines, "    %s\n", l)
				}
			}
		}
	}
	return lines.String()
}

// String is "what: was → is".
func (d Difference) String() string {
	if d.Was == "" && d.Is == "" {
		return d.What + " differs"
	}
	return fmt.Sprintf("%s: %s → %s", d.What, d.Was, d.Is)
}

// String says what will not happen.
func (l Loss) String() string {
	s := "does not fire at " + l.Due.UTC().Format(time.RFC3339)
	if l.TaskID != "" {
		s += ", and its task " + l.TaskID + " is taken off the queue"
	}
	return s
}

// changed records a job that differs from its declaration.
func (r *reconciler) changed(have *Status, job *Job) {
	r.changes.Changed = append(r.changes.Changed, job.ID)
	differences := have.differences(job)
	if have.State == Cancelled || have.State == Unreadable {
		differences = []Difference{{What: "state", Was: string(have.State), Is: string(Scheduled)}}
	}
	for _, d := range differences {
		d.ID = job.ID
		r.changes.Differences = append(r.changes.Differences, d)
	}
}

// removed records a job that is no longer declared.
func (r *reconciler) removed(st *Status) {
	r.changes.Removed = append(r.changes.Removed, st.ID)
	loss := Loss{ID: st.ID, Due: st.Next}
	if st.State == Enqueued || st.State == Failed {
		loss.TaskID = st.Last.TaskID
	}
	r.changes.Lost = append(r.changes.Lost, loss)
}

// differences lists how a job differs from its declaration, as far as annotations can
// declare it.
func (s *Status) differences(job *Job) (all []Difference) {
	differ := func(what string, was, is any) {
		if a, b := fmt.Sprint(was), fmt.Sprint(is); a != b {
			all = append(all, Difference{What: what, Was: orNone(a), Is: orNone(b)})
		}
	}
	a, b := s.Task, job.Task
	if !s.When.Equal(job.When) {
		all = append(all, Difference{What: "when", Was: s.When.String(), Is: job.When.String()})
	}
	differ("overlap", s.Overlap, job.overlap())
	differ("missed", s.Missed, job.missed())
	differ("jitter", s.Jitter, job.Jitter)
	differ("type", a.Type, b.Type)
	differ("queue", a.Queue, b.Queue)
	differ("priority", a.Priority, b.Priority)
	differ("timeout", a.Timeout, b.Timeout)
	differ("retries", a.MaxRetries, b.MaxRetries)
	differ("unique for", a.UniqueFor, b.UniqueFor)
	differ("schema version", a.SchemaVersion, b.SchemaVersion)
	differ("shape", a.Shape, b.Shape)
	if a.UniqueKey != b.UniqueKey {
		all = append(all, Difference{What: "unique key"})
	}
	if !bytes.Equal(a.Payload, b.Payload) {
		all = append(all, Difference{What: "payload"})
	}
	return all
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
