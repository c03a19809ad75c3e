package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Browse implements [driver.Browser]. Ready tasks of a fifo queue come group by group,
// leased tasks by the end of their leases, dead tasks in the order of their deaths,
// followed by those that a worker of the dead letter queue has leased. On a dead letter
// queue the dead tasks come queue by queue. A value that cannot be decoded is shown as
// the task that would replace it on the dead letter queue. A page ends before its limit
// once it is larger than 16 MB. While others take tasks off the queue a page may repeat
// tasks of the previous one.
func (q *queue) Browse(ctx context.Context, state driver.State, from string, limit int) ([]*driver.Task, string, error) {
	if err := driver.CheckBrowse(q.cfg.Name, limit); err != nil {
		return nil, "", err
	}
	if err := q.begin(); err != nil {
		return nil, "", err
	}
	defer q.p.calls.Done()
	at, err := parseCursor(from)
	if err != nil {
		return nil, "", err
	}
	stages, err := q.stages(ctx, state)
	if err != nil {
		return nil, "", err
	}
	var (
		tasks []*driver.Task
		last  cursor
		bytes int
	)
	for i, st := range stages {
		switch {
		case i < at.stage:
			continue
		case i > at.stage:
			at = cursor{stage: i, a: "0"}
		}
		for more := true; more; {
			var found listing
			if found, err = st.keyspace.browse(ctx, st.state, at, min(limit-len(tasks)+1, maxScriptTasks)); err != nil {
				return nil, "", err
			}
			for k, task := range found.tasks {
				if len(tasks) == limit || len(tasks) > 0 && bytes > maxPageBytes {
					return tasks, last.String(), nil
				}
				tasks, last = append(tasks, task), found.ends[k]
				bytes += found.sizes[k]
			}
			at, more = found.rest, found.more
		}
	}
	return tasks, "", nil
}

// Find implements [driver.Finder], by one script, and one for the dead. Where a task
// does not wait for its time, that goes through the leases of the queue.
func (q *queue) Find(ctx context.Context, id string) ([]driver.Found, error) {
	if err := q.begin(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	keyspaces, err := q.keyspaces(ctx)
	if err != nil {
		return nil, err
	}
	var all []driver.Found
	for _, ks := range keyspaces {
		some, err := ks.lookup(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if q.isDLQ {
		return all, nil
	}
	dead, err := q.deadKeyspace.lookup(ctx, id)
	for i := range dead {
		dead[i].State, dead[i].DueAt = driver.Dead, time.Time{}
	}
	return append(all, dead...), err
}

// lookup returns what the keyspace has under an ID.
func (ks *keyspace) lookup(ctx context.Context, id string) ([]driver.Found, error) {
	c := ks.newCall(opFind, 1).add(id)
	reply, err := ks.run(ctx, c)
	if err != nil {
		return nil, err
	}
	r, ok := reply.([]any)
	if !ok || len(r)%4 != 1 {
		return nil, ks.failed(c, errReply)
	}
	now, err := strconv.ParseFloat(text(r[0]), 64)
	if err != nil {
		return nil, ks.failed(c, errReply)
	}
	var all []driver.Found
	for r = r[1:]; len(r) > 0; r = r[4:] {
		name, envelope := text(r[0]), text(r[1])
		task, err := decodeTask(envelope, name, ks.queue)
		if err != nil {
			task = undecodableTask(name, ks.queue, envelope, err)
		}
		f := driver.Found{Task: task, State: driver.Ready, DueAt: task.DueAt()}
		due, err := strconv.ParseFloat(text(r[2]), 64)
		if err == nil {
			f.DueAt = time.UnixMilli(int64(due))
		}
		if err == nil && due > now {
			f.State = driver.Scheduled
		} else if over, err := strconv.ParseFloat(text(r[3]), 64); err == nil && over > now {
			f.State, f.DueAt = driver.Leased, time.Time{}
		}
		all = append(all, f)
	}
	return all, nil
}

// A stage is one keyspace and state that a listing goes through.
type stage struct {
	keyspace *keyspace
	state    driver.State
}

// stages are what a listing of a state goes through, in its order.
func (q *queue) stages(ctx context.Context, state driver.State) ([]stage, error) {
	switch state {
	case driver.Dead:
		return []stage{{q.deadKeyspace, driver.Ready}, {q.deadKeyspace, driver.Scheduled}, {q.deadKeyspace, driver.Leased}}, nil
	case driver.Ready, driver.Scheduled, driver.Leased:
		keyspaces, err := q.keyspaces(ctx)
		if err != nil {
			return nil, err
		}
		all := make([]stage, len(keyspaces))
		for i, ks := range keyspaces {
			all[i] = stage{ks, state}
		}
		return all, nil
	}
	return nil, fmt.Errorf("redis: browse state %q of queue %q: ready, scheduled, leased or dead", state, q.cfg.Name)
}

// A cursor is the place of the last task of a page: the stage, and two values
// that the script understands.
type cursor struct {
	stage int
	a, b  string
}

func (c cursor) String() string { return strconv.Itoa(c.stage) + " " + c.a + " " + c.b }

func parseCursor(text string) (cursor, error) {
	if text == "" {
		return cursor{a: "0"}, nil
	}
	parts := strings.SplitN(text, " ", 3)
	if len(parts) == 3 {
		if n, err := strconv.Atoi(parts[0]); err == nil && n >= 0 {
			if _, err := strconv.ParseFloat(parts[1], 64); err == nil && parts[2] != "" {
				return cursor{n, parts[1], parts[2]}, nil
			}
		}
	}
	return cursor{}, fmt.Errorf("redis: browse: %q is not a cursor that Browse has returned", text)
}

// A listing is a part of a page of Browse.
type listing struct {
	tasks []*driver.Task
	ends  []cursor // of each
	sizes []int    // of each, in bytes
	rest  cursor   // where to go on
	more  bool     // there may be something
}

// browse lists up to n tasks of one state after a cursor: fewer where there are no
// more, or no room for them in one script.
func (ks *keyspace) browse(ctx context.Context, state driver.State, at cursor, n int) (listing, error) {
	var found listing
	c := ks.newCall(opBrowse, 5).add(string(state), at.a, at.b, n, maxScriptBytes)
	reply, err := ks.run(ctx, c)
	if err != nil {
		return found, err
	}
	r, ok := reply.([]any)
	if !ok || len(r) != 4 {
		return found, ks.failed(c, errReply)
	}
	names, _ := r[0].([]any)
	envelopes, _ := r[1].([]any)
	places, _ := r[2].([]any)
	if len(envelopes) != len(names) || len(places) != len(names) {
		return found, ks.failed(c, errReply)
	}
	place := func(value any) cursor {
		a, b, _ := strings.Cut(text(value), " ")
		return cursor{at.stage, a, b}
	}
	for i := range names {
		envelope := text(envelopes[i])
		task, err := decodeTask(envelope, text(names[i]), ks.queue)
		if err != nil {
			task = undecodableTask(text(names[i]), ks.queue, envelope, err)
		}
		found.tasks, found.ends, found.sizes = append(found.tasks, task), append(found.ends, place(places[i])), append(found.sizes, len(envelope))
	}
	if found.more = text(r[3]) != ""; found.more {
		found.rest = place(r[3])
	}
	return found, nil
}
