package sqlite

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestTasksAreThereWhenTheFileIsOpenedAgain(t *testing.T) {
	path := newFile(t)
	p, err := Open(t.Context(), path)
	require.NoError(t, err)
	q := openQueue(t, p, driver.QueueConfig{Type: driver.Priority})
	enqueue(t, q, tasks(3)...)
	require.NoError(t, q.Pause(context.Background(), time.Time{}))
	require.NoError(t, p.Close())

	p = openFile(t, path)
	q = openQueue(t, p, driver.QueueConfig{Type: driver.Priority})
	paused, err := q.Paused(context.Background())
	require.NoError(t, err)
	require.Equal(t, driver.Pause{Paused: true}, paused, "a pause lasts")
	require.Empty(t, take(t, q, 9))
	require.NoError(t, q.Resume(context.Background()))
	require.Len(t, take(t, q, 9), 3)
	_, err = p.Open(context.Background(), driver.QueueConfig{Name: "q"})
	require.ErrorIs(t, err, driver.ErrQueueMismatch)
}

func TestAFileOfALaterVersionIsRefused(t *testing.T) {
	path := newFile(t)
	openFile(t, path)
	c := application(t, path)
	run(t, c, "UPDATE taskgen_meta SET value = '99' WHERE key = 'schema'")
	_, err := Open(t.Context(), path)
	require.ErrorIs(t, err, ErrNewerFile)
	require.ErrorContains(t, err, "version 99")
	require.ErrorContains(t, err, path)
	run(t, c, "UPDATE taskgen_meta SET value = 'x' WHERE key = 'schema'")
	_, err = Open(t.Context(), path)
	require.ErrorContains(t, err, `the schema version "x"`)
}

func TestAFileThatCannotBeOpenedSaysWhy(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("this is no database, and it is long enough to tell"), 0o600))
	for path, want := range map[string]string{
		"":                               "needs a file",
		":memory:":                       "use package memory",
		filepath.Join(dir, "no", "such"): "make its folder first",
		dir:                              "it is a folder",
		text:                             "not a database",
	} {
		_, err := Open(t.Context(), path)
		require.ErrorContains(t, err, want)
	}
	_, err := Open(t.Context(), newFile(t), WithSynchronous("OFF"))
	require.ErrorContains(t, err, "Full or Normal")
}

func TestOpenEndsWithItsContext(t *testing.T) {
	path := newFile(t)
	openFile(t, path)
	restore := cut(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Open(ctx, path)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), busyLimit, "it does not wait for the file's lock")
	restore()
	openFile(t, path)

	never := filepath.Join(t.TempDir(), "tasks.db")
	_, err = Open(ended(), never)
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, never)
}

// The lock of a file that is not in WAL mode yet keeps readers out, too.
func TestOpenEndsWithItsContextWhileTheFileIsLockedForReaders(t *testing.T) {
	path := newFile(t)
	c := application(t, path)
	run(t, c, "BEGIN EXCLUSIVE")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Open(ctx, path)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), busyLimit)
	run(t, c, "COMMIT")
	openFile(t, path)
}

func TestAProviderOutlivesTheContextOfItsOpen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Open(ctx, newFile(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	cancel()
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, task("a"))
	require.Len(t, take(t, q, 1), 1)
}

func TestTheChosenDurabilityIsSet(t *testing.T) {
	for sync, want := range map[Synchronous]int64{Full: 2, Normal: 1} {
		p := openFile(t, newFile(t), WithSynchronous(sync))
		// The writer's connection is idle: nothing was asked of it since Open.
		got, err := p.writer.c.number("PRAGMA synchronous")
		require.NoError(t, err)
		require.Equal(t, want, got, sync)
	}
}

func TestTheLogDoesNotGrowWithoutBound(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path, WithSynchronous(Normal))
	q := openQueue(t, p, driver.QueueConfig{})
	for range 40 {
		enqueue(t, q, tasks(500)...)
		require.NoError(t, q.Complete(context.Background(), take(t, q, 500)))
	}
	wal, err := os.Stat(path + "-wal")
	require.NoError(t, err)
	require.Less(t, wal.Size(), int64(walLimit))
	file, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, file.Size(), int64(8<<20), "the space of done tasks is used again")
}

func TestFreeSpaceGoesBackToTheSystem(t *testing.T) {
	path := newFile(t)
	clock := tasktest.NewClock(time.Now())
	p := openFile(t, path, WithSynchronous(Normal), WithClock(clock))
	q := openQueue(t, p, driver.QueueConfig{})
	large := make([]byte, 1<<20)
	base64.StdEncoding.Encode(large, make([]byte, 700<<10))
	large[0], large[len(large)-1] = '"', '"'
	for i := range large {
		if large[i] == 0 {
			large[i] = 'A'
		}
	}
	ts := tasks(28)
	for _, task := range ts {
		task.Payload = large
	}
	enqueue(t, q, ts...)
	require.NoError(t, q.Complete(context.Background(), take(t, q, 100)))
	size := func() int64 {
		pages, err := p.reader.c.number("PRAGMA page_count")
		require.NoError(t, err)
		return pages * 4096
	}
	full := size()
	require.Greater(t, full, int64(28<<20))
	for range 20 {
		clock.Advance(2 * time.Second)
		enqueue(t, q, task("x"))
		require.NoError(t, q.Complete(context.Background(), take(t, q, 1)))
	}
	require.Less(t, size(), int64(20<<20))
	require.Greater(t, size(), int64(keepPages*4096/2), "some is kept for the next tasks")
}

func TestExpiredKeysAndResultsAreRemovedInPassing(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	p := openFile(t, newFile(t), WithClock(clock))
	q := openQueue(t, p, driver.QueueConfig{})
	one := task("a")
	one.UniqueKey, one.UniqueFor = "k", time.Minute
	enqueue(t, q, one)
	require.NoError(t, p.Results().PutResult(context.Background(), "a", []byte("1"), "", time.Minute))
	require.NoError(t, q.Complete(context.Background(), take(t, q, 1)))
	two := task("b")
	two.UniqueKey, two.UniqueFor = "k", time.Minute
	require.True(t, enqueue(t, q, two)[0].Duplicate, "the window is longer than the task's life")
	clock.Advance(2 * time.Minute)
	enqueue(t, q, task("c"))
	require.NoError(t, q.Complete(context.Background(), take(t, q, 1)))
	requireEmpty(t, p)
}

func TestARowThatCannotBeDecodedGoesToTheDeadLetterQueue(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	dlq := openQueue(t, p, driver.QueueConfig{Name: "q-dlq"})
	bad := task("bad")
	bad.UniqueKey = "k"
	enqueue(t, q, bad, task("good"))
	c := application(t, path)
	run(t, c, "UPDATE taskgen_job SET envelope = x'00ff7b' WHERE id = 'bad'")

	shown, _, err := q.Browse(context.Background(), driver.Ready, "", 9)
	require.NoError(t, err)
	require.Equal(t, driver.UndecodableType, shown[0].Type)

	var heard []string
	ds, err := q.Dequeue(driver.HearBuried(context.Background(), func(t *driver.Task) {
		heard = append(heard, t.ID+" "+t.Type+" "+t.Metadata[driver.MetaFailureReason])
	}), 9, time.Minute)
	require.NoError(t, err)
	require.Equal(t, []string{"good"}, idsOf(ds), "the good ones come")
	require.Len(t, heard, 1, "whoever dequeues hears of the others")
	require.Contains(t, heard[0], "bad taskgen.undecodable taskgen: invalid task: the message cannot be decoded: ")
	require.NoError(t, q.Complete(context.Background(), ds))
	require.Equal(t, driver.Stats{Dead: 1}, stats(t, q))
	dead := take(t, dlq, 9)
	require.Equal(t, []string{"bad"}, idsOf(dead))
	require.Equal(t, driver.UndecodableType, dead[0].Task.Type)
	require.Equal(t, `"AP97"`, string(dead[0].Task.Payload), "the bytes of the row")
	require.Contains(t, dead[0].Task.Metadata[driver.MetaFailureReason], "cannot be decoded")
	require.NoError(t, dlq.Release(context.Background(), dead))
	require.False(t, enqueue(t, q, func() *driver.Task { n := task("n"); n.UniqueKey = "k"; return n }())[0].Duplicate)
	require.NoError(t, q.Complete(context.Background(), take(t, q, 9)))

	// Broken on the dead letter queue itself: it is handed out there, as what
	// stands for it.
	run(t, c, "UPDATE taskgen_job SET envelope = x'01' WHERE id = 'bad'")
	dead = take(t, dlq, 9)
	require.Equal(t, `"AQ=="`, string(dead[0].Task.Payload))
	require.NoError(t, dlq.Release(context.Background(), dead))

	run(t, c, "UPDATE taskgen_job SET envelope = x'02' WHERE id = 'bad'")
	back, err := q.Redrive(context.Background(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"bad"}, back)
	ds = take(t, q, 9)
	require.Equal(t, driver.UndecodableType, ds[0].Task.Type)
	require.NoError(t, q.Complete(context.Background(), ds))
	requireEmpty(t, p)
}

func TestABatchOfNothingButBrokenRowsKeepsDequeueWaiting(t *testing.T) {
	path := newFile(t)
	p := openFile(t, path)
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, tasks(3)...)
	run(t, application(t, path), "UPDATE taskgen_job SET envelope = x''")
	require.Empty(t, take(t, q, 2))
	require.Equal(t, int64(3), stats(t, q).Dead)
}

func TestTwoTasksOfOneIDCanBothBeDead(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	for range 2 {
		enqueue(t, q, task("a"))
		require.NoError(t, q.DeadLetter(context.Background(), take(t, q, 1)))
	}
	require.Equal(t, int64(2), stats(t, q).Dead)
	shown, _, err := q.Browse(context.Background(), driver.Dead, "", 9)
	require.NoError(t, err)
	require.Len(t, shown, 2)
	back, err := q.Redrive(context.Background(), []string{"a"})
	require.Equal(t, []string{"a"}, back)
	require.ErrorIs(t, err, driver.ErrDuplicate, "the second finds the first on the queue")
	gone, err := q.Discard(context.Background(), []string{"a"})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, gone)
	require.NoError(t, q.Complete(context.Background(), take(t, q, 9)))
	requireEmpty(t, p)
}

func TestReschedulingTheHeadOfAGroupHoldsTheGroup(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	p := openFile(t, newFile(t), WithClock(clock))
	q := openQueue(t, p, driver.QueueConfig{Type: driver.FIFO})
	a, b := task("a"), task("b")
	a.GroupKey, b.GroupKey = "g", "g"
	enqueue(t, q, a, b)
	ctx := context.Background()

	require.NoError(t, q.Release(ctx, take(t, q, 1)))
	require.NoError(t, q.Reschedule(ctx, "a", clock.Now().Add(time.Minute)))
	requireConsistent(t, p)
	require.Empty(t, take(t, q, 9), "the group waits for its head, which was handed out before")
	clock.Advance(time.Minute)
	ds := take(t, q, 9)
	require.Equal(t, []string{"a"}, idsOf(ds))

	ds[0].Delay = time.Hour
	require.NoError(t, q.Release(ctx, ds))
	gone, err := q.Cancel(ctx, []string{"a"})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, gone)
	requireConsistent(t, p)
	ds = take(t, q, 9)
	require.Equal(t, []string{"b"}, idsOf(ds), "cancelling the head frees the group")
	require.NoError(t, q.Complete(ctx, ds))
	requireEmpty(t, p)
}

func TestAReceiptOfNobodyIsRefused(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	enqueue(t, q, task("a"))
	d := take(t, q, 1)[0]
	for _, r := range []driver.Receipt{"", ".", "x", "1.", "1.1", "-1.5+", "zzzzzzzzzzzzzzzz.1", d.Receipt + "x"} {
		stale := &driver.Delivery{Task: d.Task, Receipt: r}
		require.ErrorIs(t, q.Complete(context.Background(), []*driver.Delivery{stale}), driver.ErrLeaseLost, "%q", r)
	}
	require.NoError(t, q.Complete(context.Background(), []*driver.Delivery{d}))
	requireEmpty(t, p)
}

func TestArgumentsThatMakeNoSenseAreRefused(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	ctx := context.Background()
	_, err := q.Dequeue(ctx, 0, time.Minute)
	require.ErrorContains(t, err, "dequeue 0 tasks")
	_, err = q.Dequeue(ctx, 1, 0)
	require.ErrorContains(t, err, "for 0s")
	require.ErrorContains(t, q.Extend(ctx, nil, -1), "longer than 0")
	_, _, err = q.Browse(ctx, driver.Ready, "", 0)
	require.ErrorContains(t, err, "at least 1")
	_, _, err = q.Browse(ctx, driver.Ready, "nonsense", 1)
	require.ErrorContains(t, err, `"nonsense" is not a cursor`)
	_, _, err = q.Browse(ctx, "asleep", "", 1)
	require.ErrorContains(t, err, `state "asleep"`)
	require.ErrorIs(t, q.Reschedule(ctx, "nobody", time.Now()), driver.ErrTaskNotFound)
}

func TestTimesBeyondTheRangeAreKeptAsTheNearest(t *testing.T) {
	p := openFile(t, newFile(t))
	q := openQueue(t, p, driver.QueueConfig{})
	never, past := task("never"), task("past")
	never.ScheduledFor = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)
	past.ScheduledFor = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	enqueue(t, q, never, past)
	require.Equal(t, []string{"past"}, idsOf(take(t, q, 9)))
	require.Equal(t, int64(1), stats(t, q).Scheduled)
}

func TestResultsAreKeptForTheirTime(t *testing.T) {
	clock := tasktest.NewClock(time.Now())
	p := openFile(t, newFile(t), WithClock(clock))
	rs, ctx := p.Results(), context.Background()
	require.NoError(t, rs.PutResult(ctx, "a", []byte("1"), "", time.Minute))
	require.NoError(t, rs.PutResult(ctx, "a", []byte("2"), "", time.Minute))
	data, err := rs.Await(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "2", string(data))
	require.NoError(t, rs.PutResult(ctx, "b", nil, "it broke", 0))
	_, err = rs.Await(ctx, "b")
	require.ErrorIs(t, err, driver.ErrTaskFailed)
	require.ErrorContains(t, err, "it broke")
	clock.Advance(time.Hour)
	_, err = rs.Await(withDeadline(t, 10*time.Millisecond), "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = rs.Await(ctx, "b")
	require.ErrorIs(t, err, driver.ErrTaskFailed, "no time given: a day")
	clock.Advance(24 * time.Hour)
	_, err = rs.Await(withDeadline(t, 10*time.Millisecond), "b")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAResultWakesItsWaitersAtOnce(t *testing.T) {
	p := openFile(t, newFile(t))
	got := make(chan string, 2)
	for range 2 {
		go func() {
			data, _ := p.Results().Await(within(t), "a")
			got <- string(data)
		}()
	}
	require.Eventually(t, func() bool {
		p.results.mu.Lock()
		defer p.results.mu.Unlock()
		return len(p.results.waiting["a"]) == 2
	}, soon, time.Millisecond)
	require.NoError(t, p.Results().PutResult(context.Background(), "other", []byte("0"), "", time.Minute))
	require.NoError(t, p.Results().PutResult(context.Background(), "a", []byte("1"), "", time.Minute))
	require.Equal(t, "1", <-got)
	require.Equal(t, "1", <-got)
	require.False(t, p.results.hasWaiters())
}
