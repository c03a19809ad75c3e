package sqlite

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// TestRedriveOfAllMissesNoneThatAnotherOneOutruns has one redrive move what another has
// looked at and not moved yet.
func TestRedriveOfAllMissesNoneThatAnotherOneOutruns(t *testing.T) {
	p := openFile(t, newFile(t))
	q, other := openQueue(t, p, driver.QueueConfig{Name: "q"}), openQueue(t, p, driver.QueueConfig{Name: "q"})
	const all = maxTxTasks + 50
	for n := 0; n < all; {
		tasks := make([]*driver.Task, min(500, all-n))
		for i := range tasks {
			tasks[i] = &driver.Task{ID: fmt.Sprint("t", n+i), Type: "t", Queue: "q", Payload: []byte("1"), CreatedAt: time.Now()}
		}
		enqueue(t, q, tasks...)
		ds := take(t, q, len(tasks))
		require.NoError(t, q.DeadLetter(within(t), ds))
		n += len(ds)
	}
	outrun := false
	q.OnRedrive(func(ctx context.Context, ids []string, move func() []string) error {
		if !outrun {
			outrun = true
			moved, err := other.Redrive(ctx, ids[:len(ids)-1])
			require.NoError(t, err)
			require.Len(t, moved, maxTxTasks-1)
		}
		move()
		return nil
	})
	moved, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	assert.Len(t, moved, all-maxTxTasks+1)
	assert.Zero(t, stats(t, q).Dead)
	assert.EqualValues(t, all, stats(t, q).Ready)
}
