package driver

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADeletionIsRepeatedUntilItIsDoneAndClosesOnce(t *testing.T) {
	var d Deletion
	closed, removed := 0, 0
	var failure error
	run := func(ctx context.Context) error {
		return d.Run(ctx,
			func() error {
				if closed > 0 {
					return ErrClosed
				}
				return nil
			},
			func() { closed++ },
			func(context.Context) error { removed++; return failure })
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(over), context.Canceled)
	require.Zero(t, closed, "a call whose context has ended closes nothing")
	failure = errors.New("the broker is away")
	require.ErrorIs(t, run(t.Context()), failure)
	require.ErrorIs(t, run(t.Context()), failure, "though the handle is closed by now")
	failure = nil
	require.NoError(t, run(t.Context()))
	require.NoError(t, run(t.Context()))
	require.Equal(t, 1, closed)
	require.Equal(t, 3, removed, "what is done is not done again: there may be a new queue of the name")
}

func TestADeletionOfAClosedHandleIsRefused(t *testing.T) {
	var d Deletion
	none := func() { t.Error("it closes handles") }
	err := d.Run(t.Context(), func() error { return QueueClosed("q") }, none, func(context.Context) error { none(); return nil })
	require.ErrorIs(t, err, ErrClosed)
}
