package driver

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Metadata keys that the runtime writes into a task that failed.
const (
	MetaFailureReason = "failure_reason" // the last error's text
	MetaFailedAt      = "failed_at"      // when the task died, RFC 3339
	MetaOriginalQueue = "original_queue" // the queue that the task died on
	MetaAttempts      = "attempts"       // charged runs until it died
	MetaRedrivenFrom  = "redriven_from"  // the dead letter queue it came back from
	MetaRedriveCount  = "redrive_count"  // how often it came back
	// MetaAttemptPrefix and the attempt's number, from 1, hold a line for each
	// failed run: when, how long, by which worker, and the error:
	//
	//	2026-03-01T10:00:00.000000005Z took 1.235ms on mailer-1-4711: no answer
	MetaAttemptPrefix = "attempt_"
	// MetaStackPrefix and the attempt's number hold the stack of a run that
	// panicked.
	MetaStackPrefix = "stack_"
	// MetaClaimed says which redrive has claimed a dead task in a store to enqueue it,
	// and until when. See package dlq.
	MetaClaimed = "taskgen.claimed"
	// MetaUnknown is when a worker first received a task of a type or a shape that it does
	// not know. A redrive removes it, and so does a worker that knows both.
	MetaUnknown = "taskgen.unknown"
	// MetaDue is when a released task becomes due again, RFC 3339, on queues with a
	// retention: not every provider keeps ScheduledFor.
	MetaDue = "taskgen.due"
)

// Bounds that keep the metadata of a task that fails often small.
const (
	maxReason         = 4 << 10 // bytes of failure_reason
	maxAttemptLine    = 512     // bytes of one attempt's line
	maxAttemptsInMeta = 20      // lines that are kept: the newest
	maxWorker         = 64      // bytes of a worker's name
	maxStack          = 4 << 10 // bytes of one stack
	maxStacksInMeta   = 3       // stacks that are kept: those of the newest runs
)

// RecordAttempt writes the line of one failed run into the task's metadata, and the stack
// if the run panicked. worker names the process that ran it; with "" the line leaves it
// out.
func RecordAttempt(t *Task, attempt int, worker string, at time.Time, took time.Duration, cause error) {
	stack := PanicStack(cause)
	line := at.UTC().Format(time.RFC3339Nano) + " took " + took.Round(time.Microsecond).String()
	if worker != "" {
		line += " on " + workerName(worker)
	}
	SetMeta(t, MetaAttemptPrefix+strconv.Itoa(attempt), clip(line+": "+oneLine(cause.Error()), maxAttemptLine))
	delete(t.Metadata, MetaAttemptPrefix+strconv.Itoa(attempt-maxAttemptsInMeta))
	if stack != "" {
		SetMeta(t, MetaStackPrefix+strconv.Itoa(attempt), clip(stack, maxStack))
	}
	delete(t.Metadata, MetaStackPrefix+strconv.Itoa(attempt-maxStacksInMeta))
}

// workerName returns a name without the characters that would end it in a line.
func workerName(s string) string {
	return clip(strings.Map(func(c rune) rune {
		if c == ':' || unicode.IsSpace(c) {
			return '-'
		}
		return c
	}, s), maxWorker)
}

// RecordDeath writes into the metadata why, when and where the task died. The pool calls it
// before Queue.DeadLetter.
func RecordDeath(t *Task, queue string, at time.Time, cause error) {
	SetMeta(t, MetaFailureReason, clip(cause.Error(), maxReason))
	SetMeta(t, MetaFailedAt, at.UTC().Format(time.RFC3339Nano))
	SetMeta(t, MetaOriginalQueue, queue)
	SetMeta(t, MetaAttempts, strconv.Itoa(t.RetryCount+lastRun(cause)))
}

// lastRun is 1 when a task died by a run that failed, 0 when it died without
// one.
func lastRun(cause error) int {
	if errors.Is(cause, ErrTaskExpired) || errors.Is(cause, ErrMaxDeliveries) ||
		errors.Is(cause, ErrUnknownType) || errors.Is(cause, ErrUnknownShape) {
		return 0
	}
	return 1
}

// ClearDeath makes a dead task ready to run again. Every provider's Redrive calls it before
// it puts the task back. The reason of the death stays in the metadata; the lines and
// stacks of the runs are removed, because their numbers start again at 1.
func ClearDeath(t *Task, from string) {
	maps.DeleteFunc(t.Metadata, func(key, _ string) bool { return isAttempt(key) })
	n, _ := strconv.Atoi(t.Metadata[MetaRedriveCount])
	SetMeta(t, MetaRedriveCount, strconv.Itoa(n+1))
	SetMeta(t, MetaRedrivenFrom, from)
	delete(t.Metadata, MetaUnknown)
	delete(t.Metadata, MetaClaimed)
	t.RetryCount = 0
	t.ScheduledFor = time.Time{}
}

func isAttempt(key string) bool {
	number, ok := strings.CutPrefix(key, MetaAttemptPrefix)
	if !ok {
		number, ok = strings.CutPrefix(key, MetaStackPrefix)
	}
	n, err := strconv.Atoi(number)
	return ok && err == nil && n > 0
}

// SetMeta sets one entry of the task's metadata.
func SetMeta(t *Task, key, value string) {
	if t.Metadata == nil {
		t.Metadata = make(map[string]string, 8)
	}
	t.Metadata[key] = value
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// clip cuts s to at most n bytes at a rune's start and makes it valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
