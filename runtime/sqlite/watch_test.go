package sqlite

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// atPace has the watcher check so often, and without a walNotifier where noInotify is
// set.
func withIntervals(of checkIntervals, noInotify bool) Option {
	return func(p *Provider) { p.intervals, p.noInotify = of, noInotify }
}

func TestAWatcherPollsSeldomWhileNobodyWrites(t *testing.T) {
	for name, noInotify := range map[string]bool{"with a bell": false, "without one": true} {
		t.Run(name, func(t *testing.T) {
			of := checkIntervals{busy: time.Millisecond, activeFor: 10 * time.Millisecond, idle: 50 * time.Millisecond, noInotify: 50 * time.Millisecond}
			p := openFile(t, newFile(t), withIntervals(of, noInotify))
			q := openQueue(t, p, driver.QueueConfig{})
			ctx, cancel := context.WithCancel(context.Background())
			got := make(chan error, 1)
			go func() {
				_, err := q.Dequeue(ctx, 1, time.Minute)
				got <- err
			}()
			require.Eventually(t, func() bool { return p.watcher.polls.Load() > 0 }, soon, time.Millisecond)
			// Once what opening the queue has written is past, however long that takes.
			require.Eventually(t, func() bool {
				before, start := p.watcher.polls.Load(), time.Now()
				<-time.After(10 * of.idle)
				return p.watcher.polls.Load()-before <= int64(time.Since(start)/of.idle)+2
			}, soon, time.Millisecond)
			cancel()
			require.ErrorIs(t, <-got, driver.ErrNoTasks)
		})
	}
}

// TestAnotherProcessIsHeardWhileTheWatcherRests has checks so seldom that they find
// nothing in time.
func TestAnotherProcessIsHeardWhileTheWatcherRests(t *testing.T) {
	of := defaultIntervals
	of.idle, of.activeFor = time.Hour, 2*time.Second // a slow disk comes between the write and the commit
	path := newFile(t)
	p := openFile(t, path, withIntervals(of, false))
	if p.watcher.walNotifier == nil {
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

// rests waits until the watcher has polled and polls no more.
func rests(t *testing.T, p *Provider) {
	last := int64(0)
	require.Eventually(t, func() bool {
		n := p.watcher.polls.Load()
		still := n > 0 && n == last
		last = n
		return still && p.waitQueues.hasWaiters()
	}, soon, 50*time.Millisecond)
}

func TestAnotherProcessIsSeenWithoutANotifier(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path, withIntervals(defaultIntervals, true))
	require.Nil(t, p.watcher.walNotifier)
	q := openQueue(t, p, driver.QueueConfig{})
	c := spawn(t, "enqueue", path)
	require.Equal(t, "ready", c.line())
	got := make(chan []string, 1)
	go func() {
		ds, _ := q.Dequeue(within(t), 1, time.Minute)
		got <- idsOf(ds)
	}()
	require.Eventually(t, p.waitQueues.hasWaiters, soon, time.Millisecond)
	require.NoError(t, c.in.Close())
	require.Equal(t, []string{"from another process"}, <-got)
	c.rest()
}
