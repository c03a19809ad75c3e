package nats

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime/driver"
)

// RedriveDeaths implements [driver.Redriver], as Redrive does. It removes what it read
// by sequence in the stream, which no later death has.
func (q *queue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	return q.around.Deaths(ctx, deaths, func() ([]driver.Death, error) {
		return q.redriveDeaths(ctx, deaths, edits)
	})
}

func (q *queue) redriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	if q.isDLQ() {
		return nil, driver.NoRedrive(q.cfg.Name)
	}
	if err := q.beginCall(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	var moved []driver.Death
	var be driver.BatchError
	err := q.eachDeath(ctx, deaths, func(page []*stored, at []int) error {
		fit, edited := page[:0:0], make(map[int]*driver.Edit)
		var places []int // in deaths
		for i, m := range page {
			if edits != nil && edits[at[i]] != nil {
				if err := q.edit(m, edits[at[i]]); err != nil {
					be.Add(at[i], deaths[at[i]].ID, err)
					continue
				}
				edited[len(fit)] = edits[at[i]]
			}
			fit, places = append(fit, m), append(places, at[i])
		}
		some, failed, err := q.redrive(ctx, fit, edited)
		for _, i := range some {
			moved = append(moved, deaths[places[i]])
		}
		for i := range fit {
			be.Add(places[i], deaths[places[i]].ID, failed[i])
		}
		return err
	})
	if err != nil {
		return moved, fmt.Errorf("redrive to queue %q: %w", q.cfg.Name, err)
	}
	return moved, be.OrNil()
}

// edit reports why a dead task cannot go back edited.
func (q *queue) edit(m *stored, edit *driver.Edit) error {
	task, err := q.readDead(m)
	if err != nil {
		return err
	}
	if most := q.maxPayload(); len(edit.Payload) > most {
		return fmt.Errorf("%w: the payload of task %s (%s) has %d bytes, and the server takes %d: store the data elsewhere and send a reference, or raise max_payload", driver.ErrPayloadTooLarge, task.ID, task.Type, len(edit.Payload), most)
	}
	edit.Apply(task)
	task.Priority = min(task.Priority, q.cfg.Levels-1)
	return q.cfg.Accepts(task)
}

// DiscardDeaths implements [driver.Discarder], as Discard does.
func (q *queue) DiscardDeaths(ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	if q.isDLQ() {
		return nil, driver.NoDiscard(q.cfg.Name)
	}
	if err := q.beginCall(); err != nil {
		return nil, err
	}
	defer q.p.calls.Done()
	var gone []driver.Death
	err := q.eachDeath(ctx, deaths, func(page []*stored, at []int) error {
		some, err := q.discardDead(ctx, page)
		for _, i := range some {
			gone = append(gone, deaths[at[i]])
		}
		return err
	})
	if err != nil {
		return gone, fmt.Errorf("discard dead tasks of queue %q: %w", q.cfg.Name, err)
	}
	return gone, nil
}

// eachDeath calls f with the dead tasks of this queue that died the given deaths and
// are not leased, in pages, and with their indexes in deaths.
func (q *queue) eachDeath(ctx context.Context, deaths []driver.Death, f func(page []*stored, at []int) error) error {
	place := make(map[driver.Death]int, len(deaths))
	ids, seen := make([]string, 0, len(deaths)), make(map[string]bool, len(deaths))
	for i, d := range deaths {
		place[d] = i
		if !seen[d.ID] {
			seen[d.ID], ids = true, append(ids, d.ID)
		}
	}
	return q.eachDead(ctx, ids, func(page []*stored) error {
		page, err := q.latest(ctx, page)
		if err != nil {
			return err
		}
		found := page[:0:0]
		var at []int
		for _, m := range page {
			task, _ := q.readDead(m)
			if i, ok := place[driver.DeathOf(task)]; ok {
				found, at = append(found, m), append(at, i)
			}
		}
		if len(found) == 0 {
			return nil
		}
		return f(found, at)
	})
}
