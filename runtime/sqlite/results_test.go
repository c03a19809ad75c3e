package sqlite

import (
	"bytes"
	"context"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/drivertest/resultstoretest"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestResultsKeepWhatAResultStorePromises(t *testing.T) {
	resultstoretest.Run(t, func(tb testing.TB) resultstoretest.Place {
		path := tb.TempDir() + "/tasks.db"
		clock := tasktest.NewClock(time.Now())
		return resultstoretest.Place{
			Open: func() driver.ResultStore {
				p, err := Open(context.Background(), path, WithClock(clock))
				require.NoError(tb, err)
				tb.Cleanup(func() { require.NoError(tb, p.Close()) })
				return p.Results()
			},
			Pass: clock.Advance,
		}
	})
}

// TestAResultOfTheSameProcessNeedsNoLook takes away the watcher, which looks for what
// other processes write.
func TestAResultOfTheSameProcessNeedsNoLook(t *testing.T) {
	p := openFile(t, newFile(t))
	p.watcher.close()
	got := make(chan string, 1)
	go func() {
		data, err := p.Results().Await(within(t), "a")
		if err != nil {
			data = []byte(err.Error())
		}
		got <- string(data)
	}()
	require.Eventually(t, p.results.hasWaiters, soon, time.Millisecond)
	require.NoError(t, p.Results().PutResult(within(t), "a", []byte("1"), "", time.Minute))
	require.Equal(t, "1", <-got)
}

// TestAResultIsHeardOfByOneWhoComesDuringTheFirstLook has somebody come, and their result
// be written, after the watcher has begun to poll and before it reads which result is the
// last.
func TestAResultIsHeardOfByOneWhoComesDuringTheFirstLook(t *testing.T) {
	path := newFile(t)
	p, other := openFile(t, path), openFile(t, path)
	p.watcher.close()
	r, err := newReader(path)
	require.NoError(t, err)
	defer r.close()
	_, err = p.results.enter("the first")
	require.NoError(t, err)

	r.mu.Lock() // the poll has to wait where it reads
	looked := make(chan error, 1)
	go func() { looked <- p.results.poll(r) }()
	require.Eventually(t, func() bool {
		stacks := make([]byte, 1<<20)
		return bytes.Contains(stacks[:goruntime.Stack(stacks, true)], []byte("sqlite.(*reader).do("))
	}, soon, time.Millisecond)
	news, err := p.results.enter("the second")
	require.NoError(t, err)
	_, _, found, err := p.results.get(within(t), "the second")
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, other.Results().PutResult(within(t), "the second", []byte("1"), "", time.Minute))
	r.mu.Unlock()
	require.NoError(t, <-looked)
	require.NoError(t, p.results.poll(r))
	select {
	case <-news:
	default:
		t.Fatal("the result was written and the one who waits for it is not told")
	}
}

// TestAFailedLookIsRepeated has polls fail from before a result is written until after.
func TestAFailedLookIsRepeated(t *testing.T) {
	path := newFile(t)
	p, other := openFile(t, path), openFile(t, path)
	p.watcher.close()
	r, err := newReader(path)
	require.NoError(t, err)
	r.identity = &fileIdentity{paths: [3]string{path + "-elsewhere"}}
	w := newWatcher(r, p.waitQueues, p.results, p.jobs, p.watcher.identity, nil, defaultIntervals)
	go w.loop()
	defer w.close()
	got := make(chan string, 1)
	read := p.reader.c.steps.Load()
	go func() {
		data, err := p.Results().Await(within(t), "a")
		if err != nil {
			data = []byte(err.Error())
		}
		got <- string(data)
	}()
	// Await must have looked for itself, and found nothing, before there is a result.
	require.Eventually(t, func() bool { return w.polls.Load() > 0 && p.reader.c.steps.Load() > read }, soon, time.Millisecond)
	require.NoError(t, p.reader.do(within(t), 0, func(*tx) {})) // which comes behind its look
	require.NoError(t, other.Results().PutResult(within(t), "a", []byte("1"), "", time.Minute))
	before := w.polls.Load()
	require.Eventually(t, func() bool { return w.polls.Load() > before+1 }, soon, time.Millisecond)
	r.mu.Lock()
	r.identity = nil
	r.mu.Unlock()
	require.Equal(t, "1", <-got)
}

func TestWhatBecameOfATaskBelongsToOneLife(t *testing.T) {
	resultstoretest.RunLives(t, func(tb testing.TB) resultstoretest.Lives {
		p, err := Open(tb.Context(), tb.TempDir()+"/tasks.db")
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, p.Close()) })
		return resultstoretest.Lives{Provider: p, Results: p.Results(), Letters: p.Letters()}
	})
}
