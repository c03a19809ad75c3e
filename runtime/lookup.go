package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/redact"
)

// A TaskStatus is what is known of a task. It prints without its result, which may hold
// secrets.
type TaskStatus struct {
	ID    string
	Type  string // empty if only the outcome is known
	Queue string // likewise
	State driver.State
	// Attempts counts the charged runs so far, the current one included. 0 if unknown.
	Attempts int
	// DueAt is when a ready task became due, or when a scheduled one becomes due: the
	// next try of a failed task. Zero in other states.
	DueAt time.Time
	// Failure is why the task died, or why its last run failed.
	Failure string
	// Progress is what the current run has reported, for the task of a job whose
	// workers use schedule.Track.
	Progress driver.ProgressReport
	// Result is what the handler returned, as it is stored; see ManagerConfig.Results.
	// Nil where State is not Done, and for types without a result.
	Result []byte
}

// LogValue is the status as a log may show it: with the size of its result only.
func (s TaskStatus) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", s.ID), slog.String("type", s.Type), slog.String("queue", s.Queue), slog.String("state", string(s.State)),
		slog.Int("attempts", s.Attempts), slog.Time("due_at", s.DueAt), slog.String("failure", s.Failure),
		slog.Int64("done", s.Progress.Done), slog.Int64("total", s.Progress.Total), slog.Int("result_bytes", len(s.Result)),
	)
}

// String is what LogValue shows, as text.
func (s TaskStatus) String() string {
	return "runtime.TaskStatus" + string(redact.AppendText(nil, s.LogValue()))
}

// Format prints what String returns for every verb.
func (s TaskStatus) Format(f fmt.State, verb rune) { redact.Format(f, verb, s) }

// MarshalJSON writes all fields, but LogValue's content for a log.
func (s TaskStatus) MarshalJSON() ([]byte, error) {
	type plain TaskStatus
	return redact.Marshal(&s, (*plain)(&s))
}

// A Teller knows tasks that no queue shows: a schedule.Service knows those of its jobs.
type Teller interface {
	// Tell returns the status of a task, and false if it does not know the task. task is
	// the one with the ID that a queue has shown, or nil.
	Tell(ctx context.Context, id string, task *Task) (TaskStatus, bool, error)
}

// tellers are the Tellers that a manager asks, each under its own key.
type tellers struct {
	mu  sync.Mutex
	all []keyedTeller
}

type keyedTeller struct {
	key any
	Teller
}

// Tells makes Lookup ask t instead of the Teller given earlier with the same key.
func (m *Manager) Tells(key any, t Teller) {
	m.tellers.mu.Lock()
	defer m.tellers.mu.Unlock()
	same := func(k keyedTeller) bool {
		return key != nil && reflect.TypeOf(key).Comparable() && k.key == key
	}
	m.tellers.all = append(slices.DeleteFunc(m.tellers.all, same), keyedTeller{key, t})
}

// tell returns the answer of the first Teller that knows the task.
func (m *Manager) tell(ctx context.Context, id string, task *Task) (TaskStatus, bool, error) {
	m.tellers.mu.Lock()
	all := slices.Clone(m.tellers.all)
	m.tellers.mu.Unlock()
	for _, t := range all {
		if s, ok, err := t.Tell(ctx, id, task); ok || err != nil {
			return s, ok, err
		}
	}
	return TaskStatus{}, false, nil
}

// Lookup returns where a task is and its outcome. It does not wait. It asks the open
// queues that are Finders, then the result stores that the manager knows (see Revive),
// then the job stores of its schedulers, which scan their jobs for it. If a task has
// died more than once under its ID, Lookup reports the last death.
//
// The error wraps ErrTaskNotFound if none of them knows the ID. The task may then be
// done, without a result or with an expired one, or wait on a queue that is no Finder
// (SQS, RabbitMQ).
func (m *Manager) Lookup(ctx context.Context, id string) (TaskStatus, error) {
	s, err := m.lookup(ctx, id)
	if err != nil {
		return TaskStatus{}, fmt.Errorf("look up task %s: %w", id, err)
	}
	return s, nil
}

func (m *Manager) lookup(ctx context.Context, id string) (TaskStatus, error) {
	found, queue, unsearchable, err := m.find(ctx, id)
	if err != nil {
		return TaskStatus{}, err
	}
	if found != nil {
		s := statusOf(found, queue)
		if s.State != driver.Leased || found.Task.Metadata == nil {
			return s, nil
		}
		status, ok, err := m.tell(ctx, id, found.Task)
		if ok && status.State == driver.Leased && status.Attempts == s.Attempts {
			s.Progress = status.Progress
		}
		return s, err
	}
	for _, k := range m.resultStores.keepers() {
		last, err := peekOutcomes(ctx, k, []string{id})
		if err != nil {
			return TaskStatus{}, err
		}
		for _, r := range last.rs {
			if r.Failure != "" {
				return TaskStatus{ID: id, State: driver.Dead, Failure: r.Failure}, nil
			}
			return TaskStatus{ID: id, State: driver.Done, Result: r.Result}, nil
		}
	}
	if status, ok, err := m.tell(ctx, id, nil); ok || err != nil {
		return status, err
	}
	if len(unsearchable) > 0 {
		return TaskStatus{}, fmt.Errorf("%w: queues %q cannot look for it, and no result or job has it", ErrTaskNotFound, unsearchable)
	}
	return TaskStatus{}, fmt.Errorf("%w: no queue, result or job has this ID", ErrTaskNotFound)
}

// find looks for a task on the open queues: a live one first, else the last one that
// died. unsearchable are the queues that cannot be searched.
func (m *Manager) find(ctx context.Context, id string) (found *driver.Found, queue string, unsearchable []string, err error) {
	names := m.Queues()
	deadQueues := make(map[string]bool) // dead letter queues, which are searched last
	for _, name := range names {
		if q, err := m.Queue(name); err == nil {
			deadQueues[q.Config().DLQ] = true
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return btoi(deadQueues[a]) - btoi(deadQueues[b]) })
	for _, name := range names {
		q, err := m.Queue(name)
		if err != nil || deadQueues[name] && found != nil {
			continue // closed meanwhile, or a dead task is already found
		}
		f, ok := q.(driver.Finder)
		if !ok {
			unsearchable = append(unsearchable, name)
			continue
		}
		all, err := f.Find(ctx, id)
		if err != nil {
			return nil, "", nil, fmt.Errorf("queue %q: %w", name, err)
		}
		for _, x := range all {
			if x.State != driver.Dead {
				return &x, name, nil, nil
			}
			if found == nil || !diedAt(x.Task).Before(diedAt(found.Task)) {
				found, queue = &x, name
			}
		}
	}
	return found, queue, unsearchable, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// diedAt is when a dead task died.
func diedAt(t *Task) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, t.Metadata[driver.MetaFailedAt])
	return at
}

// statusOf is the status that the task itself shows.
func statusOf(f *driver.Found, queue string) TaskStatus {
	t := f.Task
	s := TaskStatus{ID: t.ID, Type: t.Type, Queue: queue, State: f.State, Attempts: t.RetryCount, DueAt: f.DueAt}
	switch f.State {
	case driver.Dead:
		s.Attempts, _ = strconv.Atoi(t.Metadata[driver.MetaAttempts])
		s.Failure = t.Metadata[driver.MetaFailureReason]
		return s
	case driver.Leased:
		s.Attempts++
	}
	if line := t.Metadata[driver.MetaAttemptPrefix+strconv.Itoa(t.RetryCount)]; line != "" {
		_, s.Failure, _ = strings.Cut(line, ": ")
	}
	return s
}
