package app

import (
	"context"
	"fmt"
	"strconv"

	"github.com/taskgen/taskgen/runtime"

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
		b, ok := q.(runtime.Browser)
		if !ok {
			return nil, fmt.Errorf("list the dead tasks of queue %q: %w", name, runtime.ErrUnsupported)
		}
		for cursor := ""; ; {
			page, next, err := b.Browse(ctx, runtime.Dead, cursor, 100)
			if err != nil {
				return nil, fmt.Errorf("list the dead tasks of queue %q: %w", name, err)
			}
			all = append(all, page...)
			if next == "" {
				break
			}
			cursor = next
		}
	}
	return all, nil
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
		a.printf("  %s %s died on queue %s in attempt %s: %s\n", t.Type, t.ID,
			t.Metadata[runtime.MetaOriginalQueue], t.Metadata[runtime.MetaAttempts], t.Metadata[runtime.MetaFailureReason])
		for n := 1; ; n++ {
			line, ok := t.Metadata[runtime.MetaAttemptPrefix+strconv.Itoa(n)]
			if !ok {
				break
			}
			a.printf("    attempt %d: %s\n", n, line)
		}
	}
}

// mendAndRedrive takes away the cause and moves the dead tasks back to their
// queues.
func (a *app) mendAndRedrive(ctx context.Context) error {
	a.splitters.rollOut()
	a.printf("mended: the splitter %q is on now\n", lateSplitter)
	for _, name := range flow {
		q, err := a.manager.Queue(name)
		if err != nil {
			return err
		}
		r, ok := q.(runtime.Redriver)
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
