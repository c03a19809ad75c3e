package driver

import (
	"bytes"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// A Task is the envelope around one payload. It is enqueued, waits on a queue and reaches
// a handler. Its JSON form (see [AppendEnvelope]) has the same bytes on every provider.
//
// A Task belongs to the code that holds it. Providers copy the tasks that they enqueue,
// and hand out a new Task with each [Delivery].
type Task struct {
	// ID identifies the task on every provider, through retries, dead lettering and
	// redrive. A UUIDv7 when empty at enqueue.
	ID string
	// Type is the wire name by which the router finds the handler.
	Type string
	// Queue is the name of the queue that the task is on.
	Queue string
	// Payload is one valid JSON value, or bytes in the encoding that Encoding names.
	Payload []byte
	// Encoding lists the encodings applied to the payload, first to last and separated by
	// commas ("zstd,aes-gcm"). Empty: the payload is plain JSON.
	Encoding string
	// Priority is the level within a queue of type priority, from 0 (the
	// default) to Levels-1 (the most urgent). It is 0 on all other queues.
	Priority int
	// GroupKey orders tasks on a FIFO queue: tasks of one group are handed out one at a
	// time, in the order in which they arrived. Empty on all other queues.
	GroupKey string
	// UniqueKey, when set, allows only one task with this key on its queue.
	UniqueKey string
	// UniqueFor is how long UniqueKey stays taken, counted from enqueue, no matter what
	// happens to the task. 0: until the task is completed or dead. An envelope stores
	// UniqueFor and Timeout in whole milliseconds, rounded up.
	UniqueFor time.Duration
	// Metadata travels with the task. Keys that begin with "taskgen." belong to the
	// runtime; so do the Meta constants, once a task has failed.
	Metadata map[string]string
	// CreatedAt is when the task was first enqueued.
	CreatedAt time.Time
	// ScheduledFor is when the task becomes due. Zero: at once.
	ScheduledFor time.Time
	// MaxRetries is how often the task is tried again after its first failure.
	MaxRetries int
	// RetryCount is how often the task was charged with a failure that led to a retry.
	// Crashes of a worker are not charged.
	RetryCount int
	// Timeout is how long one run of the handler may take. 0: only the limit of the
	// handler's policy.
	Timeout time.Duration
	// SchemaVersion is the version of the payload's schema. 0: not versioned.
	SchemaVersion int
	// Shape names the JSON form of the payload's Go type: 12 hexadecimal digits in lower
	// case, the same for types with the same form. Empty: not known, as for tasks written
	// by earlier versions or by other languages.
	Shape string

	// checked is the payload that SetJSON was given. While it is still the payload, the
	// payload is known to be JSON.
	checked []byte

	// unstamped says that CreatedAt is an estimate, and delayed that ScheduledFor is
	// CreatedAt plus delay: Stamp computes both again.
	unstamped, delayed bool
	delay              time.Duration
}

// DueAt is when the task became or becomes due: ScheduledFor, or CreatedAt if
// ScheduledFor is zero.
func (t *Task) DueAt() time.Time {
	if t.ScheduledFor.IsZero() {
		return t.CreatedAt
	}
	return t.ScheduledFor
}

// Clone returns a copy that shares no mutable data with t.
func (t *Task) Clone() *Task {
	c := *t
	c.Payload, c.checked = append([]byte(nil), t.Payload...), nil
	if t.knownJSON() {
		c.checked = c.Payload
	}
	if t.Metadata != nil {
		c.Metadata = make(map[string]string, len(t.Metadata))
		for k, v := range t.Metadata {
			c.Metadata[k] = v
		}
	}
	return &c
}

// LogValue is the task for a log: its identity, and the size of the payload instead of
// the payload, which may contain secrets. slog's JSON handler does not call LogValue on
// elements of lists and maps or on fields of structs: pass those through runtime.Redact.
func (t Task) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", t.ID),
		slog.String("type", t.Type),
		slog.String("queue", t.Queue),
		slog.Int("retry_count", t.RetryCount),
		slog.Int("max_retries", t.MaxRetries),
		slog.Int("payload_bytes", len(t.Payload)),
	)
}

// String returns LogValue as text.
func (t Task) String() string { return "runtime.Task" + string(redact.AppendText(nil, t.LogValue())) }

// Format prints the String of the task, whatever the verb.
func (t Task) Format(f fmt.State, verb rune) { redact.Format(f, verb, t) }

// MarshalJSON writes all fields, except for a log, where it writes LogValue: a log
// handler may get tasks in a list. The output is not the envelope, see
// [AppendEnvelope].
func (t Task) MarshalJSON() ([]byte, error) {
	type plain Task
	return redact.Marshal(&t, (*plain)(&t))
}

// SetJSON sets a payload that encoding/json wrote, so that Validate need not parse it.
// Validate still parses a payload that readers of envelopes might refuse: encoding/json
// writes values nested deeper than it reads.
func SetJSON(t *Task, payload []byte) {
	t.Payload = payload
	if shallow(payload) && utf8.Valid(payload) {
		t.checked = payload
	}
}

// shallow reports, without parsing, whether JSON is nested no deeper than readers accept.
func shallow(payload []byte) bool {
	return len(payload) <= 2*maxNesting || bytes.Count(payload, []byte("["))+bytes.Count(payload, []byte("{")) <= maxNesting
}

// knownJSON reports whether the payload needs no validation.
func (t *Task) knownJSON() bool {
	return len(t.Payload) > 0 && len(t.Payload) == len(t.checked) && &t.Payload[0] == &t.checked[0]
}

// Validate returns an error that wraps [ErrInvalidTask] if the task cannot be put on any
// queue. It does not check the capabilities of a queue.
func (t *Task) Validate() error {
	if err := t.validFields(); err != nil {
		return err
	}
	for _, s := range [...]string{t.ID, t.Type, t.Queue, t.GroupKey, t.UniqueKey, t.Encoding} {
		if !utf8.ValidString(s) {
			return invalid("task %q (%q): %q is not valid UTF-8", t.ID, t.Type, s)
		}
	}
	for k, v := range t.Metadata {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return invalid("task %s (%s): metadata %q is not valid UTF-8", t.ID, t.Type, k)
		}
	}
	if t.Encoding == "" && !t.knownJSON() {
		if err := checkJSON(t.Payload); err != nil {
			return invalid("task %s (%s): the payload is not valid JSON: %w", t.ID, t.Type, err)
		}
	}
	return nil
}

// validFields is the part of Validate that a reader of envelopes also needs.
func (t *Task) validFields() error {
	switch {
	case t == nil:
		return invalid("the task is nil")
	case t.ID == "":
		return invalid("the task has no ID")
	case t.Type == "":
		return invalid("task %s has no type", t.ID)
	case t.Queue == "":
		return invalid("task %s (%s) names no queue", t.ID, t.Type)
	case t.Priority < 0:
		return invalid("task %s (%s): priority %d is below 0", t.ID, t.Type, t.Priority)
	case t.MaxRetries < 0 || t.RetryCount < 0:
		return invalid("task %s (%s): negative retry numbers (%d of %d)", t.ID, t.Type, t.RetryCount, t.MaxRetries)
	case t.SchemaVersion < 0:
		return invalid("task %s (%s): schema version %d is below 0", t.ID, t.Type, t.SchemaVersion)
	case t.Shape != "" && !ValidShape(t.Shape):
		return invalid("task %s (%s): the shape %.40q is not %d hexadecimal digits in lower case", t.ID, t.Type, t.Shape, shapeDigits)
	case t.Timeout < 0 || t.UniqueFor < 0:
		return invalid("task %s (%s): a negative duration", t.ID, t.Type)
	case t.UniqueFor > 0 && t.UniqueKey == "":
		return invalid("task %s (%s): UniqueFor is set and UniqueKey is not", t.ID, t.Type)
	case !validTime(t.CreatedAt) || !validTime(t.ScheduledFor):
		return invalid("task %s (%s): a time outside of the years 1 to 9999", t.ID, t.Type)
	}
	return nil
}

// shapeDigits is the length of a shape. Two of a million shapes are the same with a
// probability of 0.2 %.
const shapeDigits = 12

// ValidShape reports whether s has the form of a shape: 12 hexadecimal digits in lower case.
func ValidShape(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == shapeDigits
}

// validTime reports whether RFC 3339 has a form for the time.
func validTime(t time.Time) bool {
	const first, end = -62135596800, 253402300800 // the years 1 and 10000 in Unix seconds
	s := t.Unix()
	return s >= first && s < end
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidTask}, args...)...)
}
