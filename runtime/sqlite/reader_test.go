package sqlite

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// An endingContext ends when it was asked for its error so many times.
type endingContext struct {
	context.Context
	cancel context.CancelFunc
	after  int
}

func (c *endingContext) Err() error {
	err := c.Context.Err()
	if c.after--; c.after == 0 {
		c.cancel()
	}
	return err
}

// TestAReadThatIsInterruptedSaysSo ends contexts before a read, between the look at
// the context and the transaction's beginning, and in the transaction.
func TestAReadThatIsInterruptedSaysSo(t *testing.T) {
	p := openFile(t, newFile(t))
	read := func(ctx context.Context, before func()) error {
		return p.reader.do(ctx, 0, func(x *tx) {
			before()
			r := x.query(sqlResultLast)
			r.next()
			r.done()
		})
	}
	for _, after := range []int{0, 1, 2} {
		ctx, cancel := context.WithCancel(t.Context())
		if after == 0 {
			cancel()
		}
		begun := false
		err := read(&endingContext{ctx, cancel, after}, func() { begun = true; cancel() })
		require.ErrorIs(t, err, context.Canceled, "ended after %d looks", after)
		require.Equal(t, after == 2, begun)
		cancel()
	}
	require.NoError(t, read(t.Context(), func() {}), "the next read")
}
