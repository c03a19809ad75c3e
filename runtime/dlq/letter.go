package dlq

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/jsonpayload"
)

// A Letter is a dead task, as shown to people.
type Letter struct {
	ID string `json:"id"`
	// Ref identifies this death of the task: used instead of the ID it means this letter,
	// not a later one of the same task.
	Ref   string `json:"ref"`
	Type  string `json:"type"`
	Queue string `json:"queue"` // on which it died
	// Reason is the text of the last error.
	Reason   string    `json:"reason"`
	FailedAt time.Time `json:"failed_at,omitzero"` // when it died
	// Runs counts the runs until the task died, including those whose lines are no longer
	// kept.
	Runs     int       `json:"runs"`
	Attempts []Attempt `json:"attempts,omitempty"` // the newest runs that failed, oldest first
	// Group identifies the letters that failed in the same way; see Group.
	Group string `json:"group"`
	// RedriveCount is how often the task was redriven before.
	RedriveCount int               `json:"redrive_count,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
	MaxRetries   int               `json:"max_retries"`
	Priority     int               `json:"priority,omitempty"`
	GroupKey     string            `json:"group_key,omitempty"`
	UniqueKey    string            `json:"unique_key,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"` // the task's own; the runtime's is in the other fields
	// Payload is redacted. A payload that cannot be shown, because it is encoded or not
	// JSON, is null, and Encoding says how it is encoded.
	Payload  json.RawMessage `json:"payload"`
	Encoding string          `json:"encoding,omitempty"`
	// Shape names the JSON form of the payload: see the field of Task. Empty: not known.
	Shape string `json:"shape,omitempty"`
}

// An Attempt is one run that failed.
type Attempt struct {
	Number int           `json:"number"` // from 1
	At     time.Time     `json:"at"`     // when it ended
	Took   time.Duration `json:"took"`   // in nanoseconds
	Worker string        `json:"worker,omitempty"`
	Error  string        `json:"error"`
	Stack  string        `json:"stack,omitempty"` // of a handler that panicked
}

// letter reads a dead task. secrets are the JSON paths to hide; hidden says that the type
// is unknown, so that nothing of the payload may be shown.
func letter(t *runtime.Task, secrets []string, hidden bool) Letter {
	l := Letter{
		ID: t.ID, Ref: refOf(driver.DeathOf(t)), Type: t.Type, Queue: originQueue(t), Reason: t.Metadata[driver.MetaFailureReason],
		CreatedAt: t.CreatedAt, MaxRetries: t.MaxRetries, Priority: t.Priority, GroupKey: t.GroupKey, UniqueKey: t.UniqueKey, Encoding: t.Encoding, Shape: t.Shape,
		Payload: json.RawMessage("null"), Attempts: attempts(t.Metadata),
	}
	l.FailedAt, _ = time.Parse(time.RFC3339Nano, t.Metadata[driver.MetaFailedAt])
	l.Runs, _ = strconv.Atoi(t.Metadata[driver.MetaAttempts])
	l.RedriveCount, _ = strconv.Atoi(t.Metadata[driver.MetaRedriveCount])
	l.Group = GroupID(l.Type, l.Reason)
	for k, v := range t.Metadata {
		if !ofRuntime(k) {
			if l.Metadata == nil {
				l.Metadata = make(map[string]string)
			}
			l.Metadata[k] = v
		}
	}
	if t.Encoding == "" && !hidden {
		l.Payload = jsonpayload.Redact(t.Payload, secrets)
	}
	return l
}

// ofRuntime reports whether the runtime wrote the metadata under a key.
func ofRuntime(key string) bool {
	switch key {
	case driver.MetaFailureReason, driver.MetaFailedAt, driver.MetaOriginalQueue, driver.MetaAttempts,
		driver.MetaRedrivenFrom, driver.MetaRedriveCount:
		return true
	}
	return strings.HasPrefix(key, "taskgen.") || isNumbered(key, driver.MetaAttemptPrefix) || isNumbered(key, driver.MetaStackPrefix)
}

func isNumbered(key, prefix string) bool {
	number, ok := strings.CutPrefix(key, prefix)
	n, err := strconv.Atoi(number)
	return ok && err == nil && n > 0
}

// attempts reads the lines of the runs that failed (see driver.RecordAttempt).
func attempts(meta map[string]string) []Attempt {
	var all []Attempt
	for key, line := range meta {
		if !isNumbered(key, driver.MetaAttemptPrefix) {
			continue
		}
		number := strings.TrimPrefix(key, driver.MetaAttemptPrefix)
		a := attempt(line)
		a.Number, _ = strconv.Atoi(number)
		a.Stack = meta[driver.MetaStackPrefix+number]
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Attempt) int { return a.Number - b.Number })
	return all
}

// attempt reads "<time> took <duration>[ on <worker>]: <error>".
func attempt(line string) (a Attempt) {
	head, text, ok := strings.Cut(line, ": ")
	at, rest, found := strings.Cut(head, " took ")
	took, worker, _ := strings.Cut(rest, " on ")
	var err error
	if a.At, err = time.Parse(time.RFC3339Nano, at); !ok || !found || err != nil {
		return Attempt{Error: line}
	}
	a.Took, _ = time.ParseDuration(took)
	a.Worker, a.Error = worker, text
	return a
}
