package history

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/observe"
)

const (
	// Interval is how often records are written, unless there are some hundreds before.
	Interval = time.Second
	// DefaultRetention is how long records are kept.
	DefaultRetention = 7 * 24 * time.Hour
	// DefaultMaxBytes is how much a store keeps: about two million records.
	DefaultMaxBytes = 64 << 20
	// DefaultBuffer is how many records wait in memory.
	DefaultBuffer = 16_384
)

// Config configures a History. The zero value works.
type Config struct {
	// Retention is how long records are kept; the store may keep them for a sixteenth of
	// that longer. 0: DefaultRetention.
	Retention time.Duration
	// MaxBytes bounds what the store keeps, in bytes. The oldest records are removed for
	// it. 0: DefaultMaxBytes. Where processes on one store differ in it or in Retention,
	// the last writer's values apply.
	MaxBytes int64
	// Buffer bounds the records that wait in memory, those of runs whose outcome the queue
	// has not taken yet included. A record takes about 300 bytes and its
	// error. 0: DefaultBuffer.
	Buffer int
	// TraceID returns the ID of the trace that a run's context belongs to; "" if there is
	// none: TraceID of package tracing, say. List the listener that makes the traces before
	// that of the history. Nil: records have none.
	TraceID func(ctx context.Context) string
	// Logger receives a warning when the store cannot be written, once until it can again,
	// and when records are dropped, at most once a minute. Nil: slog.Default, as it is at
	// the time of each record.
	Logger *slog.Logger
}

// A History records what becomes of tasks, and reads what was recorded. It is safe for
// concurrent use. A process that only reads needs no Close.
type History struct {
	store Store
	cfg   Config
	keep  historystore.Limits

	mu     sync.Mutex
	buffer buffer
	pools  []*observe.Pool // those that work
	writer *writer         // nil while no pool works and nothing waits

	writing chan struct{} // capacity 1: full during a write to the store
	failing bool          // the last write failed, and the log says so; guarded by writing
}

// New returns a history of a store. Negative values in cfg count as 0.
func New(store Store, cfg Config) *History {
	cfg.Retention = cmp.Or(max(cfg.Retention, 0), DefaultRetention)
	cfg.MaxBytes = cmp.Or(max(cfg.MaxBytes, 0), DefaultMaxBytes)
	cfg.Buffer = cmp.Or(max(cfg.Buffer, 0), DefaultBuffer)
	return &History{
		store: store, cfg: cfg, keep: historystore.Limits{Age: cfg.Retention, Bytes: cfg.MaxBytes},
		buffer: newBuffer(cfg.Buffer), writing: make(chan struct{}, 1),
	}
}

func (h *History) logger() *slog.Logger { return cmp.Or(h.cfg.Logger, slog.Default()) }

// Listener returns what records the runs of a manager's pools, and of the workers that have its
// tasks by package server, for ManagerConfig.Listeners. One History may listen to several
// managers.
//
// A pool that has stopped has its records written: its Stop waits for that, for a second at
// most.
func (h *History) Listener() *observe.Listener {
	return &observe.Listener{
		PoolStarted: h.poolStarted,
		PoolStopped: h.poolStopped,
		RunEnd:      h.runEnd,
		Settled:     h.settled,
		LeaseLost:   h.leaseLost,
	}
}

// runEnd notes a run, whose record is complete when the queue has taken its outcome.
func (h *History) runEnd(ctx context.Context, r *observe.Run) {
	rec := recordOf(r)
	if h.cfg.TraceID != nil {
		rec.TraceID = h.cfg.TraceID(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Outcome == driver.Abandoned { // the queue takes no outcome
		h.buffer.add(&rec)
		h.wake()
		return
	}
	h.buffer.hold(r.Task, r.Pool, &rec)
}

// settledAtOnce is how many tasks of a settlement are recorded before the lock is
// released for workers, which wait for it.
const settledAtOnce = 64

// settled completes the records of runs, and makes those of tasks that end without one.
func (h *History) settled(s *observe.Settlement) {
	for items := range slices.Chunk(s.Items, settledAtOnce) {
		h.settle(s, items)
	}
}

func (h *History) settle(s *observe.Settlement, items []observe.Settled) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range items {
		it := &items[i]
		switch {
		case it.Ran:
			outcome := it.Outcome
			if it.Err != nil {
				outcome = driver.Abandoned
			}
			h.buffer.release(it.Task, outcome)
		case it.Err == nil && it.Outcome == driver.Cancelled:
			rec := unrun(s, it)
			h.buffer.add(&rec)
		}
	}
	h.wake()
}

// leaseLost completes the record of a run that had ended when its lease was lost.
func (h *History) leaseLost(_ *observe.Queue, t *observe.Task) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buffer.release(t, driver.Abandoned)
	h.wake()
}

// wake makes the writer write soon, if there are enough records, and starts one if records wait
// and there is none. h.mu is held.
func (h *History) wake() {
	switch n := len(h.buffer.ready); {
	case n == 0:
	case h.writer == nil:
		h.start()
	case n >= batch:
		h.writer.wake()
	}
}

// Dropped is how many records this process has dropped since it started: the store was away
// or too slow, or the History was closed.
func (h *History) Dropped() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buffer.dropped
}

// Retention is how long records are kept: Config.Retention, or its default. The store may have
// removed younger ones for Config.MaxBytes.
func (h *History) Retention() time.Duration { return h.cfg.Retention }

// Task returns the records of a task by its ID, in the order in which they began: its
// timeline. It returns none if the task has not run yet, or if its records have been
// dropped or have expired. Of more than a thousand the oldest are left out.
func (h *History) Task(ctx context.Context, id string) ([]Record, error) {
	return h.store.Task(ctx, id)
}

// List returns up to limit records that match a filter, the last written first, from the
// cursor of the page before ("" for the first page). next is the cursor of the next page,
// and empty behind the last. A page may be shorter than limit, or empty, although there
// is a next one: a long history is looked through part by part. The error wraps ErrCursor
// if there is no such cursor.
func (h *History) List(ctx context.Context, f Filter, cursor string, limit int) (page []Record, next string, err error) {
	return h.store.List(ctx, f, cursor, limit)
}

// Stats sums up the records that match a filter: counts and percentiles of each type, in
// the order of their names. It reads all of them, so bound it by Filter.Since, and keep
// what it returns for a while where many look at it.
func (h *History) Stats(ctx context.Context, f Filter) ([]TypeStats, error) {
	return h.store.Stats(ctx, f)
}
