package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Cancel implements [driver.Canceller]. It frees a unique key without a window. It has to
// search the list for a ready task, but not for a scheduled one: see the README for the
// cost.
func (q *queue) Cancel(ctx context.Context, ids []string) ([]string, error) {
	if err := q.begin(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	removed := make(map[string]bool)
	err := q.each(ctx, func(ks *keyspace) error {
		names := ids
		if ks.dead {
			var err error
			if names, err = ks.find(ctx, ids); err != nil {
				return err
			}
		}
		return ks.cancel(ctx, names, removed)
	})
	return inOrder(ids, removed), err
}

// cancel removes waiting tasks by their names in the keyspace, and records the IDs of
// those that it removed.
func (ks *keyspace) cancel(ctx context.Context, names []string, removed map[string]bool) error {
	for len(names) > 0 {
		part := names[:min(maxScriptTasks, len(names))]
		c := ks.newCall(opCancel, len(part))
		for i := range part {
			c.args = append(c.args, &part[i])
		}
		reply, err := ks.run(ctx, c)
		if err != nil {
			return err
		}
		codes, err := codesOf(reply, len(part))
		if err != nil || len(codes) == 0 {
			return ks.failed(c, errReply)
		}
		for i, code := range codes {
			if code == 1 {
				removed[idOf(part[i])] = true
			}
		}
		names = names[len(codes):]
	}
	return nil
}

// inOrder returns the IDs that are in the set, each once.
func inOrder(ids []string, set map[string]bool) []string {
	var all []string
	for _, id := range ids {
		if set[id] {
			all = append(all, id)
			delete(set, id)
		}
	}
	return all
}

// Reschedule implements [driver.Rescheduler]. It also changes the task's ScheduledFor. A
// due task keeps its position in line if at has passed too. A task of a group that waits
// for its retry keeps its position at the head of the group; a ready one leaves the line,
// and joins it at the end when it is due.
func (q *queue) Reschedule(ctx context.Context, id string, at time.Time) error {
	if err := q.begin(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	moved := false
	err := q.each(ctx, func(ks *keyspace) error {
		names := []string{id}
		if ks.dead {
			var err error
			if names, err = ks.find(ctx, names); err != nil {
				return err
			}
		}
		for _, name := range names {
			ok, err := ks.reschedule(ctx, name, at)
			if err != nil {
				return err
			}
			moved = moved || ok
		}
		return nil
	})
	if err == nil && !moved {
		err = fmt.Errorf("%w: no task %s waits on queue %q: it may be with a worker", driver.ErrTaskNotFound, id, q.cfg.Name)
	}
	return err
}

// reschedule moves one task of the keyspace. It keeps concurrent changes of the task: it
// reads the task again then.
func (ks *keyspace) reschedule(ctx context.Context, name string, at time.Time) (bool, error) {
	for ctx.Err() == nil {
		held, err := ks.p.fields(ctx, ks.key(keyBody), name)
		if err != nil {
			return false, fmt.Errorf("redis: read task %s of %s: %w", idOf(name), ks, err)
		}
		if held[0] == nil {
			return false, nil
		}
		was := text(held[0])
		envelope := was
		if task, err := decodeTask(was, idOf(name), ks.queue); err == nil {
			task.ScheduledFor = at
			if ks.dead {
				envelope = string(driver.AppendEnvelope(nil, task))
			} else {
				envelope = string(ks.p.appendTask(nil, task))
			}
		}
		c := ks.newCall(opReschedule, 4).add(name, sumOf(was), envelope, max(unixMillis(at), 0))
		reply, err := ks.run(ctx, c)
		switch {
		case err != nil:
			return false, err
		case reply == int64(0):
			return true, nil
		case reply == int64(1):
			return false, nil
		case reply != int64(2):
			return false, ks.failed(c, errReply)
		}
	}
	return false, ctx.Err()
}

// sumOf is the SHA-1 of a value as Redis writes it.
func sumOf(value string) string {
	sum := sha1.Sum(bytesOf(value))
	return hex.EncodeToString(sum[:])
}

// Purge implements [driver.Purger]. It works in scripts of 256 tasks, so that others can
// proceed, and ends after the number of tasks that there were at its start.
func (q *queue) Purge(ctx context.Context) (int, error) {
	if err := q.begin(); err != nil {
		return 0, err
	}
	defer q.p.calls.Done()
	total := 0
	err := q.each(ctx, func(ks *keyspace) error {
		s, _, err := ks.stats(ctx)
		for left := s.Ready + s.Scheduled; err == nil && left > 0; {
			var reply any
			c := ks.newCall(opPurge, 1).add(min(left, maxScriptTasks))
			if reply, err = ks.run(ctx, c); err != nil {
				break
			}
			n, ok := reply.(int64)
			if !ok {
				return ks.failed(c, errReply)
			}
			if n == 0 {
				break
			}
			total += int(n)
			left -= n
		}
		return err
	})
	return total, err
}

// The field paused of a keyspace is absent, or has noEnd or the time when the pause ends, in
// ms. Builds that know no such end take any value for a pause. A dequeue of a build that
// does removes the field when the pause is over; the others look again within recheck.
const (
	notPaused = 0
	noEnd     = 1
)

// Pause implements [driver.Pauser]. The server's clock ends the pause.
func (q *queue) Pause(ctx context.Context, until time.Time) error {
	if until.IsZero() {
		return q.pause(ctx, noEnd)
	}
	return q.pause(ctx, max(unixMillis(until), noEnd+1))
}

// Resume implements [driver.Pauser].
func (q *queue) Resume(ctx context.Context) error { return q.pause(ctx, notPaused) }

func (q *queue) pause(ctx context.Context, paused int64) error {
	if err := q.begin(); err != nil {
		return err
	}
	defer q.p.calls.Done()
	return q.each(ctx, func(ks *keyspace) error { return ks.pause(ctx, paused) })
}

func (ks *keyspace) pause(ctx context.Context, paused int64) error {
	_, err := ks.run(ctx, ks.newCall(opPause, 1).add(paused))
	return err
}

// Paused implements [driver.Pauser].
func (q *queue) Paused(ctx context.Context) (driver.Pause, error) {
	if err := q.begin(); err != nil {
		return driver.Pause{}, err
	}
	defer q.p.calls.Done()
	c := q.keyspace.newCall(opPaused, 0)
	reply, err := q.keyspace.run(ctx, c)
	if err != nil {
		return driver.Pause{}, err
	}
	switch paused, ok := reply.(int64); {
	case !ok:
		return driver.Pause{}, q.keyspace.failed(c, errReply)
	case paused == notPaused:
		return driver.Pause{}, nil
	case paused == noEnd:
		return driver.Pause{Paused: true}, nil
	default:
		return driver.Pause{Paused: true, Until: time.UnixMilli(paused)}, nil
	}
}
