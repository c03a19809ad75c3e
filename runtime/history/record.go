package history

import (
	"errors"
	"strings"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/observe"
)

// recordOf is the record of a run that has ended. Its times are those of the clock that
// stamps tasks. The texts of a task may be parts of its envelope, which a record must not
// keep in memory.
func recordOf(r *observe.Run) Record {
	t := r.Task
	rec := Record{
		TaskID: strings.Clone(t.ID), Type: r.Type, Queue: r.Queue.Name, Worker: r.Worker,
		EnqueuedAt: t.CreatedAt, EndedAt: r.At.Add(r.Took), Crashes: r.Crashes, Outcome: r.Outcome,
	}
	text, ran := describe(r)
	rec.Error = text
	if !ran {
		rec.Type = strings.Clone(r.Type) // that of the task, if no handler has it
		return rec
	}
	rec.StartedAt, rec.Attempt = r.At, r.Attempt
	if r.Attempt == 1 && r.Crashes == 0 && t.Metadata[driver.MetaRedriveCount] == "" {
		rec.DueAt = t.DueAt()
	}
	return rec
}

// unrun is the record of a task that was cancelled before it began.
func unrun(s *observe.Settlement, it *observe.Settled) Record {
	return Record{
		TaskID: strings.Clone(it.Task.ID), Type: strings.Clone(it.Task.Type), Queue: s.Queue.Name, Worker: s.Worker,
		EnqueuedAt: it.Task.CreatedAt, EndedAt: s.Began.Add(s.Took), Outcome: it.Outcome, Error: driver.ErrCancelled.Error(),
	}
}

// lastWords are the errors of tasks that die without a run.
var lastWords = [...]error{driver.ErrTaskExpired, driver.ErrMaxDeliveries, driver.ErrUnknownType, driver.ErrUnknownShape}

// describe returns the text of a run's error, and whether a handler began. Methods of errors
// may panic, as those of nil pointers do, and a listener must not.
func describe(r *observe.Run) (text string, ran bool) {
	if r.Err == nil {
		return "", true
	}
	text, ran = "an error whose methods panic", true
	defer func() { _ = recover() }()
	text = clip(r.Err.Error())
	if r.Outcome == driver.Died {
		for _, err := range lastWords {
			if errors.Is(r.Err, err) {
				return text, false
			}
		}
	}
	return text, true
}

// clip cuts a text to historystore.MaxError bytes, and makes it valid UTF-8.
func clip(s string) string {
	if len(s) > historystore.MaxError {
		s = s[:historystore.MaxError-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
