package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// progressEvery bounds how often the progress of one handler is noted.
	progressEvery = 500 * time.Millisecond
	// noteTimeout bounds one write.
	noteTimeout = 2 * time.Second
	// lastNoteTimeout is how long a task waits after its run for its last note, if the store
	// answers.
	lastNoteTimeout = time.Second
	// unavailableFor is how long no task waits for a store that did not take a note within
	// unavailableAfter.
	unavailableAfter = 200 * time.Millisecond
	unavailableFor   = 10 * time.Second
	// maxConcurrentNotes bounds the concurrent writes. Notes beyond that are dropped.
	maxConcurrentNotes = 256
)

// Track returns a middleware for the router of workers that records the outcomes of jobs'
// tasks in the store, for Status: two writes for each run of such a task, and at most two
// per second for its progress (runtime.Progress). Other tasks cost nothing. worker names
// the process.
//
// Handlers do not wait for the store: notes are written in the background, the newest of
// each run. After its handler has returned a task waits for the last note, at most a
// second, and not at all in the 10 s after a note that the store did not answer. Failed
// notes are logged to log (nil: slog.Default at that time).
func Track(store Store, worker string, log *slog.Logger) runtime.Middleware {
	tr := &tracker{store: store, log: log, writeSlots: make(chan struct{}, maxConcurrentNotes)}
	return func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
			if t.Metadata[MetaJob] == "" {
				return next.Handle(ctx, t)
			}
			r := &trackedRun{tracker: tr, ctx: context.WithoutCancel(ctx), id: JobID(t.Metadata[MetaJob])}
			r.run = Run{TaskID: t.ID, State: Running, Attempts: t.RetryCount + 1, Worker: worker, Started: time.Now()}
			r.run.Due, _ = time.Parse(time.RFC3339Nano, t.Metadata[MetaFiring])
			return r.handle(ctx, next, t)
		})
	}
}

// A tracker is the state that the runs of a middleware share.
type tracker struct {
	store            Store
	log              *slog.Logger  // nil: slog.Default
	writeSlots       chan struct{} // has an element for each write in progress
	unavailableSince atomic.Int64  // when the store last did not answer, in Unix nanoseconds; 0: it did
}

// unavailable reports whether tasks are not to wait for the store.
func (tr *tracker) unavailable() bool {
	at := tr.unavailableSince.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < unavailableFor
}

func (tr *tracker) markUnavailable() { tr.unavailableSince.Store(time.Now().UnixNano()) }

// writeNote writes one note.
func (tr *tracker) writeNote(ctx context.Context, id JobID, run Run) {
	began, err := time.Now(), errors.New("too many notes wait for the store")
	select {
	case tr.writeSlots <- struct{}{}:
		err = tr.note(ctx, id, run)
		<-tr.writeSlots
	default:
	}
	if err == nil {
		tr.unavailableSince.Store(0)
		return
	}
	if time.Since(began) >= unavailableAfter {
		tr.markUnavailable()
	}
	cmp.Or(tr.log, slog.Default()).Warn("cannot record the status of a job", slog.String("job", string(id)), slog.String("task", run.TaskID), slog.Any("error", err))
}

func (tr *tracker) note(ctx context.Context, id JobID, run Run) (err error) {
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	defer func() { // nothing else recovers a panic in this goroutine
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", runtime.ErrPanic, v)
		}
	}()
	return tr.store.Note(ctx, id, run)
}

// A trackedRun is one run of a job's task.
type trackedRun struct {
	*tracker
	ctx context.Context // outlives the handler's: the outcome is noted after its end
	id  JobID

	mu         sync.Mutex
	run        Run
	progressAt time.Time     // when progress was last to be noted
	pending    bool          // run is to be noted
	written    chan struct{} // closed when nothing is pending; nil: nothing is
}

func (r *trackedRun) handle(ctx context.Context, next runtime.Handler, t *runtime.Task) (err error) {
	if !r.unavailable() {
		r.mu.Lock()
		r.queueNote()
		r.mu.Unlock()
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		// A panic, or the end of the goroutine: it reaches the pool, which retries.
		if v := recover(); v != nil {
			r.end(ctx, fmt.Errorf("%w: %v", runtime.ErrPanic, v))
			panic(v)
		}
		r.end(ctx, errors.New("the handler ended its goroutine"))
	}()
	err = next.Handle(driver.WithProgress(ctx, r.progress), t)
	returned = true
	r.end(ctx, err)
	return err
}

// states are the states of a job after each outcome. The next worker reports on an
// abandoned run.
var states = map[runtime.Outcome]State{
	runtime.Completed: Succeeded, runtime.Retried: Failed, runtime.Died: Dead,
	runtime.Snoozed: Enqueued, runtime.Released: Enqueued,
	driver.Cancelled: Failed, // its run, not the job
}

func (r *trackedRun) end(ctx context.Context, err error) {
	state, ok := states[runtime.OutcomeOf(ctx, err)]
	if !ok {
		return
	}
	r.mu.Lock()
	r.run.State, r.run.Ended = state, time.Now()
	if err != nil {
		r.run.Error = truncate(err.Error())
	}
	if state == Enqueued {
		r.run.Progress = driver.ProgressReport{} // the next run starts over
	}
	written := r.queueNote()
	r.mu.Unlock()
	if r.unavailable() {
		return
	}
	timer := time.NewTimer(lastNoteTimeout)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
		r.markUnavailable()
	}
}

// maxError is how much of an error's text a status keeps, in bytes.
const maxError = 2000

func truncate(s string) string {
	if len(s) <= maxError {
		return s
	}
	return s[:maxError] + "…"
}

// progress is called by the handler.
func (r *trackedRun) progress(p driver.ProgressReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run.State != Running {
		return // from a goroutine that outlived its handler
	}
	r.run.Progress = p
	if time.Since(r.progressAt) >= progressEvery && !r.unavailable() {
		r.progressAt = time.Now()
		r.queueNote()
	}
}

// queueNote queues a note of the run, which is written as it is at that time, and
// returns a channel that is closed then. r.mu is held.
func (r *trackedRun) queueNote() <-chan struct{} {
	r.pending = true
	if r.written == nil {
		r.written = make(chan struct{})
		go r.writeLoop()
	}
	return r.written
}

// writeLoop writes notes, one after another, until none is pending.
func (r *trackedRun) writeLoop() {
	for {
		r.mu.Lock()
		if !r.pending {
			close(r.written)
			r.written = nil
			r.mu.Unlock()
			return
		}
		r.pending = false
		run := r.run
		r.mu.Unlock()
		r.writeNote(r.ctx, r.id, run)
	}
}
