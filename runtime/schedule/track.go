package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
)

const (
	// progressEvery bounds how often the progress of one handler is noted.
	progressEvery = 500 * time.Millisecond
	// noteWithin is how long a handler may be held up by a store that is away.
	noteWithin = 2 * time.Second
)

// Track returns a middleware for the router of workers that notes in the store
// what becomes of jobs' tasks, for Status: two writes for each run of such a task,
// and at most two a second for its progress (runtime.Progress). Other tasks
// cost nothing. worker names the process. A store that is away holds up a task
// for some seconds and no more; the logger hears of it (nil: slog.Default, as it
// is then).
func Track(store Store, worker string, log *slog.Logger) runtime.Middleware {
	return func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
			if t.Metadata[MetaJob] == "" {
				return next.Handle(ctx, t)
			}
			r := &tracked{ctx: context.WithoutCancel(ctx), store: store, log: log, id: JobID(t.Metadata[MetaJob])}
			r.run = Run{TaskID: t.ID, State: Running, Attempts: t.RetryCount + 1, Worker: worker, Started: time.Now()}
			r.run.Due, _ = time.Parse(time.RFC3339Nano, t.Metadata[MetaFiring])
			return r.handle(ctx, next, t)
		})
	}
}

// A tracked is one run of a job's task.
type tracked struct {
	ctx   context.Context // outlives the handler's: what became of it is noted after its end
	store Store
	log   *slog.Logger // nil: slog.Default
	id    JobID

	mu    sync.Mutex
	run   Run
	noted time.Time // when progress was noted last
}

func (r *tracked) handle(ctx context.Context, next runtime.Handler, t *runtime.Task) (err error) {
	r.note(r.run)
	returned := false
	defer func() {
		if returned {
			return
		}
		// A panic, or the end of the goroutine: it goes on to the pool, which retries.
		if v := recover(); v != nil {
			r.end(ctx, fmt.Errorf("%w: %v", runtime.ErrPanic, v))
			panic(v)
		}
		r.end(ctx, errors.New("the handler ended its goroutine"))
	}()
	err = next.Handle(runtime.WithProgress(ctx, r.progress), t)
	returned = true
	r.end(ctx, err)
	return err
}

// states are where a job stands after each outcome. An abandoned run is another
// worker's to tell about.
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
	run := r.run
	r.mu.Unlock()
	r.note(run)
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
func (r *tracked) progress(p runtime.ProgressReport) {
	r.mu.Lock()
	r.run.Progress = p
	run, due := r.run, time.Since(r.noted) >= progressEvery && r.run.State == Running
	if due {
		r.noted = time.Now()
	}
	r.mu.Unlock()
	if due {
		r.note(run)
	}
}

func (r *tracked) note(run Run) {
	ctx, cancel := context.WithTimeout(r.ctx, noteWithin)
	defer cancel()
	if err := r.store.Note(ctx, r.id, run); err != nil {
		cmp.Or(r.log, slog.Default()).Warn("the status of a job could not be noted", slog.String("job", string(r.id)), slog.String("task", run.TaskID), slog.Any("error", err))
	}
}
