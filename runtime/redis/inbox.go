package redis

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Programs in other languages put envelopes into the inbox of a queue, a list: what
// the provider keeps beside an envelope is its own affair. Workers take them out as
// if they had come by Enqueue.

const (
	// inboxEvery is how often a process looks into an inbox that was empty: once for
	// many round trips. One that waits looks every recheck.
	inboxEvery = time.Second
	// inboxWait bounds a look into it.
	inboxWait = 5 * time.Second
	// misfit begins the value that stands on a queue for an envelope that the queue
	// does not take, until it is buried: why, the same character, the envelope. No
	// envelope begins so.
	misfit = "\x00"
	// maxWhy clips the reason.
	maxWhy = 1000
)

// adopt takes envelopes out of the inbox, as many as one script takes. Failures are
// logged and retried: they block nothing.
func (q *queue) adopt(ctx context.Context) {
	l := q.lane
	last := l.adopted.Load()
	if now := time.Now().UnixNano(); now-last < int64(inboxEvery) || !l.adopted.CompareAndSwap(last, now) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, inboxWait)
	defer cancel()
	var more bool
	values, err := q.strangers(ctx)
	if err == nil && len(values) > 0 {
		more, err = q.admit(ctx, values)
	}
	if more {
		l.adopted.Store(0) // the next look takes what is left
	}
	if err != nil && ctx.Err() == nil && q.p.ctx.Err() == nil {
		q.p.logger().WarnContext(ctx, "redis: envelopes stay in the inbox for now", slog.String("queue", q.cfg.Name), slog.String("key", l.key(keyInbox)), slog.Any("error", err))
	}
}

// strangers reads the first values of the inbox.
func (q *queue) strangers(ctx context.Context) ([]any, error) {
	reply, err := q.lane.run(ctx, q.lane.newCall(opInbox, 2).add(chunk, bulk))
	if err != nil {
		return nil, err
	}
	values, ok := reply.([]any)
	if !ok {
		return nil, errReply
	}
	return values, nil
}

// admit takes values that are still in the inbox, and puts their tasks on the queue.
// more is true if all of them fitted: there may be others.
func (q *queue) admit(ctx context.Context, values []any) (more bool, _ error) {
	l := q.lane
	c := l.newCall(opAdopt, 2+7*len(values)).add(len(values), q.cfg.Capacity)
	for _, v := range values {
		e := q.entry(text(v))
		due := int64(0)
		if !e.task.ScheduledFor.IsZero() {
			due = max(millis(e.task.ScheduledFor), 0)
		}
		c.add(v, e.id, e.envelope, due, l.place(e.task), e.key, span(e.task.UniqueFor))
	}
	reply, err := l.run(ctx, c)
	if err != nil {
		return false, err
	}
	codes, ok := reply.([]any)
	if !ok || len(codes) == 0 || len(codes) > len(values) {
		return false, errReply
	}
	last := codes[len(codes)-1]
	return last != int64(2) && last != int64(3), nil // else there is no room for now
}

// entry is the queue entry for a value of the inbox. A value that is no envelope, or
// none for this queue, also goes on the queue: the worker that gets it buries it.
func (q *queue) entry(value string) entry {
	task, err := driver.DecodeEnvelope(bytesOf(value))
	if err != nil {
		return entry{task: new(driver.Task), id: "inbox-" + uuid.NewString(), envelope: value}
	}
	var failed driver.BatchError
	if entries, _ := q.encode([]*driver.Task{task}, 0, time.Now(), &failed); len(entries) == 1 {
		return entries[0]
	}
	why := strings.ReplaceAll(failed.Items[0].Err.Error(), misfit, "")
	why = strings.ToValidUTF8(why[:min(len(why), maxWhy)], "")
	return entry{task: new(driver.Task), id: "inbox-" + uuid.NewString(), envelope: misfit + why + misfit + value}
}

// refused marks the value that represents an envelope which its queue does not take.
func refused(value string) (envelope string, why error, ok bool) {
	rest, ok := strings.CutPrefix(value, misfit)
	if !ok {
		return "", nil, false
	}
	text, envelope, ok := strings.Cut(rest, misfit)
	return envelope, errors.New(text), ok
}
