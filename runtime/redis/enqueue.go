package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/taskgen/taskgen/runtime"
)

const (
	// chunk is how many tasks one script takes, so that it keeps the server's one
	// thread for about a millisecond at most.
	chunk = 256
	// maxEnvelope is what fits a reply and an argument of Redis: 512 MB, with
	// proto-max-bulk-len as it comes.
	maxEnvelope = 512 << 20
	// maxPayload leaves room for the rest of an envelope.
	maxPayload = maxEnvelope - 64<<20
	// lateness is what timers and round trips take on an idle machine, with room
	// to spare.
	lateness = 20 * time.Millisecond
)

// An entry is one task on its way in.
type entry struct {
	index    int // in the batch
	task     *runtime.Task
	envelope string
}

// encode checks tasks and encodes those that are fit. plain says that all of
// these are due, and have no unique key.
func (q *Queue) encode(tasks []*runtime.Task, now time.Time, failed *runtime.BatchError) (entries []entry, plain bool) {
	entries, plain = make([]entry, 0, len(tasks)), true
	var buffer []byte
	for i, t := range tasks {
		if t.Queue != q.cfg.Name {
			moved := *t
			t, moved.Queue = &moved, q.cfg.Name
		}
		err := q.cfg.Accepts(t)
		if err == nil {
			buffer = runtime.AppendEnvelope(buffer[:0], t)
			if len(buffer) > maxEnvelope {
				err = fmt.Errorf("%w: task %s (%s) is %d bytes long, and a value takes %d: store the data elsewhere and send a reference", runtime.ErrPayloadTooLarge, t.ID, t.Type, len(buffer), maxEnvelope)
			}
		}
		if err != nil {
			failed.Add(i, t.ID, err)
			continue
		}
		plain = plain && t.UniqueKey == "" && (t.ScheduledFor.IsZero() || !t.ScheduledFor.After(now))
		entries = append(entries, entry{i, t, string(buffer)})
	}
	return entries, plain
}

// Enqueue implements [runtime.Queue]. A batch of more than 256 tasks is spread
// over several scripts, which share one round trip. On a fifo queue they go one
// after the other: a script puts its tasks behind all that are due, and is sent
// again as long as too many of those are not in line yet. Where the reply to a script
// is lost the client sends it again: the tasks that the first one has put are
// recognised, and are no duplicates.
func (q *Queue) Enqueue(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
	if err := q.begin(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	now := time.Now()
	var failed runtime.BatchError
	entries, plain := q.encode(tasks, now, &failed)
	plain = plain && q.lane.kind == lists && q.cfg.Levels == 1 && q.cfg.Capacity == 0
	answers := make([]runtime.Enqueued, len(tasks))
	var (
		calls []*call
		parts [][]entry
	)
	for rest := entries; len(rest) > 0; {
		part := rest[:min(chunk, len(rest))]
		rest = rest[len(part):]
		if plain && distinct(part) {
			calls = append(calls, q.lane.enqueuePlain(part))
		} else {
			calls = append(calls, q.lane.enqueue(part, q.cfg.Capacity))
		}
		parts = append(parts, part)
	}
	send := q.p.runAll
	if q.lane.kind == fifo {
		send = q.p.runEach
	}
	replies, errs := send(ctx, calls)
	for i, part := range parts {
		err := errs[i]
		if err == nil {
			err = q.answer(part, replies[i], now, answers, &failed)
		}
		if err == nil {
			continue
		}
		err = q.lane.failed(calls[i], err)
		if len(calls) == 1 && len(part) == len(tasks) {
			return nil, err
		}
		for _, e := range part {
			failed.Add(e.index, e.task.ID, err)
		}
	}
	return answers, sorted(&failed)
}

// distinct reports whether no ID comes twice.
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

// Arguments are pointers where they can be: a string in an interface is an
// allocation of its own.

func (l *lane) enqueuePlain(part []entry) *call {
	c := l.newCall(opEnqueuePlain, 2+3*len(part)).add(len(part)).again()
	for i := range part {
		c.args = append(c.args, &part[i].task.ID)
	}
	for i := range part {
		c.args = append(c.args, &part[i].task.ID, &part[i].envelope)
	}
	return c
}

func (l *lane) enqueue(part []entry, capacity int) *call {
	c := l.newCall(opEnqueue, 3+6*len(part)).add(len(part)).again().add(capacity)
	for i := range part {
		t := part[i].task
		due := int64(0)
		if !t.ScheduledFor.IsZero() {
			due = max(millis(t.ScheduledFor), 0)
		}
		c.add(&t.ID, &part[i].envelope, due, l.place(t), &t.UniqueKey, span(t.UniqueFor))
	}
	return c
}

// answer reads what became of the tasks of one script.
func (q *Queue) answer(part []entry, reply any, now time.Time, answers []runtime.Enqueued, failed *runtime.BatchError) error {
	codes, several := reply.([]any)
	if several && len(codes) != len(part) || !several && reply != int64(0) {
		return errReply
	}
	for i, e := range part {
		due := now
		if e.task.ScheduledFor.After(now) {
			due = e.task.ScheduledFor
		}
		answer := runtime.Enqueued{ID: e.task.ID, Queue: q.cfg.Name, DueAt: due}
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
					err = fmt.Errorf("%w: %s is on queue %q already", runtime.ErrDuplicate, e.task.ID, q.cfg.Name)
				case 2:
					err = fmt.Errorf("%w: %q has reached its capacity of %d: enqueue again once workers have caught up", runtime.ErrQueueFull, q.cfg.Name, q.cfg.Capacity)
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
func (q *Queue) holder(value string) (runtime.Enqueued, error) {
	parts := strings.SplitN(value, " ", 3)
	if len(parts) != 3 {
		return runtime.Enqueued{}, errReply
	}
	due, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return runtime.Enqueued{}, errReply
	}
	return runtime.Enqueued{ID: parts[2], Queue: q.cfg.Name, DueAt: time.UnixMilli(due), Duplicate: true}, nil
}

// bytesOf gives the bytes of a string that nobody else will look at again.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
