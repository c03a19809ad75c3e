package dlq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

const (
	// claimFor is how long a letter of a store belongs to one redrive.
	claimFor = time.Minute
	// claimedEnqueue bounds the enqueue of claimed letters, so that the claim outlasts it
	// even if another process's clock is a little ahead.
	claimedEnqueue = claimFor / 2
)

// claimed reports whether a redrive has claimed a stored task.
func claimed(t *runtime.Task, now time.Time) bool {
	until, _, _ := strings.Cut(t.Metadata[driver.MetaClaimed], " ")
	end, err := time.Parse(time.RFC3339Nano, until)
	return err == nil && now.Before(end)
}

// A claim is a letter on its way from a store to its queue.
type claim struct {
	index int           // in the caller's deaths
	was   *runtime.Task // as stored without a claim
	mine  *runtime.Task // as stored with this claim
	queue driver.Queue
	err   error // why the letter stays
}

func (s *storeBackend) redrive(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) (moved []driver.Death, err error) {
	var be runtime.BatchError
	for from := 0; from < len(deaths); from += batch {
		var cs []*claim
		cs, err = s.claim(ctx, deaths[from:min(from+batch, len(deaths))], from, &be)
		if err != nil {
			return moved, err
		}
		s.enqueue(ctx, cs, edits)
		for _, c := range cs {
			if c.err == nil {
				moved = append(moved, deaths[c.index])
			}
			be.Add(c.index, c.was.ID, c.err)
		}
		err = s.finishClaims(ctx, cs)
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return moved, err
		}
	}
	return moved, be.OrNil()
}

// claim marks letters as claimed by this redrive. from is the index of the first.
func (s *storeBackend) claim(ctx context.Context, deaths []driver.Death, from int, be *runtime.BatchError) ([]*claim, error) {
	now := s.m.Now()
	mark := now.Add(claimFor).UTC().Format(time.RFC3339Nano) + " " + rand.Text()
	var (
		asked = make(map[driver.Death]*claim, len(deaths))
		was   []driver.Death
		with  []*runtime.Task
	)
	for i, d := range deaths {
		t, err := s.store.Get(ctx, d.ID)
		if errors.Is(err, runtime.ErrTaskNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if driver.DeathOf(t) != d {
			continue
		}
		q, err := s.m.Queue(originQueue(t))
		if claimed(t, now) {
			err = fmt.Errorf("%w: until %s at the latest", ErrClaimed, t.Metadata[driver.MetaClaimed])
		}
		if err != nil {
			be.Add(from+i, d.ID, fmt.Errorf("redrive %s (%s): %w", d.ID, t.Type, err))
			continue
		}
		delete(t.Metadata, driver.MetaClaimed) // an expired claim
		c := &claim{index: from + i, was: t, mine: t.Clone(), queue: q}
		if c.mine.Metadata == nil {
			c.mine.Metadata = make(map[string]string, 1)
		}
		c.mine.Metadata[driver.MetaClaimed] = mark
		asked[d] = c
		was, with = append(was, d), append(with, c.mine)
	}
	if len(was) == 0 {
		return nil, nil
	}
	swapped, err := s.store.Swap(ctx, was, with)
	var mine []*claim
	if err != nil {
		for _, c := range asked { // the claim may have been stored despite the error
			c.err = err
			mine = append(mine, c)
		}
		_ = s.finishClaims(ctx, mine) // if this fails too, the claims expire
		return nil, fmt.Errorf("claim dead letters: %w", err)
	}
	for _, d := range swapped {
		mine = append(mine, asked[d])
	}
	return mine, nil
}

// enqueue puts the claimed tasks on the queues on which they died.
func (s *storeBackend) enqueue(ctx context.Context, cs []*claim, edits []*driver.Edit) {
	ctx, cancel := context.WithTimeout(ctx, claimedEnqueue)
	defer cancel()
	byQueue := make(map[string][]*claim)
	for _, c := range cs {
		byQueue[originQueue(c.was)] = append(byQueue[originQueue(c.was)], c)
	}
	for _, of := range byQueue {
		q := of[0].queue
		tasks := make([]*runtime.Task, len(of))
		for i, c := range of {
			tasks[i] = c.was.Clone()
			if edits != nil && edits[c.index] != nil {
				edits[c.index].Apply(tasks[i])
			}
			prepareRedrive(tasks[i], q, s.m)
		}
		err := reenqueue(ctx, q, tasks, s.m)
		for i, c := range of {
			if e := runtime.ErrorAt(err, i); e != nil {
				c.err = fmt.Errorf("redrive %s (%s): %w", c.was.ID, c.was.Type, e)
			}
		}
	}
}

// finishClaims removes the letters whose tasks are on their queues, and releases the claims on
// the others. A letter that was stored again meanwhile is no longer claimed, and stays,
// unless it is the same death: a processor may receive that twice.
func (s *storeBackend) finishClaims(ctx context.Context, cs []*claim) error {
	if len(cs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimFor)
	defer cancel()
	var was []driver.Death
	var with []*runtime.Task
	back := 0
	for _, c := range cs {
		was = append(was, driver.DeathOf(c.mine))
		if c.err != nil {
			with = append(with, c.was)
			continue
		}
		back++
		was, with = append(was, driver.DeathOf(c.was)), append(with, nil, nil)
	}
	if _, err := s.store.Swap(ctx, was, with); err != nil {
		return fmt.Errorf("%d tasks are back on their queues, but their letters could not be removed from the store: %w", back, err)
	}
	return nil
}
