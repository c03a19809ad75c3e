package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"

	"github.com/taskgen/taskgen/examples/docsearch/internal/report"
	"github.com/taskgen/taskgen/examples/docsearch/tasks"
)

// dead lists the dead tasks of all queues.
func (a *app) dead(ctx context.Context) ([]*runtime.Task, error) {
	var all []*runtime.Task
	for _, name := range flow {
		q, err := a.manager.Queue(name)
		if err != nil {
			return nil, err
		}
		list := a.lease
		if q.Capabilities().Browse {
			list = browse
		}
		died, err := list(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("list the dead tasks of queue %q: %w", name, err)
		}
		all = append(all, died...)
	}
	return all, nil
}

// browse lists the dead tasks of a queue.
func browse(ctx context.Context, q driver.Queue) ([]*runtime.Task, error) {
	var all []*runtime.Task
	for t, err := range driver.BrowseAll(ctx, q, driver.Dead) {
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// lease lists the dead tasks of a queue whose broker shows nothing without
// handing it out: it takes them off the dead letter queue, which is a queue like
// any other, and puts them back.
func (a *app) lease(ctx context.Context, q driver.Queue) ([]*runtime.Task, error) {
	stats, err := q.Stats(ctx)
	if err != nil || stats.Dead == 0 {
		return nil, err
	}
	dead, err := a.provider.Open(ctx, runtime.QueueConfig{Name: q.Config().DLQ})
	if err != nil {
		return nil, err
	}
	defer dead.Close()
	var held []*driver.Delivery
	for int64(len(held)) < stats.Dead {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		more, err := dead.Dequeue(once, 100, time.Minute)
		cancel()
		if errors.Is(err, driver.ErrNoTasks) {
			break // another process holds the rest
		}
		if err != nil {
			return nil, errors.Join(err, dead.Release(ctx, held))
		}
		held = append(held, more...)
	}
	all := make([]*runtime.Task, len(held))
	for i, d := range held {
		all[i] = d.Task
	}
	return all, dead.Release(ctx, held)
}

// deadDocuments are the paths of documents whose task an earlier run left dead.
func (a *app) deadDocuments(ctx context.Context) (map[string]bool, error) {
	died, err := a.dead(ctx)
	if err != nil {
		return nil, err
	}
	paths := make(map[string]bool)
	for _, t := range died {
		if t.Type != tasks.TypeDocument {
			continue
		}
		d, err := tasks.DocumentSpec.Decode(t)
		if err != nil {
			return nil, err
		}
		paths[d.Path] = true
	}
	return paths, nil
}

// showDead says what died and why, from what the runtime wrote into the tasks.
func (a *app) showDead(died []*runtime.Task) {
	a.printf("\ndead letters: %d\n", len(died))
	for _, t := range died {
		reason := t.Metadata[driver.MetaFailureReason]
		a.printf("  %s %s\n%s\n", t.Type, t.ID, report.Wrap(fmt.Sprintf("died on queue %s in attempt %s: %s",
			t.Metadata[driver.MetaOriginalQueue], t.Metadata[driver.MetaAttempts], reason), 4))
		for n := 1; ; n++ {
			line, ok := t.Metadata[driver.MetaAttemptPrefix+strconv.Itoa(n)]
			if !ok {
				break
			}
			line = strings.TrimSuffix(line, ": "+reason) // which is said above
			a.printf("%s\n", report.Wrap(fmt.Sprintf("attempt %d: %s", n, line), 4))
		}
	}
}

// mendAndRedrive takes away the cause and moves the dead tasks back to their
// queues.
func (a *app) mendAndRedrive(ctx context.Context) error {
	a.splitters.rollOut()
	a.printf("mended: the splitter %q is on now, as after a rollout\n", lateSplitter)
	for _, name := range flow {
		q, err := a.manager.Queue(name)
		if err != nil {
			return err
		}
		r, ok := q.(driver.Redriver)
		if !ok {
			return fmt.Errorf("redrive the dead tasks of queue %q: %w", name, runtime.ErrUnsupported)
		}
		ids, err := r.Redrive(ctx, nil)
		if err != nil {
			return fmt.Errorf("redrive the dead tasks of queue %q: %w", name, err)
		}
		for _, id := range ids {
			a.printf("redriven: %s, back on queue %s\n", id, name)
		}
	}
	return nil
}
