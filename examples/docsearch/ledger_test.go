//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
)

// A ledger notes what a demo is told about its tasks, in a file that outlives
// any kill: each note is one write, at the file's end.
type ledger struct{ file *os.File }

// What a ledger notes about a task.
const (
	offered  = "offered"  // it is about to be enqueued
	accepted = "accepted" // enqueueing it returned no error
	handled  = "handled"  // its handler returned no error; it is completed next
)

func openLedger(path string) *ledger {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	return &ledger{file}
}

func (l *ledger) note(what string, tasks ...*runtime.Task) {
	var b bytes.Buffer
	for _, t := range tasks {
		fmt.Fprintf(&b, "%s %s %s\n", what, t.ID, t.Type)
	}
	if _, err := l.file.Write(b.Bytes()); err != nil {
		panic(err)
	}
}

func (l *ledger) enqueue(next runtime.Enqueuer) runtime.Enqueuer {
	return runtime.EnqueuerFunc(func(ctx context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		l.note(offered, tasks...)
		answers, err := next.Enqueue(ctx, tasks)
		var taken []*runtime.Task
		for i, t := range tasks {
			if runtime.ErrorAt(err, i) == nil && !answers[i].Duplicate {
				taken = append(taken, t)
			}
		}
		l.note(accepted, taken...)
		return answers, err
	})
}

func (l *ledger) handle(next runtime.Handler) runtime.Handler {
	return runtime.HandlerFunc(func(ctx context.Context, t *runtime.Task) error {
		err := next.Handle(ctx, t)
		if err == nil {
			l.note(handled, t)
		}
		return err
	})
}

// readLedger returns the notes: what was noted → task ID → type.
func readLedger(t *testing.T, path string) map[string]map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	notes := map[string]map[string]string{offered: {}, accepted: {}, handled: {}}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		require.Len(t, words, 3, "%q", line)
		require.Contains(t, notes, words[0])
		notes[words[0]][words[1]] = words[2]
	}
	return notes
}
