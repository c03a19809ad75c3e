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
	// inboxEvery is how often a process reads an inbox that was empty: once for
	// many round trips. One that waits reads it every recheck.
	inboxEvery = time.Second
	// inboxTimeout bounds reading it.
	inboxTimeout = 5 * time.Second
	// rejectedMark begins the value that stands on a queue for an envelope that the queue
	// does not take, until it is buried: why, the same character, the envelope. No
	// envelope begins so.
	rejectedMark = "\x00"
	// maxReason clips the reason.
	maxReason = 1000
)

// drainInbox takes envelopes out of the inbox, as many as one script takes. Failures are
// logged and retried: they block nothing.
func (q *queue) drainInbox(ctx context.Context) {
	ks := q.keyspace
	last := ks.inboxReadAt.Load()
	if now := time.Now().UnixNano(); now-last < int64(inboxEvery) || !ks.inboxReadAt.CompareAndSwap(last, now) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, inboxTimeout)
	defer cancel()
	var more bool
	values, err := q.readInbox(ctx)
	if err == nil && len(values) > 0 {
		more, err = q.enqueueFromInbox(ctx, values)
	}
	if more {
		ks.inboxReadAt.Store(0) // the next poll takes what is left
	}
	if err != nil && ctx.Err() == nil && q.p.ctx.Err() == nil {
		q.p.logger().WarnContext(ctx, "redis: envelopes stay in the inbox for now", slog.String("queue", q.cfg.Name), slog.String("key", ks.key(keyInbox)), slog.Any("error", err))
	}
}

// readInbox reads the first values of the inbox.
func (q *queue) readInbox(ctx context.Context) ([]any, error) {
	reply, err := q.keyspace.run(ctx, q.keyspace.newCall(opInbox, 2).add(maxScriptTasks, maxScriptBytes))
	if err != nil {
		return nil, err
	}
	values, ok := reply.([]any)
	if !ok {
		return nil, errReply
	}
	return values, nil
}

// enqueueFromInbox takes values that are still in the inbox, and puts their tasks on the
// queue. more is true if all of them fitted: there may be others.
func (q *queue) enqueueFromInbox(ctx context.Context, values []any) (more bool, _ error) {
	ks := q.keyspace
	c := ks.newCall(opAdopt, 2+7*len(values)).add(len(values), q.cfg.Capacity)
	for _, v := range values {
		e := q.inboxEntry(text(v))
		due := int64(0)
		if !e.task.ScheduledFor.IsZero() {
			due = max(unixMillis(e.task.ScheduledFor), 0)
		}
		c.add(v, e.id, e.envelope, due, ks.levelOrGroup(e.task), e.key, durationMillis(e.task.UniqueFor))
	}
	reply, err := ks.run(ctx, c)
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

// inboxEntry is the queue entry for a value of the inbox. A value that is no envelope, or
// none for this queue, also goes on the queue: the worker that gets it buries it.
func (q *queue) inboxEntry(value string) entry {
	task, err := driver.DecodeEnvelope(bytesOf(value))
	if err != nil {
		return entry{task: new(driver.Task), id: "inbox-" + uuid.NewString(), envelope: value}
	}
	var failed driver.BatchError
	if entries, _ := q.encode([]*driver.Task{task}, 0, time.Now(), &failed); len(entries) == 1 {
		return entries[0]
	}
	why := strings.ReplaceAll(failed.Items[0].Err.Error(), rejectedMark, "")
	why = strings.ToValidUTF8(why[:min(len(why), maxReason)], "")
	return entry{task: new(driver.Task), id: "inbox-" + uuid.NewString(), envelope: rejectedMark + why + rejectedMark + value}
}

// parseRejected reads a value that represents an envelope which its queue does not take.
func parseRejected(value string) (envelope string, why error, ok bool) {
	rest, ok := strings.CutPrefix(value, rejectedMark)
	if !ok {
		return "", nil, false
	}
	text, envelope, ok := strings.Cut(rest, rejectedMark)
	return envelope, errors.New(text), ok
}
