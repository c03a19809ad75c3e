package driver

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBatchErrorListsTheFirstFailures(t *testing.T) {
	var e BatchError
	require.NoError(t, e.OrNil())
	e.Add(0, "none", nil)
	require.NoError(t, e.OrNil(), "nil is no failure")
	for i, id := range []string{"a", "b", "c", "d", "e"} {
		e.Add(2*i, id, fmt.Errorf("%w: %s", ErrQueueFull, id))
	}
	require.EqualError(t, e.OrNil(), "5 of the batch failed; item 0 (a): taskgen: the queue is full: a; "+
		"item 2 (b): taskgen: the queue is full: b; item 4 (c): taskgen: the queue is full: c; and 2 more")
	var none *BatchError
	require.NoError(t, none.OrNil())
}

func TestItemWithoutAnIDIsNamedByItsPlace(t *testing.T) {
	var e BatchError
	e.Add(2, "", errors.New("it needs a name"))
	require.EqualError(t, e.OrNil(), "1 of the batch failed; item 2: it needs a name")
}

type custom struct{ error }

func (c custom) Unwrap() error { return c.error }

func TestBatchErrorIsEveryErrorInIt(t *testing.T) {
	var e BatchError
	e.Add(1, "a", fmt.Errorf("%w: a", ErrQueueFull))
	e.Add(3, "b", custom{ErrDuplicate})
	err := fmt.Errorf("enqueue: %w", e.OrNil())
	require.ErrorIs(t, err, ErrQueueFull)
	require.ErrorIs(t, err, ErrDuplicate)
	require.NotErrorIs(t, err, ErrClosed)
	var own custom
	require.ErrorAs(t, err, &own)
}

func TestErrorAtTellsItemsApart(t *testing.T) {
	var e BatchError
	e.Add(1, "a", ErrQueueFull)
	wrapped := fmt.Errorf("enqueue: %w", e.OrNil())
	assert.NoError(t, ErrorAt(wrapped, 0))
	assert.Equal(t, ErrQueueFull, ErrorAt(wrapped, 1))
	assert.NoError(t, ErrorAt(wrapped, 2))
	assert.Equal(t, ErrClosed, ErrorAt(ErrClosed, 7), "the failure of the whole is that of each")
	assert.NoError(t, ErrorAt(nil, 0))
}

func TestUnavailableKeepsItsCauseAndLeavesKnownOutcomesAlone(t *testing.T) {
	require.NoError(t, Unavailable(nil))
	for _, cause := range []error{custom{errors.New("connection refused")}, fmt.Errorf("dial: %w", context.DeadlineExceeded)} {
		err := Unavailable(cause)
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorIs(t, err, cause)
		require.Equal(t, err, Unavailable(err), "once is enough")
	}
	for _, known := range named {
		err := fmt.Errorf("enqueue: %w", known)
		require.Equal(t, err, Unavailable(err))
	}
}

func TestBatchErrorIsSortedByPlace(t *testing.T) {
	var e BatchError
	require.NoError(t, e.Sorted())
	e.Add(4, "e", ErrClosed)
	e.Add(1, "b", ErrClosed)
	var got *BatchError
	require.True(t, errors.As(e.Sorted(), &got))
	assert.Equal(t, []ItemError{{1, "b", ErrClosed}, {4, "e", ErrClosed}}, got.Items)
}
