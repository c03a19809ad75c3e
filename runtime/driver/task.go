package driver

import (
	"bytes"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// A Task is the envelope around one payload: what travels, waits on a queue
// and reaches a handler. Its JSON form (see [AppendEnvelope]) has the same
// bytes on every provider.
//
// A Task belongs to whoever holds it. Providers keep a copy of what they are
// given to enqueue, and hand out a fresh Task with each [Delivery].
type Task struct {
	// ID identifies the task on every provider, through retries, dead
	// lettering and redrive. A UUIDv7 when left empty at enqueue.
	ID string
	// Type is the wire name by which the router finds the handler.
	Type string
	// Queue is the name of the queue that the task is on.
	Queue string
	// Payload is one valid JSON value, or bytes of the kind that Encoding
	// names.
	Payload []byte
	// Encoding lists what was done to the payload, first to last and separated
	// by commas ("zstd,aes-gcm"). Empty: the payload is plain JSON.
	Encoding string
	// Priority is the level within a queue of type priority, from 0 (the
	// default) to Levels-1 (the most urgent). It is 0 on all other queues.
	Priority int
	// GroupKey orders tasks on a FIFO queue: tasks of one group are handed out
	// one at a time and in the order they came. Empty on all other queues.
	GroupKey string
	// UniqueKey, when set, lets only one task with this key be on its queue.
	UniqueKey string
	// UniqueFor is how long UniqueKey stays taken, counted from enqueue and
	// whatever becomes of the task. 0: until the task is completed or dead. An
	// envelope holds it, and Timeout, in whole milliseconds, rounded up.
	UniqueFor time.Duration
	// Metadata travels with the task. Keys that begin with "taskgen." are the
	// runtime's own; so are the Meta constants, once a task has failed.
	Metadata map[string]string
	// CreatedAt is when the task was enqueued first.
	CreatedAt time.Time
	// ScheduledFor is when the task becomes due. Zero: at once.
	ScheduledFor time.Time
	// MaxRetries is how often the task is tried again after its first failure.
	MaxRetries int
	// RetryCount is how often it was charged with a failure that led to a
	// retry. Crashes of a worker are not charged.
	RetryCount int
	// Timeout is how long one run of the handler may take. 0: no limit but the
	// one its handler's policy sets.
	Timeout time.Duration
	// SchemaVersion is the version of the payload's schema. 0: not versioned.
	SchemaVersion int

	// checked is the payload that SetJSON was given. As long as it is the payload
	// still, it is JSON for sure.
	checked []byte

	// unstamped says that CreatedAt is a guess, and delayed that ScheduledFor is
	// CreatedAt and delay: Stamp makes both anew. Whoever stands in between need not
	// know of it.
	unstamped, delayed bool
	delay              time.Duration
}

// DueAt is when the task became or becomes due: ScheduledFor, or CreatedAt
// where that is zero.
func (t *Task) DueAt() time.Time {
	if t.ScheduledFor.IsZero() {
		return t.CreatedAt
	}
	return t.ScheduledFor
}

// Clone returns a copy that shares nothing with t that either may change.
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

// LogValue is the task as a log may show it: which one it is, and the size of
// the payload, which may hold secrets, in place of the payload. slog's JSON handler
// asks no elements of lists and maps and no fields of structs how they are shown: give
// it what runtime.Redact makes of those.
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

// String is what LogValue shows, as text.
func (t Task) String() string { return "runtime.Task" + string(redact.AppendText(nil, t.LogValue())) }

// Format prints what String returns, whatever the verb.
func (t Task) Format(f fmt.State, verb rune) { redact.Format(f, verb, t) }

// MarshalJSON writes all fields, but for a log what LogValue shows: the handler
// of a log may be given tasks in a list. It is not the envelope, see
// [AppendEnvelope].
func (t Task) MarshalJSON() ([]byte, error) {
	type plain Task
	return redact.Marshal(&t, (*plain)(&t))
}

// SetJSON gives t a payload that encoding/json wrote, so that Validate need not read
// it to know that it is JSON. What readers of envelopes would not take is read all the
// same: encoding/json writes deeper values than it reads.
func SetJSON(t *Task, payload []byte) {
	t.Payload = payload
	if shallow(payload) && utf8.Valid(payload) {
		t.checked = payload
	}
}

// shallow reports whether JSON is nested no deeper than a reader takes, without
// reading it.
func shallow(payload []byte) bool {
	return len(payload) <= 2*maxNesting || bytes.Count(payload, []byte("["))+bytes.Count(payload, []byte("{")) <= maxNesting
}

// knownJSON reports whether the payload needs no validation.
func (t *Task) knownJSON() bool {
	return len(t.Payload) > 0 && len(t.Payload) == len(t.checked) && &t.Payload[0] == &t.checked[0]
}

// Validate reports what keeps the task from travelling, as an error that wraps
// [ErrInvalidTask], or nil. It does not look at what the queue can do.
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

// validFields is the part of Validate that a reader of envelopes needs too.
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
	case t.Timeout < 0 || t.UniqueFor < 0:
		return invalid("task %s (%s): a negative duration", t.ID, t.Type)
	case t.UniqueFor > 0 && t.UniqueKey == "":
		return invalid("task %s (%s): UniqueFor is set and UniqueKey is not", t.ID, t.Type)
	case !validTime(t.CreatedAt) || !validTime(t.ScheduledFor):
		return invalid("task %s (%s): a time outside of the years 1 to 9999", t.ID, t.Type)
	}
	return nil
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
