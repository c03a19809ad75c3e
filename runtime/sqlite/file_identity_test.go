package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

func TestWhatIsWrittenIntoAFileThatIsGoneIsNotAcknowledged(t *testing.T) {
	for _, gone := range []string{"", "-wal", "-shm"} {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("file%s replaced %t", gone, replaced), func(t *testing.T) {
				path := newFile(t)
				p := openFile(t, path)
				q := openQueue(t, p, driver.QueueConfig{})
				enqueue(t, q, task("a"))
				waiting := make(chan error, 1)
				empty := openQueue(t, p, driver.QueueConfig{Name: "empty"})
				go func() {
					_, err := empty.Dequeue(within(t), 1, time.Minute)
					waiting <- err
				}()
				require.Eventually(t, p.waitQueues.hasWaiters, soon, time.Millisecond)
				require.NoError(t, os.Rename(path+gone, path+gone+".away"))
				if replaced {
					require.NoError(t, os.WriteFile(path+gone, nil, 0o600))
				}
				_, err := q.Enqueue(within(t), []*driver.Task{task("b")})
				require.ErrorIs(t, driver.ErrorAt(err, 0), ErrFileGone)
				require.ErrorIs(t, <-waiting, ErrFileGone)
				_, err = q.Dequeue(within(t), 1, time.Minute)
				require.ErrorIs(t, err, ErrFileGone)
				_, err = q.Stats(within(t))
				require.ErrorIs(t, err, ErrFileGone)
				require.NoError(t, os.Rename(path+gone+".away", path+gone))
				enqueue(t, q, task("b"))
				require.EqualValues(t, 2, stats(t, q).Ready)
			})
		}
	}
}

// TestAFileThatGoesWhileATaskIsWrittenIsNoticed: the file is there when the
// transaction begins.
func TestAFileThatGoesWhileATaskIsWrittenIsNoticed(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	err := p.writer.do(within(t), 1, func(tx *tx) {
		require.NoError(t, os.Rename(path, path+".away"))
		tx.enqueue(tx.state(q.id), 0, q.encode([]*driver.Task{task("a")}), make([]driver.Enqueued, 1))
	})
	require.ErrorIs(t, err, ErrFileGone)
	require.NoError(t, os.Rename(path+".away", path))
}

// TestWhoWaitsLearnsThatTheFileIsGone has nobody write, so that the writer cannot tell.
// TestAFailureOfAFileThatIsGoneSaysSo: SQLite says no more than that it cannot read or
// write.
func TestAFailureOfAFileThatIsGoneSaysSo(t *testing.T) {
	broken := errors.New("disk I/O error")
	for name, do := range map[string]func(p *Provider, f func(*tx)) error{
		"read":  func(p *Provider, f func(*tx)) error { return p.reader.do(within(t), 0, f) },
		"write": func(p *Provider, f func(*tx)) error { return p.writer.do(within(t), 1, f) },
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			p := openFile(t, path)
			require.NotErrorIs(t, do(p, func(tx *tx) { tx.fail(broken) }), ErrFileGone)
			err := do(p, func(tx *tx) {
				require.NoError(t, os.Rename(path, path+".away"))
				tx.fail(broken)
			})
			require.ErrorIs(t, err, ErrFileGone)
			require.ErrorIs(t, err, broken)
			require.NoError(t, os.Rename(path+".away", path))
		})
	}
}

func TestWhoWaitsLearnsThatTheFileIsGone(t *testing.T) {
	of := defaultIntervals
	of.idle = 20 * time.Millisecond
	for _, how := range []string{"removed", "moved", "replaced"} {
		t.Run(how, func(t *testing.T) {
			path := newFile(t)
			p := openFile(t, path, withIntervals(of, false))
			q := openQueue(t, p, driver.QueueConfig{})
			failed := make(chan error, 2)
			go func() {
				_, err := q.Dequeue(within(t), 1, time.Minute)
				failed <- err
			}()
			go func() {
				_, err := p.Results().Await(within(t), "x")
				failed <- err
			}()
			require.Eventually(t, func() bool { return p.waitQueues.hasWaiters() && p.results.hasWaiters() }, soon, time.Millisecond)
			switch how {
			case "removed":
				require.NoError(t, os.Remove(path))
			case "moved":
				require.NoError(t, os.Rename(path, path+".away"))
			case "replaced":
				other := newFile(t)
				openQueue(t, openFile(t, other), driver.QueueConfig{})
				require.NoError(t, os.Rename(other, path))
			}
			require.ErrorIs(t, <-failed, ErrFileGone)
			require.ErrorIs(t, <-failed, ErrFileGone)
			require.False(t, p.waitQueues.hasWaiters())
		})
	}
}

// TestAPoolGoesOnWhenItsFileIsBack shows what workers do meanwhile: they try again.
func TestAPoolGoesOnWhenItsFileIsBack(t *testing.T) {
	of := defaultIntervals
	of.idle = 20 * time.Millisecond
	path := newFile(t)
	p := openFile(t, path, withIntervals(of, false))
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(context.Background(), p, driver.QueueConfig{Name: "q"}))
	r := runtime.NewRouter()
	ran := make(chan string, 9)
	r.Handle(runtime.Policy{Type: "t", Queue: "q"}, runtime.HandlerFunc(func(_ context.Context, task *driver.Task) error {
		ran <- task.ID
		return nil
	}))
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- pool.Run(ctx) }()
	require.Eventually(t, p.waitQueues.hasWaiters, soon, time.Millisecond)
	require.NoError(t, os.Rename(path, path+".away"))
	require.Eventually(t, func() bool { return !p.waitQueues.hasWaiters() }, soon, time.Millisecond)
	require.NoError(t, os.Rename(path+".away", path))
	_, err = m.Enqueue(context.Background(), []*driver.Task{task("a")})
	require.NoError(t, err)
	require.Equal(t, "a", <-ran)
	stop()
	require.NoError(t, <-ended)
}
