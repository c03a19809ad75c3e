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
	// noteWithin bounds one write.
	noteWithin = 2 * time.Second
	// endWithin is how long a task waits after its run for its last note, if the store
	// answers.
	endWithin = time.Second
	// awayFor is how long no task waits for a store that did not take a note within
	// awayAfter.
	awayAfter = 200 * time.Millisecond
	awayFor   = 10 * time.Second
	// notesAtOnce bounds the concurrent writes. Notes beyond that are dropped.
	notesAtOnce = 256
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
	tr := &tracker{store: store, log: log, room: make(chan struct{}, notesAtOnce)}
	return func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
			if t.Metadata[MetaJob] == "" {
				return next.Handle(ctx, t)
			}
			r := &tracked{tracker: tr, ctx: context.WithoutCancel(ctx), id: JobID(t.Metadata[MetaJob])}
			r.run = Run{TaskID: t.ID, State: Running, Attempts: t.RetryCount + 1, Worker: worker, Started: time.Now()}
			r.run.Due, _ = time.Parse(time.RFC3339Nano, t.Metadata[MetaFiring])
			return r.handle(ctx, next, t)
		})
	}
}

// A tracker is the state that the runs of a middleware share.
type tracker struct {
	store Store
	log   *slog.Logger  // nil: slog.Default
	room  chan struct{} // has an element for each write in progress
	since atomic.Int64  // when the store last did not answer, in Unix nanoseconds; 0: it did
}

// away reports whether tasks are not to wait for the store.
func (tr *tracker) away() bool {
	at := tr.since.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < awayFor
}

func (tr *tracker) missed() { tr.since.Store(time.Now().UnixNano()) }

// put writes one note.
func (tr *tracker) put(ctx context.Context, id JobID, run Run) {
	began, err := time.Now(), errors.New("too many notes wait for the store")
	select {
	case tr.room <- struct{}{}:
		err = tr.note(ctx, id, run)
		<-tr.room
	default:
	}
	if err == nil {
		tr.since.Store(0)
		return
	}
	if time.Since(began) >= awayAfter {
		tr.missed()
	}
	cmp.Or(tr.log, slog.Default()).Warn("cannot record the status of a job", slog.String("job", string(id)), slog.String("task", run.TaskID), slog.Any("error", err))
}

func (tr *tracker) note(ctx context.Context, id JobID, run Run) (err error) {
	ctx, cancel := context.WithTimeout(ctx, noteWithin)
	defer cancel()
	defer func() { // nothing else recovers a panic in this goroutine
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", runtime.ErrPanic, v)
		}
	}()
	return tr.store.Note(ctx, id, run)
}

// A tracked is one run of a job's task.
type tracked struct {
	*tracker
	ctx context.Context // outlives the handler's: the outcome is noted after its end
	id  JobID

	mu      sync.Mutex
	run     Run
	told    time.Time     // when progress was last to be noted
	pending bool          // run is to be noted
	written chan struct{} // closed when nothing is pending; nil: nothing is
}

func (r *tracked) handle(ctx context.Context, next runtime.Handler, t *runtime.Task) (err error) {
	if !r.away() {
		r.mu.Lock()
		r.noteSoon()
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
}

func (r *tracked) end(ctx context.Context, err error) {
	state, ok := states[runtime.OutcomeOf(ctx, err)]
	if !ok {
		return
	}
	r.mu.Lock()
	r.run.State, r.run.Ended = state, time.Now()
	if err != nil {
		r.run.Error = clip(err.Error())
	}
	if state == Enqueued {
		r.run.Progress = driver.ProgressReport{} // the next run starts over
	}
	written := r.noteSoon()
	r.mu.Unlock()
	if r.away() {
		return
	}
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
		r.missed()
	}
}

// maxError is how much of an error's text a status keeps, in bytes.
const maxError = 2000

func clip(s string) string {
	if len(s) <= maxError {
		return s
	}
	return s[:maxError] + "…"
}

// progress is called by the handler.
func (r *tracked) progress(p driver.ProgressReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run.State != Running {
		return // from a goroutine that outlived its handler
	}
	r.run.Progress = p
	if time.Since(r.told) >= progressEvery && !r.away() {
		r.told = time.Now()
		r.noteSoon()
	}
}

// noteSoon queues a note of the run, which is written as it is at that time, and
// returns a channel that is closed then. r.mu is held.
func (r *tracked) noteSoon() <-chan struct{} {
	r.pending = true
	if r.written == nil {
		r.written = make(chan struct{})
		go r.write()
	}
	return r.written
}

// write writes notes, one after another, until none is pending.
func (r *tracked) write() {
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
		r.put(r.ctx, r.id, run)
	}
}
