package redis

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// fill makes the memory of a server full, until empty is called.
func fill(t testing.TB, url string) (empty func()) {
	t.Helper()
	c := admin(t, url)
	require.NoError(t, c.ConfigSet(within(t), "maxmemory", "1mb").Err())
	require.ErrorContains(t, c.Set(within(t), "more", "x", 0).Err(), "OOM")
	return func() { require.NoError(t, c.ConfigSet(within(t), "maxmemory", "0").Err()) }
}

// apart makes tasks that fit a queue, each in a group of its own.
func apart(cfg driver.QueueConfig, name string, n int) []*driver.Task {
	all := fitting(cfg, name, n)
	for _, t := range all {
		if t.GroupKey != "" {
			t.GroupKey = t.ID
		}
	}
	return all
}

// TestAFullServerIsWorkedOff does all that frees or keeps, as the first thing that a
// script does and with nothing else to do, while the server takes no growing command.
func TestAFullServerIsWorkedOff(t *testing.T) {
	for _, cfg := range kinds {
		t.Run(cfg.Name, func(t *testing.T) {
			s := own(t)
			p := open(t, s.URL)
			q := openQueue(t, p, cfg)
			ctx := within(t)
			enqueue(t, q, apart(cfg, "here", 30)...)
			later := apart(cfg, "later", 2)
			for _, ks := range later {
				ks.ScheduledFor = time.Now().Add(time.Hour)
			}
			enqueue(t, q, later...)
			held := take(t, q, 2)
			empty := fill(t, s.URL)

			fresh := apart(cfg, "fresh", 2)
			fresh[1].UniqueKey, fresh[1].UniqueFor = "key", time.Hour
			_, err := q.Enqueue(ctx, append(fresh, apart(cfg, "here", 1)...))
			for i := range 2 {
				require.ErrorIs(t, driver.ErrorAt(err, i), driver.ErrQueueFull)
				require.ErrorContains(t, driver.ErrorAt(err, i), "maxmemory")
			}
			require.NoError(t, q.Extend(ctx, held, time.Hour))
			require.NoError(t, q.Extend(ctx, held[:1], time.Hour))
			require.NoError(t, q.Pause(ctx, time.Time{}))
			require.NoError(t, q.Resume(ctx))
			q.keyspace.signalOthers()
			_, err = p.run(ctx, q.keyspace.newCall(opSignal, 0))
			require.NoError(t, err)
			require.NoError(t, q.Reschedule(ctx, later[0].ID, time.Now().Add(2*time.Hour)))
			gone, err := q.Cancel(ctx, []string{later[1].ID})
			require.NoError(t, err)
			require.Len(t, gone, 1)

			again := openQueue(t, open(t, s.URL), cfg)
			more := take(t, again, 3)
			more[0].Delay = time.Millisecond
			require.NoError(t, again.Release(ctx, more[:1]))
			require.NoError(t, again.Release(ctx, more[1:2]))
			driver.RecordDeath(more[2].Task, cfg.Name, time.Now(), errors.New("it failed"))
			require.NoError(t, again.DeadLetter(ctx, more[2:]))
			require.NoError(t, again.Complete(ctx, held[:1]))
			_, err = q.Redrive(ctx, nil)
			require.NoError(t, err)
			for _, state := range []driver.State{driver.Ready, driver.Scheduled, driver.Leased, driver.Dead} {
				_, _, err := q.Browse(ctx, state, "", 5)
				require.NoError(t, err)
			}
			// A lease that ends, a task that becomes due, and an enqueue after it.
			lost, err := q.Dequeue(ctx, 1, time.Millisecond)
			require.NoError(t, err)
			require.Len(t, lost, 1)
			require.Eventually(t, func() bool {
				_, err := q.Enqueue(ctx, apart(cfg, "fresh", 1))
				require.ErrorIs(t, err, driver.ErrQueueFull)
				return stats(t, q).Leased == 1 && stats(t, q).Scheduled <= 1
			}, soon, time.Millisecond)
			for stats(t, q).Ready > 0 {
				ds, err := q.Dequeue(ctx, 5, time.Minute)
				require.NoError(t, err)
				require.NoError(t, q.Complete(ctx, ds))
			}
			require.NoError(t, q.Complete(ctx, held[1:]))
			n, err := q.Purge(ctx)
			require.NoError(t, err)
			require.Equal(t, 1, n, "the scheduled one")
			other := openQueue(t, again.p, driver.QueueConfig{Name: "another", DLQ: "its-dead"})
			require.Equal(t, driver.Stats{}, stats(t, other))

			empty()
			enqueue(t, q, fresh...)
			require.EqualValues(t, 2, stats(t, q).Ready)
		})
	}
}

func TestAFullServerKeepsResultsDeadLettersAndJobs(t *testing.T) {
	s := own(t)
	p := open(t, s.URL)
	ctx := within(t)
	body := jobstore.Body{Task: task("fires")}
	job := &schedule.Entry{ID: "job", Wake: time.Now().Add(-time.Second), Body: body}
	require.NoError(t, p.Jobs().Put(ctx, job))
	empty := fill(t, s.URL)

	got := make(chan error, 1)
	go func() {
		_, err := p.Results().Await(ctx, "a")
		got <- err
	}()
	require.NoError(t, p.Results().PutResult(ctx, "a", []byte("1"), "", time.Minute))
	require.NoError(t, <-got)

	require.NoError(t, p.Letters().Put(ctx, tasks(3)))
	listed, _, err := p.Letters().List(ctx, "", 5)
	require.NoError(t, err)
	require.Len(t, listed, 3)
	_, err = p.Letters().Delete(ctx, []string{listed[0].ID})
	require.NoError(t, err)

	due, now, _, err := p.Jobs().Claim(ctx, anything, 5, time.Minute)
	require.NoError(t, err)
	require.Len(t, due, 1)
	due[0].Wake = now.Add(time.Hour)
	fresh := &schedule.Entry{ID: "fresh", Body: body}
	err = p.Jobs().Settle(ctx, []*schedule.Entry{due[0], fresh})
	require.NoError(t, driver.ErrorAt(err, 0))
	require.ErrorIs(t, driver.ErrorAt(err, 1), driver.ErrQueueFull)
	require.NoError(t, p.Jobs().Note(ctx, "job", schedule.Run{Due: now}))
	empty()
	require.NoError(t, p.Jobs().Put(ctx, fresh))
}

// TestAServerThatCannotWriteToItsDiskAnswersThatItIsFull: it refuses all writes, with
// another word.
func TestAServerThatCannotWriteToItsDiskAnswersThatItIsFull(t *testing.T) {
	s := own(t, "--save", "3600 1", "--appendonly", "no", "--enable-protected-configs", "yes")
	for _, cfg := range kinds {
		q := openQueue(t, open(t, s.URL), cfg)
		c := admin(t, s.URL)
		dir := filepath.Join(t.TempDir(), "gone")
		require.NoError(t, os.Mkdir(dir, 0o700))
		was := c.ConfigGet(within(t), "dir").Val()["dir"]
		require.NoError(t, c.ConfigSet(within(t), "dir", dir).Err())
		require.NoError(t, os.Remove(dir))
		require.Eventually(t, func() bool {
			_ = c.BgSave(within(t)).Err()
			return c.Set(within(t), "x", "y", 0).Err() != nil
		}, soon, 10*time.Millisecond)
		_, err := q.Enqueue(within(t), apart(cfg, "fresh", 2))
		require.ErrorIs(t, driver.ErrorAt(err, 0), driver.ErrQueueFull)
		require.ErrorIs(t, driver.ErrorAt(err, 1), driver.ErrQueueFull)
		require.ErrorContains(t, err, "MISCONF")
		require.NoError(t, c.ConfigSet(within(t), "dir", was).Err())
		require.Eventually(t, func() bool {
			_ = c.BgSave(within(t)).Err()
			return c.Set(within(t), "x", "y", 0).Err() == nil
		}, soon, 10*time.Millisecond)
		enqueue(t, q, apart(cfg, "fresh", 2)...)
	}
}

func TestNoReplyOrRequestHoldsMoreThanItsBytes(t *testing.T) {
	t.Parallel()
	for _, cfg := range kinds {
		t.Run(cfg.Name, func(t *testing.T) {
			s := own(t)
			p := open(t, s.URL)
			q := openQueue(t, p, cfg)
			const n, size = 60, 200_000
			all := apart(cfg, "large", n)
			for i := range all {
				// Small ones stand between, and before all others.
				if i%3 > 0 && i > 20 {
					all[i].Payload = fmt.Appendf(nil, `"%0*d"`, size, i)
				}
			}
			enqueue(t, q, all...)
			small := func(ds []*driver.Delivery, what string) {
				t.Helper()
				bytes := 0
				for _, d := range ds {
					bytes += len(d.Task.Payload)
				}
				assert.LessOrEqual(t, bytes, maxScriptBytes, what)
			}
			var held []*driver.Delivery
			var ids []string
			for len(held) < n {
				ds, err := q.Dequeue(within(t), 1000, time.Minute)
				require.NoError(t, err)
				small(ds, "one dequeue")
				held = append(held, ds...)
			}
			for _, d := range held {
				ids = append(ids, d.Task.ID)
			}
			if cfg.Type == "" {
				for i := range all {
					require.Equal(t, all[i].ID, ids[i], "in the order they came")
				}
			}
			require.NoError(t, q.Release(within(t), held))
			listed, next, err := q.Browse(within(t), driver.Ready, "", 1000)
			require.NoError(t, err)
			require.Empty(t, next)
			require.Len(t, listed, n)
			held = take(t, q, n)
			for _, d := range held {
				driver.RecordDeath(d.Task, cfg.Name, time.Now(), errors.New("it failed"))
			}
			require.NoError(t, q.DeadLetter(within(t), held))
			dlq := openQueue(t, p, driver.QueueConfig{Name: q.cfg.DLQ})
			ds, err := dlq.Dequeue(within(t), 1000, time.Minute)
			require.NoError(t, err)
			small(ds, "one dequeue of the dead")
			require.NoError(t, dlq.Release(within(t), ds))
			back, err := q.Redrive(within(t), nil)
			require.NoError(t, err)
			require.ElementsMatch(t, ids, back)
			ds, err = q.Dequeue(within(t), 1000, time.Minute)
			require.NoError(t, err)
			small(ds, "one dequeue of what is back")
			require.NoError(t, q.Complete(within(t), ds))
			purged, err := q.Purge(within(t))
			require.NoError(t, err)
			require.Equal(t, n-len(ds), purged)
			require.Equal(t, driver.Stats{}, stats(t, q))
		})
	}
}

func TestAWorkerOfDeadLettersMayBeThereBeforeTheQueuesWhoseDeadItGets(t *testing.T) {
	p := open(t, sharedURL(t))
	late := openQueue(t, p, driver.QueueConfig{Name: "late"})
	require.False(t, late.isDLQ)
	openQueue(t, p, driver.QueueConfig{Name: "early", DLQ: "late"})
	openQueue(t, p, driver.QueueConfig{Name: "early", DLQ: "late"})
}

// TestAPageGoesOnWhereItEnded has many tasks of one time, some of which go between two
// pages.
func TestAPageGoesOnWhereItEnded(t *testing.T) {
	for _, cfg := range kinds[:3] {
		q := openQueue(t, open(t, sharedURL(t)), cfg)
		all := apart(cfg, "t", 700)
		at := time.Now().Add(time.Hour)
		for _, t := range all {
			t.ScheduledFor = at
		}
		enqueue(t, q, all...)
		seen := make(map[string]bool)
		for cursor := ""; ; {
			page, next, err := q.Browse(within(t), driver.Scheduled, cursor, 90)
			require.NoError(t, err)
			for _, task := range page {
				require.False(t, seen[task.ID], task.ID)
				seen[task.ID] = true
			}
			if next == "" {
				break
			}
			cursor = next
			_, err = q.Cancel(within(t), []string{page[0].ID, page[len(page)-1].ID})
			require.NoError(t, err)
		}
		require.Len(t, seen, 700)
		_, next, err := q.Browse(within(t), driver.Scheduled, "", 1000)
		require.NoError(t, err)
		require.Empty(t, next)
	}
}
