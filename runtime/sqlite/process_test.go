package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// requireIntact has SQLite check the file.
func requireIntact(t *testing.T, p *Provider) {
	text, err := sqlitex.ResultText(p.reader.c.Prep("PRAGMA integrity_check"))
	require.NoError(t, err)
	require.Equal(t, "ok", text)
}

func TestKillAtAnyMomentLosesNothingAndBringsNothingBack(t *testing.T) {
	const kills = 25
	path := newFile(t)
	enqueued, trying, completed := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for range kills {
		c := spawn(t, "churn", path)
		var lines []string
		for range 1 + rand.IntN(40) {
			lines = append(lines, c.line())
		}
		<-time.After(rand.N(3 * time.Millisecond))
		for _, text := range append(lines, c.kill()...) {
			words := strings.Fields(text)
			require.NotEmpty(t, words, "the child ended by itself: %s", &c.errs)
			into := map[string]map[string]bool{"ENQUEUED": enqueued, "completing": trying, "COMPLETED": completed}[words[0]]
			for _, id := range words[1:] {
				into[id] = true
			}
		}
	}
	// Later than every lease.
	p := openFile(t, path, WithClock(tasktest.NewClock(time.Now().Add(time.Hour))))
	requireIntact(t, p)
	requireConsistent(t, p)
	q := openQueue(t, p, driver.QueueConfig{})
	left := map[string]bool{}
	for ds := take(t, q, 1000); len(ds) > 0; ds = take(t, q, 1000) {
		for _, d := range ds {
			require.False(t, left[d.Task.ID], "task %s came twice", d.Task.ID)
			left[d.Task.ID] = true
		}
		require.NoError(t, q.Complete(context.Background(), ds))
	}
	for id := range enqueued {
		if !trying[id] {
			require.True(t, left[id], "task %s was acknowledged, never completed, and is lost", id)
		}
	}
	for id := range completed {
		require.False(t, left[id], "the completion of task %s was acknowledged, and it came back", id)
	}
	require.NotEmpty(t, completed)
	require.NotEmpty(t, left)
	requireEmpty(t, p)
}

func TestAWaiterIsWokenByAnotherProcess(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	c := spawn(t, "enqueue", path)
	require.Equal(t, "ready", c.line())
	got := make(chan []*driver.Delivery, 1)
	go func() {
		ds, _ := q.Dequeue(within(t), 1, time.Minute)
		got <- ds
	}()
	require.Eventually(t, p.waitQueues.hasWaiters, soon, time.Millisecond)
	require.NoError(t, c.in.Close())
	require.Contains(t, c.line(), "done")
	committed := time.Now()
	require.Equal(t, []string{"from another process"}, idsOf(<-got))
	// The poll is every 2 ms; the rest is for a busy machine.
	require.Less(t, time.Since(committed), 500*time.Millisecond)
	c.rest()
}

func TestAResultOfAnotherProcessWakesItsWaiter(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	c := spawn(t, "result", path)
	require.Equal(t, "ready", c.line())
	got := make(chan string, 1)
	go func() {
		data, err := p.Results().Await(within(t), "t1")
		got <- fmt.Sprint(string(data), err)
	}()
	require.Eventually(t, p.results.hasWaiters, soon, time.Millisecond)
	c.quit(t)
	require.Equal(t, `"from another process"<nil>`, <-got)
}

func TestProcessesDoNotStarveOneAnother(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	// This process has work without a pause.
	ctx, cancel := context.WithCancel(context.Background())
	busy := make(chan error, 1)
	go func() {
		for round := 0; ctx.Err() == nil; round++ {
			ts := make([]*driver.Task, 100)
			for i := range ts {
				ts[i] = task(fmt.Sprintf("busy-%d-%d", round, i))
			}
			if _, err := q.Enqueue(context.Background(), ts); err != nil {
				busy <- err
				return
			}
		}
		busy <- nil
	}()
	a, b := spawn(t, "fill", path), spawn(t, "fill", path)
	for _, c := range []*child{a, b} {
		var passed int64
		line := c.line()
		_, err := fmt.Sscanf(line, "passed %d", &passed)
		require.NoError(t, err, "%q %s", line, &c.errs)
		t.Logf("%d tasks of a busy process passed one enqueue at most", passed)
		require.Less(t, passed, int64(500*100), "of five hundred transactions, which a busy machine may take; who tries for the lock too seldom waits for more")
		c.quit(t)
	}
	cancel()
	require.NoError(t, <-busy)
	requireIntact(t, p)
}

func TestANewFileMayBeOpenedByManyAtOnce(t *testing.T) {
	for range 5 {
		path := newFile(t)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				p, err := Open(context.Background(), path)
				if assert.NoError(t, err) {
					assert.NoError(t, p.Close())
				}
			})
		}
		c, d := spawn(t, "fill", path), spawn(t, "fill", path)
		all.Wait()
		c.quit(t)
		d.quit(t)
	}
}
