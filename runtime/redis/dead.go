package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A deadTask is a dead task that is not leased.
type deadTask struct {
	name     string // its name among the dead: the ID, with a suffix if the ID died before
	envelope string
	task     *driver.Task // the decoded envelope, if it has been read
}

// read returns the task of a dead one, or the task that represents an undecodable one.
func (q *queue) read(dead deadTask) *driver.Task {
	task, err := driver.DecodeEnvelope([]byte(dead.envelope))
	if err != nil {
		task = undecodableTask(dead.name, q.cfg.Name, dead.envelope, err)
	}
	return task
}

// idOf is the ID in a name: the name of a dead task may have a suffix.
func idOf(name string) string {
	id, _, _ := strings.Cut(name, originEnd)
	return id
}

// namesIn reads names from a reply.
func namesIn(reply any) []string {
	r, _ := reply.([]any)
	names := make([]string, len(r))
	for i := range r {
		names[i] = text(r[i])
	}
	return names
}

// find returns the names of the dead tasks with the given IDs, in their order: an ID may
// have several.
func (ks *keyspace) find(ctx context.Context, ids []string) ([]string, error) {
	var all []string
	for len(ids) > 0 {
		part := ids[:min(maxScriptTasks, len(ids))]
		ids = ids[len(part):]
		c := ks.newCall(opDeadFind, len(part))
		for i := range part {
			c.args = append(c.args, &part[i])
		}
		reply, err := ks.run(ctx, c)
		if err != nil {
			return nil, err
		}
		all = append(all, namesIn(reply)...)
	}
	return all, nil
}

// page returns the names of dead tasks in the order of their deaths, up to the time
// last, and that time; 0 means now.
func (ks *keyspace) page(ctx context.Context, last int64, skip int) (int64, []string, error) {
	c := ks.newCall(opDeadPage, 3).add(last, skip, maxScriptTasks)
	reply, err := ks.run(ctx, c)
	if err != nil {
		return 0, nil, err
	}
	r, ok := reply.([]any)
	if !ok || len(r) != 2 {
		return 0, nil, ks.failed(c, errReply)
	}
	if last == 0 {
		last, _ = r[0].(int64)
	}
	return last, namesIn(r[1]), nil
}

// Redrive implements [driver.Redriver]. Tasks leased by a worker of the dead letter
// queue stay. Tasks whose ID is on the queue again stay too: the error is then a
// *BatchError with ErrDuplicate, in the order of the tasks that were found. Redrive
// ignores Capacity, and claims no unique keys. It works in scripts of up to 256 tasks.
// With nil ids it skips the tasks that die while it runs.
func (q *queue) Redrive(ctx context.Context, ids []string) ([]string, error) {
	if q.isDLQ {
		return nil, driver.NoRedrive(q.cfg.Name)
	}
	if err := q.begin(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	back := redrive{q: q}
	if ids == nil {
		err := back.all(ctx)
		if err != nil {
			return back.ids, err
		}
		return back.ids, back.failed.OrNil()
	}
	found, err := q.deadKeyspace.find(ctx, ids)
	if err != nil {
		return nil, err
	}
	if err := back.move(ctx, found); err != nil {
		return back.ids, err
	}
	return back.ids, back.failed.OrNil()
}

// redrive collects the results of a redrive.
type redrive struct {
	q       *queue
	ids     []string
	failed  driver.BatchError
	checked int
	stayed  int // of the checked tasks
}

func (b *redrive) all(ctx context.Context) error {
	last := int64(0)
	for {
		var found []string
		var err error
		if last, found, err = b.q.deadKeyspace.page(ctx, last, b.stayed); err != nil || len(found) == 0 {
			return err
		}
		if err := b.move(ctx, found); err != nil {
			return err
		}
	}
}

// Codes of redrive.
const (
	moved   = 0
	onQueue = 1 // the ID is on the queue again
	absent  = 2 // a worker has it, or it is gone
	changed = 3 // it has changed since it was read
)

// move redrives dead tasks by name, one script's reading at a time. It reads tasks
// again that have changed since they were read.
func (b *redrive) move(ctx context.Context, names []string) error {
	index := make(map[string]int, len(names))
	for i, name := range names {
		index[name] = b.checked + i
	}
	b.checked += len(names)
	for len(names) > 0 {
		found, err := b.q.deadKeyspace.readDead(ctx, names[:min(maxScriptTasks, len(names))])
		if err != nil {
			return err
		}
		names = names[len(found):]
		codes, err := b.reviveInHook(ctx, found)
		if codes == nil {
			return err
		}
		for i, c := range found {
			switch codes[i] {
			case moved:
				b.ids = append(b.ids, idOf(c.name))
			case onQueue:
				b.stayed++
				b.failed.Add(index[c.name], idOf(c.name), b.q.errOnQueue(c))
			case changed:
				names = append(names, c.name)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// OnRedrive implements [driver.Reviver].
func (q *queue) OnRedrive(redriveHook driver.Revival) { q.redriveHook = redriveHook }

// reviveInHook is revive inside q.redriveHook, whose error may come together with codes.
func (b *redrive) reviveInHook(ctx context.Context, found []deadTask) (codes []int64, err error) {
	ids := make([]string, len(found))
	for i, c := range found {
		ids[i] = idOf(c.name)
	}
	var failed error
	err = b.q.redriveHook.Around(ctx, ids, func() (back []string) {
		codes, failed = b.q.revive(ctx, found)
		for i, code := range codes {
			if code == moved {
				back = append(back, ids[i])
			}
		}
		return back
	})
	return codes, errors.Join(failed, err)
}

// readDead reads dead tasks by name: the first ones, as many as fit in one script.
func (ks *keyspace) readDead(ctx context.Context, names []string) ([]deadTask, error) {
	c := ks.newCall(opDeadRead, 1+len(names)).add(maxScriptBytes)
	for i := range names {
		c.args = append(c.args, &names[i])
	}
	reply, err := ks.run(ctx, c)
	if err != nil {
		return nil, err
	}
	envelopes, ok := reply.([]any)
	if !ok || len(envelopes) == 0 || len(envelopes) > len(names) {
		return nil, ks.failed(c, errReply)
	}
	all := make([]deadTask, len(envelopes))
	for i := range envelopes {
		all[i] = deadTask{name: names[i], envelope: text(envelopes[i])}
	}
	return all, nil
}

// errOnQueue is the reason why a dead task stays.
func (q *queue) errOnQueue(dead deadTask) error {
	return fmt.Errorf("%w: task %s is on queue %q again", driver.ErrDuplicate, idOf(dead.name), q.cfg.Name)
}

// revive redrives dead tasks that were read, and returns a code for each.
func (q *queue) revive(ctx context.Context, found []deadTask) ([]int64, error) {
	ks := q.keyspace
	c := ks.newCall(opRedrive, 5*len(found))
	now := time.Now()
	for _, dead := range found {
		task := dead.task
		if task == nil {
			task = q.read(dead)
		}
		driver.ClearDeath(task, q.cfg.DLQ)
		task.Queue, task.ID, task.ScheduledFor = q.cfg.Name, idOf(dead.name), now
		c.add(dead.name, task.ID, sumOf(dead.envelope), driver.AppendEnvelope(nil, task), ks.levelOrGroup(task))
	}
	reply, err := ks.run(ctx, c)
	if err != nil {
		return nil, err
	}
	codes, err := codesOf(reply, len(found))
	if err != nil || len(codes) != len(found) {
		return nil, ks.failed(c, errReply)
	}
	return codes, nil
}

// Discard implements [driver.Discarder]. Tasks leased by a worker of the dead letter
// queue stay.
func (q *queue) Discard(ctx context.Context, ids []string) ([]string, error) {
	if q.isDLQ {
		return nil, driver.NoDiscard(q.cfg.Name)
	}
	if err := q.begin(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	found, err := q.deadKeyspace.find(ctx, ids)
	if err != nil {
		return nil, err
	}
	removed := make(map[string]bool)
	err = q.deadKeyspace.cancel(ctx, found, removed)
	return inOrder(ids, removed), err
}
