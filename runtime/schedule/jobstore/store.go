package jobstore

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Store keeps jobs for schedulers. It is used by many goroutines, and where it
// can be by many processes, at once. It needs no knowledge of jobs: an [Entry] has
// the few columns that it goes by, and a body.
type Store interface {
	// Put writes an entry in place of the one with its ID, if that has the version
	// Entry.Version still (0: there is none yet), and gives it the next version. It is
	// leased until Entry.Leased: whoever changes an entry leaves the lease on it as it
	// was read, and whoever has the lease ends it by the zero time. Errors wrap ErrConflict, ErrJobExists for version 0, or
	// ErrJobNotFound when there is none any more.
	Put(ctx context.Context, e *Entry) error
	// Get reads an entry. The error wraps ErrJobNotFound.
	Get(ctx context.Context, id JobID) (*Entry, error)
	// List returns up to limit entries whose ID comes after the given one, in the
	// order of their IDs (as bytes), of one owner where that is not empty.
	List(ctx context.Context, owner string, after JobID, limit int) ([]*Entry, error)
	// Claim leases up to limit entries whose Wake has come by the store's clock and
	// whose needs the caller can meet, the most overdue ones first: until the lease ends
	// nobody else gets them. It gives them the next version, so that whoever held them
	// before is refused with ErrConflict. It removes entries whose Forget has come, in
	// passing. Now is the time on the store's clock; wait is how long nothing else that
	// the caller can fire will be due or free again, 0 where something may be now, and
	// negative when nothing ever will. An entry that cannot be read is leased and
	// returned too; see Entry.Unreadable. can must be quick.
	Claim(ctx context.Context, can func(Needs) bool, limit int, lease time.Duration) (due []*Entry, now time.Time, wait time.Duration, err error)
	// Settle is Put for many entries, in as few round trips as can be. The error is
	// a *driver.BatchError where some fail.
	Settle(ctx context.Context, es []*Entry) error
	// Note keeps what a worker says of a job's firing, in place of what was said
	// of this firing or an earlier one. It changes no version. A job that is not
	// there any more is no error.
	Note(ctx context.Context, id JobID, run Run) error
	// Now is the time on the store's clock, by which entries become due. A store without a
	// clock of its own has that of its process.
	Now(ctx context.Context) (time.Time, error)
	// Wait returns when an entry whose needs the caller can meet may have become due
	// earlier than Claim said, when d is over, or when ctx ends. Of several that can
	// meet them, one is enough to be told.
	Wait(ctx context.Context, can func(Needs) bool, d time.Duration)
}

// An Entry is a job as a Store keeps it.
type Entry struct {
	ID      JobID
	Version int64
	Owner   string
	// Wake is when a service is to look after it, and Forget when it is removed; zero:
	// never. A store may take a time after 2262 for the latest that it keeps, and one
	// before 1970 for the earliest.
	Wake, Forget time.Time
	// Leased is when the lease on the entry ends, or has ended; zero: there is none. While
	// it holds nobody claims the entry. One whose Wake is zero by then is claimed at the
	// end of its lease all the same, so that the lease can be taken from it.
	Leased time.Time
	Noted  Run // what was noted last
	Body
	// Unreadable is the body as the store has it where this build cannot read it; it is
	// written back as it is. Err says why then, and wraps ErrUnreadable, and Body is
	// empty but for Next, which is Wake.
	Unreadable []byte
	Err        error
}

// A Body is what a store keeps of a job without looking into it.
type Body struct {
	When      When          `json:"when"`
	Task      *driver.Task  `json:"-"`
	Sealed    bool          `json:"sealed,omitempty"` // the task's payload is sealed; see runtime.Sealer
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
	Failures  int           `json:"failures,omitempty"` // tries in a row to enqueue what is due
	Error     string        `json:"error,omitempty"`
	Was       time.Time     `json:"was,omitzero"` // Next of a job that was cancelled, for when it is declared again
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	// Seed is the ID that the job's firings are told by where that is not its own:
	// that of the job that it was before, or a new one where its ID was that of
	// another job.
	Seed JobID `json:"seed,omitempty"`
	// Handed says that the job was ended to go on under another ID.
	Handed *Handover `json:"handed,omitempty"`
}

// A Handover is what a job that goes on under another ID leaves to that one.
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

// Clone returns a copy that shares nothing with e that either may change.
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

// SetBody reads what BodyData returned; ID and Wake must be set. Where this build cannot read
// it, the entry is one that says so: see Entry.Unreadable.
func (e *Entry) SetBody(data []byte) {
	e.Unreadable, e.Err = nil, nil
	if err := e.Body.UnmarshalJSON(data); err != nil {
		e.Body = Body{Next: e.Wake}
		e.Unreadable, e.Err = append([]byte{}, data...), fmt.Errorf("%w: %s: %w", ErrUnreadable, e.ID, err)
	}
}

// LogValue is the entry as a log may show it: without the payload of its task.
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
