package redis

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime/driver"
)

// RedriveDeaths implements [driver.Redriver] like Redrive: the script moves a task only
// if it is still, byte for byte, the one that was read and edited. If the server's
// reply was lost and the client repeated the request, the tasks that the first request
// moved are on the queue but not in the result.
func (q *queue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	return q.redriveHook.Deaths(ctx, deaths, func() ([]driver.Death, error) {
		return q.redriveDeaths(ctx, deaths, edits)
	})
}

func (q *queue) redriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	if q.isDLQ {
		return nil, driver.NoRedrive(q.cfg.Name)
	}
	var failed driver.BatchError
	moved, err := q.eachDeath(ctx, deaths, func(found []deadTask, at []int) ([]int64, error) {
		var fit []deadTask
		var place []int // in found
		codes := make([]int64, len(found))
		for i, dead := range found {
			if edits != nil {
				if err := q.edit(dead.task, edits[at[i]]); err != nil {
					failed.Add(at[i], idOf(dead.name), err)
					codes[i] = absent
					continue
				}
			}
			fit, place = append(fit, dead), append(place, i)
		}
		if len(fit) == 0 {
			return codes, nil
		}
		some, err := q.revive(ctx, fit)
		for k, code := range some {
			codes[place[k]] = code
			if code == onQueue {
				failed.Add(at[place[k]], idOf(fit[k].name), q.errOnQueue(fit[k]))
			}
		}
		return codes, err
	})
	if err != nil {
		return moved, err
	}
	return moved, failed.OrNil()
}

// edit changes a task, unless the edit is nil.
func (q *queue) edit(task *driver.Task, edit *driver.Edit) error {
	if edit == nil {
		return nil
	}
	edit.Apply(task)
	if err := q.cfg.Accepts(task); err != nil {
		return err
	}
	if n := len(driver.AppendEnvelope(nil, task)); n > maxEnvelope {
		return fmt.Errorf("%w: task %s (%s) is %d bytes long, and a value takes %d: store the data elsewhere and send a reference", driver.ErrPayloadTooLarge, task.ID, task.Type, n, maxEnvelope)
	}
	return nil
}

// DiscardDeaths implements [driver.Discarder]. Tasks that a worker of the dead letter
// queue has leased stay.
func (q *queue) DiscardDeaths(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	if q.isDLQ {
		return nil, driver.NoDiscard(q.cfg.Name)
	}
	return q.eachDeath(ctx, deaths, func(found []deadTask, _ []int) ([]int64, error) {
		ks := q.deadKeyspace
		c := ks.newCall(opDeadDiscard, 2*len(found))
		for _, dead := range found {
			c.add(dead.name, sumOf(dead.envelope))
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
	})
}

// eachDeath calls do with the dead tasks of the given deaths, as many at a time as one
// script reads, and returns the deaths of those for which do returns the code moved. at
// are their positions in deaths. Tasks that have changed since they were read are read
// again.
func (q *queue) eachDeath(ctx context.Context, deaths []driver.Death, do func(found []deadTask, at []int) ([]int64, error)) (done []driver.Death, err error) {
	if err := q.begin(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	place := make(map[driver.Death]int, len(deaths))
	ids, seen := make([]string, 0, len(deaths)), make(map[string]bool, len(deaths))
	for i, d := range deaths {
		place[d] = i
		if !seen[d.ID] {
			seen[d.ID], ids = true, append(ids, d.ID)
		}
	}
	names, err := q.deadKeyspace.find(ctx, ids)
	if err != nil {
		return nil, err
	}
	for len(names) > 0 {
		read, err := q.deadKeyspace.readDead(ctx, names[:min(maxScriptTasks, len(names))])
		if err != nil {
			return done, err
		}
		names = names[len(read):]
		var found []deadTask
		var at []int
		for _, dead := range read {
			if dead.envelope == "" {
				continue // it is gone
			}
			dead.task = q.read(dead)
			if i, ok := place[driver.DeathOf(dead.task)]; ok {
				found, at = append(found, dead), append(at, i)
			}
		}
		if len(found) == 0 {
			continue
		}
		codes, err := do(found, at)
		if err != nil {
			return done, err
		}
		for i, code := range codes {
			switch code {
			case moved:
				done = append(done, deaths[at[i]])
			case changed:
				names = append(names, found[i].name)
			}
		}
	}
	return done, nil
}
