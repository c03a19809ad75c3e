package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// maxScriptTasks is how many tasks one script takes. It then blocks the server's one
	// thread for about a millisecond at most.
	maxScriptTasks = 256
	// maxScriptBytes is how many bytes of envelopes one script takes or reads, or one
	// larger task, for the same reason: 1 MB takes Redis 4 ms.
	maxScriptBytes = 512 << 10
	// large is the envelope size from which a queue is marked as having large tasks.
	// The scripts contain the number too. 256 smaller envelopes are at most 4 MB.
	large = 16 << 10
	// maxTripBytes is how many bytes of envelopes one round trip sends, or one larger
	// task, so that a slow network delivers it before the client gives up.
	maxTripBytes = 2 * maxScriptBytes
	// maxPageBytes is how many bytes of envelopes one page of Browse has.
	maxPageBytes = 16 << 20
	// maxEnvelope is what fits a reply and an argument of Redis: 512 MB, with the
	// default proto-max-bulk-len.
	maxEnvelope = 512 << 20
	// maxPayload leaves room for the rest of an envelope.
	maxPayload = maxEnvelope - 64<<20
	// lateness is how long timers and round trips take on an idle machine, with a
	// margin.
	lateness = 20 * time.Millisecond
)

// An entry is one task to enqueue.
type entry struct {
	index    int // in the batch
	task     *driver.Task
	envelope string
	plain    bool   // due, without a unique key, and not large
	id, key  string // copies: a call may outlive the Enqueue, and the caller keeps the task
}

// encode checks tasks and encodes the valid ones, from an index on, up to the size of a
// round trip. It returns the index of the first task left over.
func (q *queue) encode(tasks []*driver.Task, from int, now time.Time, failed *driver.BatchError) (entries []entry, next int) {
	entries = make([]entry, 0, min(len(tasks)-from, maxTripBytes/envelopeOverhead))
	var buffer []byte
	for i, size := from, 0; i < len(tasks); i++ {
		if size > 0 && size+len(tasks[i].Payload) > maxTripBytes {
			return entries, i
		}
		t := tasks[i]
		if t.Queue != q.cfg.Name {
			moved := *t
			t, moved.Queue = &moved, q.cfg.Name
		}
		err := q.cfg.Accepts(t)
		if err == nil {
			buffer = q.p.appendTask(buffer[:0], t)
			if len(buffer) > maxEnvelope {
				err = fmt.Errorf("%w: task %s (%s) is %d bytes long, and a value takes %d: store the data elsewhere and send a reference", driver.ErrPayloadTooLarge, t.ID, t.Type, len(buffer), maxEnvelope)
			}
		}
		if err != nil {
			failed.Add(i, t.ID, err)
			continue
		}
		size += len(buffer)
		plain := len(buffer) <= large && t.UniqueKey == "" && (t.ScheduledFor.IsZero() || !t.ScheduledFor.After(now))
		entries = append(entries, entry{i, t, string(buffer), plain, t.ID, t.UniqueKey})
	}
	return entries, len(tasks)
}

// envelopeOverhead is an estimate of the size of a task's envelope.
const envelopeOverhead = 256

// script returns how many of the entries one script takes, and whether it is the script
// for plain entries.
func (q *queue) script(entries []entry) (n int, plain bool) {
	plain = q.keyspace.kind == lists && q.cfg.Levels == 1 && q.cfg.Capacity == 0
	for size := 0; n < min(maxScriptTasks, len(entries)); n++ {
		if size += len(entries[n].envelope); n > 0 && size > maxScriptBytes {
			break
		}
		plain = plain && entries[n].plain
	}
	return n, plain && distinct(entries[:n])
}

// Enqueue implements [driver.Queue]. A batch of more than 256 tasks or 512 KB is split
// into several scripts, up to 1 MB of which share a round trip. On a fifo queue they
// run one after another: a script puts its tasks behind all due ones, and is sent again
// while too many of those are not in line yet. If the reply to a script is lost the
// client sends it again; tasks that the first sending stored are recognised, and are
// not duplicates. After a failed script the following ones are not sent. If the
// server's memory is full, or it refuses writes for another reason, the error wraps
// ErrQueueFull.
func (q *queue) Enqueue(ctx context.Context, tasks []*driver.Task) ([]driver.Enqueued, error) {
	if err := q.begin(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	now := time.Now()
	var failed driver.BatchError
	answers := make([]driver.Enqueued, len(tasks))
	for next := 0; next < len(tasks); {
		var entries []entry
		entries, next = q.encode(tasks, next, now, &failed)
		part, err := q.send(ctx, entries, now, answers, &failed)
		switch {
		case err == nil:
			continue
		case part == len(tasks) && !errors.Is(err, driver.ErrQueueFull):
			return nil, err
		}
		for ; next < len(tasks); next++ {
			failed.Add(next, tasks[next].ID, err)
		}
	}
	return answers, failed.Sorted()
}

// send enqueues entries in one round trip, on a fifo queue in several. If a script
// fails it returns the error, which is also in failed for its tasks, and the number of
// these tasks.
func (q *queue) send(ctx context.Context, entries []entry, now time.Time, answers []driver.Enqueued, failed *driver.BatchError) (n int, _ error) {
	var (
		calls []*call
		parts [][]entry
	)
	for rest := entries; len(rest) > 0; {
		n, plain := q.script(rest)
		part := rest[:n]
		rest = rest[n:]
		if plain {
			calls = append(calls, q.keyspace.enqueuePlain(part))
		} else {
			calls = append(calls, q.keyspace.enqueue(part, q.cfg.Capacity))
		}
		parts = append(parts, part)
	}
	run := q.p.runAll
	if q.keyspace.kind == fifo {
		run = q.p.runEach
	}
	var broken error
	replies, errs := run(ctx, calls)
	for i, part := range parts {
		err := errs[i]
		if err == nil {
			err = q.answer(part, replies[i], now, answers, failed)
		}
		if err == nil {
			continue
		}
		if err = q.keyspace.failed(calls[i], err); isFull(err) {
			err = fmt.Errorf("%w: %w", driver.ErrQueueFull, err)
		}
		n, broken = n+len(part), err
		for _, e := range part {
			failed.Add(e.index, e.task.ID, err)
		}
	}
	return n, broken
}

// distinct reports whether all IDs differ.
func distinct(part []entry) bool {
	if len(part) == 1 {
		return true
	}
	seen := make(map[string]struct{}, len(part))
	for _, e := range part {
		seen[e.task.ID] = struct{}{}
	}
	return len(seen) == len(part)
}

// Arguments are pointers if possible: a string in an interface is an allocation of its
// own.

func (ks *keyspace) enqueuePlain(part []entry) *call {
	c := ks.newCall(opEnqueuePlain, 2+3*len(part)).add(len(part)).withSendCount()
	for i := range part {
		c.args = append(c.args, &part[i].id)
	}
	for i := range part {
		c.args = append(c.args, &part[i].id, &part[i].envelope)
	}
	return c
}

func (ks *keyspace) enqueue(part []entry, capacity int) *call {
	c := ks.newCall(opEnqueue, 3+6*len(part)).add(len(part)).withSendCount().add(capacity)
	for i := range part {
		t := part[i].task
		due := int64(0)
		if !t.ScheduledFor.IsZero() {
			due = max(unixMillis(t.ScheduledFor), 0)
		}
		c.add(&part[i].id, &part[i].envelope, due, ks.levelOrGroup(t), &part[i].key, durationMillis(t.UniqueFor))
	}
	return c
}

// answer reads the results of the tasks of one script.
func (q *queue) answer(part []entry, reply any, now time.Time, answers []driver.Enqueued, failed *driver.BatchError) error {
	codes, several := reply.([]any)
	if several && len(codes) != len(part) || !several && reply != int64(0) {
		return errReply
	}
	for i, e := range part {
		due := now
		if e.task.ScheduledFor.After(now) {
			due = e.task.ScheduledFor
		}
		answer := driver.Enqueued{ID: e.task.ID, Queue: q.cfg.Name, DueAt: due}
		var err error
		if several {
			switch code := codes[i].(type) {
			case string:
				if answer, err = q.holder(code); err != nil {
					return err
				}
			case int64:
				switch code {
				case 0:
				case 1:
					err = fmt.Errorf("%w: %s is already on queue %q", driver.ErrDuplicate, e.task.ID, q.cfg.Name)
				case 2:
					err = fmt.Errorf("%w: %q has reached its capacity of %d: enqueue again once workers have caught up", driver.ErrQueueFull, q.cfg.Name, q.cfg.Capacity)
				case 3:
					err = fmt.Errorf("%w: redis: enqueue of %s: the server's memory is full (maxmemory), and its policy deletes nothing: enqueue again once workers have caught up", driver.ErrQueueFull, q.keyspace)
				default:
					return errReply
				}
			default:
				return errReply
			}
		}
		if err != nil {
			failed.Add(e.index, e.task.ID, err)
			continue
		}
		answers[e.index] = answer
	}
	return nil
}

// holder reads "due until id" of the task that holds a unique key.
func (q *queue) holder(value string) (driver.Enqueued, error) {
	parts := strings.SplitN(value, " ", 3)
	if len(parts) != 3 {
		return driver.Enqueued{}, errReply
	}
	due, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return driver.Enqueued{}, errReply
	}
	return driver.Enqueued{ID: parts[2], Queue: q.cfg.Name, DueAt: time.UnixMilli(due), Duplicate: true}, nil
}

// bytesOf returns the bytes of a string that has no other user.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
