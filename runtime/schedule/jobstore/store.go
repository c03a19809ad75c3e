package jobstore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Store keeps jobs for schedulers. It is safe for concurrent use, by many processes if
// the backend allows. It needs no knowledge of jobs: an [Entry] has the few columns that
// a store uses, and a body.
type Store interface {
	// Put replaces the entry with its ID, if that still has the version Entry.Version (0:
	// there is no entry yet), and gives it the next version. It is leased until
	// Entry.Leased: a process that changes an entry keeps the lease as it was read, and
	// the process that has the lease ends it with the zero time. Errors wrap ErrConflict,
	// ErrJobExists for version 0, or ErrJobNotFound if the entry is gone.
	Put(ctx context.Context, e *Entry) error
	// Get reads an entry. The error wraps ErrJobNotFound.
	Get(ctx context.Context, id JobID) (*Entry, error)
	// List returns up to limit entries whose ID comes after the given one, in the
	// order of their IDs (as bytes), of one owner where that is not empty.
	List(ctx context.Context, owner string, after JobID, limit int) ([]*Entry, error)
	// Claim leases up to limit entries whose Wake has passed on the store's clock and
	// whose needs the caller can meet, the most overdue first. Nobody else gets them
	// until the lease ends. Claim gives them the next version, so that their previous
	// holders are refused with ErrConflict. It also removes entries whose Forget has
	// passed. now is the time on the store's clock. wait is how long no other entry
	// that the caller can fire will be due or free; 0 if one may be now, negative if
	// none ever will. Unreadable entries are leased and returned too; see
	// Entry.Unreadable. can must be quick.
	Claim(ctx context.Context, can func(Needs) bool, limit int, lease time.Duration) (due []*Entry, now time.Time, wait time.Duration, err error)
	// Settle is Put for many entries, in as few round trips as possible. The error is a
	// *driver.BatchError if some fail.
	Settle(ctx context.Context, es []*Entry) error
	// Note stores a worker's report on a firing of a job. It replaces the report on this
	// firing or an earlier one, and changes no version. A job that is gone is no error.
	Note(ctx context.Context, id JobID, run Run) error
	// Now is the time on the store's clock, by which entries become due. A store without
	// its own clock uses that of its process.
	Now(ctx context.Context) (time.Time, error)
	// Wait returns when an entry whose needs the caller can meet may have become due
	// earlier than Claim said, when d is over, or when ctx ends. If several callers can
	// meet the needs, it is enough to wake one.
	Wait(ctx context.Context, can func(Needs) bool, d time.Duration)
}

// An Entry is a job in a Store.
type Entry struct {
	ID      JobID
	Version int64
	Owner   string
	// Wake is when a service is to handle the entry, and Forget when it is removed; zero:
	// never. A store may treat times after 2262 as the latest that it can keep, and times
	// before 1970 as the earliest.
	Wake, Forget time.Time
	// Leased is when the lease on the entry ends or ended; zero: no lease. Nobody claims
	// the entry before that. An entry whose Wake is zero is still claimed at the end of
	// its lease, so that the lease can be removed.
	Leased time.Time
	Noted  Run // the last note
	Body
	// Unreadable is the stored body if this build cannot read it; it is written back
	// unchanged. Err then says why, and wraps ErrUnreadable, and Body is empty except for
	// Next, which is Wake.
	Unreadable []byte
	Err        error
}

// A Body is the part of a job that a store keeps without interpreting it.
type Body struct {
	When      When          `json:"when"`
	Task      *driver.Task  `json:"-"`
	Sealed    bool          `json:"sealed,omitempty"` // the task's payload is sealed; see driver.Sealer
	Overlap   Overlap       `json:"overlap,omitempty"`
	Missed    Missed        `json:"missed,omitempty"`
	MaxMissed int           `json:"max_missed,omitempty"`
	Jitter    time.Duration `json:"jitter,omitempty"` // in nanoseconds
	State     State         `json:"state"`            // Scheduled until it has fired; then Enqueued, Missing or Cancelled
	Paused    bool          `json:"paused,omitempty"`
	Next      time.Time     `json:"next,omitzero"`
	Fired     int64         `json:"fired,omitempty"`
	Skipped   int64         `json:"skipped,omitempty"`
	Last      Run           `json:"last,omitzero"`
	Failures  int           `json:"failures,omitempty"` // consecutive failures to enqueue what is due
	Error     string        `json:"error,omitempty"`
	Was       time.Time     `json:"was,omitzero"` // Next of a cancelled job, in case it is declared again
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	// Seed is the ID from which the IDs of firings are derived, if that is not the
	// job's own: the ID of the job that it continues, or a new one if its ID belonged
	// to another job before.
	Seed JobID `json:"seed,omitempty"`
	// Handed says that the job was ended to continue under another ID.
	Handed *Handover `json:"handed,omitempty"`
}

// A Handover is what a job that continues under another ID passes on.
type Handover struct {
	To    JobID     `json:"to"`
	Next  time.Time `json:"next,omitzero"` // when it was due next
	State State     `json:"state"`         // Body.State before it was ended
}

type bodyJSON struct {
	*plainBody
	Task json.RawMessage `json:"task"`
}

type plainBody Body

// MarshalJSON writes the body with its task as an envelope.
func (b Body) MarshalJSON() ([]byte, error) {
	if err := b.Task.Validate(); err != nil {
		return nil, err
	}
	plain := plainBody(b)
	return json.Marshal(bodyJSON{&plain, driver.AppendEnvelope(nil, b.Task)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (b *Body) UnmarshalJSON(data []byte) error {
	j := bodyJSON{plainBody: new(plainBody)}
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("a job's body: %w", err)
	}
	task, err := driver.DecodeEnvelope(j.Task)
	if err != nil {
		return fmt.Errorf("the task of a job: %w", err)
	}
	*b = Body(*j.plainBody)
	b.Task = task
	return nil
}

// Clone returns a copy that shares no mutable data with e.
func (e *Entry) Clone() *Entry {
	c := *e
	if e.Task != nil {
		c.Task = e.Task.Clone()
	}
	if e.Handed != nil {
		h := *e.Handed
		c.Handed = &h
	}
	return &c
}

// BodyData is the body as a store keeps it. See SetBody.
func (e *Entry) BodyData() ([]byte, error) {
	if e.Unreadable != nil {
		return e.Unreadable, nil
	}
	return e.Body.MarshalJSON()
}

// SetBody reads what BodyData returned; ID and Wake must be set. If this build cannot
// read it, SetBody sets Entry.Unreadable.
func (e *Entry) SetBody(data []byte) {
	e.Unreadable, e.Err = nil, nil
	if err := e.Body.UnmarshalJSON(data); err != nil {
		e.Body = Body{Next: e.Wake}
		e.Unreadable, e.Err = append([]byte{}, data...), fmt.Errorf("%w: %s: %w", ErrUnreadable, e.ID, err)
	}
}

// LogValue is the entry for a log: without the payload of its task.
func (e Entry) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("id", string(e.ID)), slog.String("when", e.When.String())}
	if e.Owner != "" {
		attrs = append(attrs, slog.String("owner", e.Owner))
	}
	if e.Task != nil {
		attrs = append(attrs, slog.Attr{Key: "task", Value: e.Task.LogValue()})
	}
	attrs = append(attrs, slog.String("state", string(e.State)), slog.Bool("paused", e.Paused), slog.Int64("fired", e.Fired))
	if !e.Wake.IsZero() {
		attrs = append(attrs, slog.Time("wake", e.Wake))
	}
	if e.Error != "" {
		attrs = append(attrs, slog.String("error", e.Error))
	}
	return slog.GroupValue(attrs...)
}
