package sqlite

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestAnErrorThatLeavesTheOutcomeOpenIsUnavailable(t *testing.T) {
	for _, code := range []sqlite.ResultCode{sqlite.ResultBusy, sqlite.ResultBusySnapshot, sqlite.ResultLocked, sqlite.ResultIOErrWrite} {
		got := unavailable(fmt.Errorf("commit: %w", code.ToError()))
		require.ErrorIs(t, got, driver.ErrUnavailable)
		require.Equal(t, code, sqlite.ErrCode(got))
	}
	for _, err := range []error{
		errClosed, context.Canceled, sqlite.ResultFull.ToError(), sqlite.ResultIOErrSHMSize.ToError(), sqlite.ResultCorrupt.ToError(), sqlite.ResultConstraintUnique.ToError(),
		fmt.Errorf("%w: %w", ErrFileGone, sqlite.ResultIOErrWrite.ToError()), errors.New("no more leases"),
	} {
		require.NotErrorIs(t, unavailable(err), driver.ErrUnavailable, "%v", err)
	}
	require.NoError(t, unavailable(nil))
}

func TestEachCallSaysThatTheFileIsLocked(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, task("a"))
	ds := take(t, q, 1)
	impatient(t, p)
	restore := cut(t, path)
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"Open":       func() error { _, err := p.Open(ctx, driver.QueueConfig{Name: "another"}); return err },
		"Enqueue":    func() error { _, err := q.Enqueue(ctx, tasks(1)); return err },
		"Dequeue":    func() error { _, err := q.Dequeue(ended(), 1, time.Minute); return err },
		"Complete":   func() error { return q.Complete(ctx, ds) },
		"Extend":     func() error { return q.Extend(ctx, ds, time.Minute) },
		"Release":    func() error { return q.Release(ctx, ds) },
		"DeadLetter": func() error { return q.DeadLetter(ctx, ds) },
		"Pause":      func() error { return q.Pause(ctx, time.Time{}) },
		"PutResult":  func() error { return p.Results().PutResult(ctx, "a", []byte("1"), "", time.Hour) },
	} {
		err := call()
		if name == "Dequeue" && errors.Is(err, driver.ErrNoTasks) {
			continue // its turn did not come in time
		}
		require.ErrorIs(t, err, driver.ErrUnavailable, name)
		require.ErrorIs(t, err, ErrBusy, name)
	}
	restore()
	require.NoError(t, q.Complete(ctx, ds))
}
