package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// atPace has the watcher look so often, and without a bell where deaf is set.
func atPace(of pace, deaf bool) Option {
	return func(p *Provider) { p.pace, p.deaf = of, deaf }
}

func TestAWatcherLooksSeldomWhileNobodyWrites(t *testing.T) {
	for name, deaf := range map[string]bool{"with a bell": false, "without one": true} {
		t.Run(name, func(t *testing.T) {
			of := pace{busy: time.Millisecond, stir: 10 * time.Millisecond, quiet: 50 * time.Millisecond, deaf: 50 * time.Millisecond}
			p := openFile(t, newFile(t), atPace(of, deaf))
			q := openQueue(t, p, driver.QueueConfig{})
			ctx, cancel := context.WithCancel(context.Background())
			got := make(chan error, 1)
			go func() {
				_, err := q.Dequeue(ctx, 1, time.Minute)
				got <- err
			}()
			require.Eventually(t, func() bool { return p.watcher.looks.Load() > 0 }, soon, time.Millisecond)
			// Once what opening the queue has written is past, however long that takes.
			require.Eventually(t, func() bool {
				before, start := p.watcher.looks.Load(), time.Now()
				<-time.After(10 * of.quiet)
				return p.watcher.looks.Load()-before <= int64(time.Since(start)/of.quiet)+2
			}, soon, time.Millisecond)
			cancel()
			require.ErrorIs(t, <-got, driver.ErrNoTasks)
		})
	}
}

// TestAnotherProcessIsHeardWhileTheWatcherRests has looks so seldom that they find
// nothing in time.
func TestAnotherProcessIsHeardWhileTheWatcherRests(t *testing.T) {
	of := usualPace
	of.quiet, of.stir = time.Hour, 2*time.Second // a slow disk comes between the ring and the commit
	path := newFile(t)
	p := openFile(t, path, atPace(of, false))
	if p.watcher.bell == nil {
		t.Skip("the system does not tell of writes")
	}
	q := openQueue(t, p, driver.QueueConfig{})
	c := spawn(t, "enqueue", path)
	require.Equal(t, "ready", c.line())
	got := make(chan []string, 1)
	go func() {
		ds, _ := q.Dequeue(within(t), 1, time.Minute)
		got <- idsOf(ds)
	}()
	rests(t, p)
	require.NoError(t, c.in.Close())
	require.Equal(t, []string{"from another process"}, <-got)
	c.rest()
}

// rests waits until the watcher has looked and looks no more.
func rests(t *testing.T, p *Provider) {
	last := int64(0)
	require.Eventually(t, func() bool {
		n := p.watcher.looks.Load()
		still := n > 0 && n == last
		last = n
		return still && p.lobby.occupied()
	}, soon, 50*time.Millisecond)
}

func TestAnotherProcessIsSeenWithoutABell(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path, atPace(usualPace, true))
	require.Nil(t, p.watcher.bell)
	q := openQueue(t, p, driver.QueueConfig{})
	c := spawn(t, "enqueue", path)
	require.Equal(t, "ready", c.line())
	got := make(chan []string, 1)
	go func() {
		ds, _ := q.Dequeue(within(t), 1, time.Minute)
		got <- idsOf(ds)
	}()
	require.Eventually(t, p.lobby.occupied, soon, time.Millisecond)
	require.NoError(t, c.in.Close())
	require.Equal(t, []string{"from another process"}, <-got)
	c.rest()
}
