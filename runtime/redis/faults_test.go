package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// viaProxy opens a provider on a server of its own, with a proxy between.
func viaProxy(t *testing.T) (*Provider, *faultproxy.Proxy, *testserver.Server) {
	s := own(t)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	proxy, err := faultproxy.Listen(u.Host)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	return open(t, "redis://"+proxy.Addr()), proxy, s
}

// lostReply runs an operation whose first reply is lost after the server has
// acted, which done tells. The operation itself must come to its end without an
// error.
func lostReply(t *testing.T, proxy *faultproxy.Proxy, operation func() error, done func() bool) {
	t.Helper()
	proxy.Mute()
	result := make(chan error, 1)
	go func() { result <- operation() }()
	require.Eventually(t, done, soon, time.Millisecond)
	proxy.Heal()
	require.NoError(t, <-result)
}

func TestAnEnqueueWhoseReplyIsLostIsNoDuplicateOfItself(t *testing.T) {
	due := time.Now().Add(time.Hour)
	for name, change := range map[string]func(*driver.Task){
		"plain":   func(*driver.Task) {},
		"delayed": func(t *driver.Task) { t.ScheduledFor = due },
		"unique":  func(t *driver.Task) { t.UniqueKey = "key-" + t.ID },
	} {
		t.Run(name, func(t *testing.T) {
			p, proxy, s := viaProxy(t)
			q := openQueue(t, p, driver.QueueConfig{})
			c := admin(t, s.URL)
			all := tasks(600)
			for _, task := range all {
				change(task)
			}
			// The scripts are known to the server, and connections are there.
			enqueue(t, q, all[0])
			lostReply(t, proxy, func() error {
				answers, err := q.Enqueue(within(t), all[1:])
				for i, a := range answers {
					assert.False(t, a.Duplicate, "task %d", i)
				}
				return err
			}, func() bool { return c.HLen(within(t), q.keyspace.key(keyBody)).Val() == int64(len(all)) })
			st := stats(t, q)
			require.EqualValues(t, len(all), st.Ready+st.Scheduled)
			_, err := q.Enqueue(within(t), all[:1])
			if name == "unique" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, driver.ErrDuplicate, "a call of its own is told")
			}
		})
	}
}

func TestASettlingWhoseReplyIsLostIsNoLostLease(t *testing.T) {
	for name, settle := range map[string]func(*queue, []*driver.Delivery) error{
		"complete":   func(q *queue, ds []*driver.Delivery) error { return q.Complete(context.Background(), ds) },
		"release":    func(q *queue, ds []*driver.Delivery) error { return q.Release(context.Background(), ds) },
		"deadletter": func(q *queue, ds []*driver.Delivery) error { return q.DeadLetter(context.Background(), ds) },
		"extend": func(q *queue, ds []*driver.Delivery) error {
			return q.Extend(context.Background(), ds, time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, proxy, s := viaProxy(t)
			q := openQueue(t, p, driver.QueueConfig{})
			c := admin(t, s.URL)
			enqueue(t, q, tasks(20)...)
			warm := take(t, q, 1)
			require.NoError(t, settle(q, warm))
			ds := take(t, q, 10)
			leases := func() int64 { return c.ZCard(within(t), q.keyspace.key(keyLease)).Val() }
			before := leases()
			end := func() float64 { return c.ZScore(within(t), q.keyspace.key(keyLease), string(ds[0].Receipt)).Val() }
			was := end()
			lostReply(t, proxy, func() error { return settle(q, ds) }, func() bool {
				return leases() == before-10 || name == "extend" && end() > was
			})
		})
	}
}

func TestACompletionIsALostLeaseWhenAnotherHasTheTask(t *testing.T) {
	p, proxy, s := viaProxy(t)
	q := openQueue(t, p, driver.QueueConfig{})
	other := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	enqueue(t, q, task("a"))
	ds, err := q.Dequeue(within(t), 1, 20*time.Millisecond)
	require.NoError(t, err)
	again := take(t, other, 1)
	proxy.Mute()
	result := make(chan error, 1)
	trips := proxy.Trips()
	go func() { result <- q.Complete(within(t), ds) }()
	require.Eventually(t, func() bool { return proxy.Trips() > trips }, soon, time.Millisecond)
	require.NoError(t, other.Complete(within(t), again))
	proxy.Heal()
	require.ErrorIs(t, <-result, driver.ErrLeaseLost)
}

func TestConnectionsCutAtAnyByteLoseNothing(t *testing.T) {
	p, proxy, s := viaProxy(t)
	q := openQueue(t, p, driver.QueueConfig{})
	direct := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	want := make(map[string]bool)
	for i := range 60 {
		batch := make([]*driver.Task, 5)
		for k := range batch {
			batch[k] = task(fmt.Sprintf("%d-%d", i, k))
		}
		proxy.Sever(1 + 37*i)
		_, err := q.Enqueue(within(t), batch)
		for k, task := range batch {
			require.NotErrorIs(t, driver.ErrorAt(err, k), driver.ErrDuplicate, "a cut enqueue is sent again, and is no duplicate of itself")
			if driver.ErrorAt(err, k) == nil {
				want[task.ID] = true
			}
		}
	}
	proxy.Heal()
	require.Greater(t, len(want), 200)
	got := make(map[string]bool)
	for st := stats(t, direct); st.Ready > 0; st = stats(t, direct) {
		for _, d := range take(t, direct, int(st.Ready)) {
			require.False(t, got[d.Task.ID], "task %s came twice", d.Task.ID)
			got[d.Task.ID] = true
		}
	}
	for id := range want {
		require.True(t, got[id], "task %s was acknowledged and is lost", id)
	}
}

// worked runs a pool over n tasks, some of which fail at first, while disturb
// runs again and again. Each must be done.
func worked(t *testing.T, q *queue, n int, disturb func(context.Context)) {
	t.Helper()
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(within(t), q.p, driver.QueueConfig{Name: q.cfg.Name, Visibility: 2 * time.Second}))
	var (
		mu   sync.Mutex
		done = make(map[string]int)
		runs atomic.Int64
	)
	all := make(chan struct{})
	r := runtime.NewRouter()
	r.Handle(runtime.Policy{Type: "t", Queue: q.cfg.Name, Retry: runtime.RetryPolicy{Max: 20, Base: time.Millisecond}}, runtime.HandlerFunc(func(_ context.Context, task *driver.Task) error {
		if runs.Add(1)%5 == 0 {
			return errors.New("now and then it fails")
		}
		mu.Lock()
		defer mu.Unlock()
		if done[task.ID]++; len(done) == n && done[task.ID] == 1 {
			close(all)
		}
		return nil
	}))
	moveToShared := slog.New(slog.DiscardHandler)
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 8, Logger: moveToShared})
	require.NoError(t, err)
	require.NoError(t, pool.Start(context.Background()))
	ctx, stop := context.WithCancel(context.Background())
	var disturbing sync.WaitGroup
	disturbing.Go(func() {
		for ctx.Err() == nil {
			disturb(ctx)
		}
	})
	want := make([]string, 0, n)
	for i := 0; i < n; i += 10 {
		batch := make([]*driver.Task, 10)
		for k := range batch {
			batch[k] = task(strconv.Itoa(i + k))
			batch[k].MaxRetries = 20
			want = append(want, batch[k].ID)
		}
		require.Eventually(t, func() bool {
			_, err := m.Enqueue(ctx, batch)
			return err == nil || errors.Is(err, driver.ErrDuplicate)
		}, soon, 10*time.Millisecond)
	}
	select {
	case <-all:
	case <-time.After(2 * soon):
		mu.Lock()
		t.Errorf("of %d tasks %d are done", n, len(done))
		mu.Unlock()
	}
	stop()
	disturbing.Wait()
	require.NoError(t, pool.Stop(within(t)))
	require.Eventually(t, func() bool {
		s := stats(t, q)
		return s.Ready+s.Scheduled+s.Leased+s.Dead == 0
	}, soon, 10*time.Millisecond)
	require.NoError(t, m.Close())
	for _, id := range want {
		require.NotZero(t, done[id], "task %s was never done", id)
	}
}

func TestScriptsThatAreFlushedInTheMiddleOfWorkLoseNothing(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	q := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	worked(t, q, 1000, func(ctx context.Context) {
		assert.NoError(t, c.ScriptFlush(context.WithoutCancel(ctx)).Err())
	})
	// Several scripts in one round trip.
	require.NoError(t, c.ScriptFlush(within(t)).Err())
	enqueue(t, q, tasks(1000)...)
	ds := take(t, q, 1000)
	for i, d := range ds {
		require.Equal(t, fmt.Sprintf("t%05d", i), d.Task.ID)
	}
	require.NoError(t, c.ScriptFlush(within(t)).Err())
	require.NoError(t, q.Complete(within(t), ds))
}

func TestAServerThatPausesItsClientsLosesNothing(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	q := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	worked(t, q, 300, func(ctx context.Context) {
		assert.NoError(t, c.ClientPause(context.WithoutCancel(ctx), 50*time.Millisecond).Err())
		sleep(ctx, 60*time.Millisecond)
	})
}

func TestConnectionsThatAreKilledLoseNothing(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	q := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	worked(t, q, 500, func(ctx context.Context) {
		assert.NoError(t, c.Do(context.WithoutCancel(ctx), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err())
		sleep(ctx, 20*time.Millisecond)
	})
}

func TestAServerThatIsReadOnlyForAMomentIsAskedAgain(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	q := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	// A replica of nobody.
	require.NoError(t, c.Do(within(t), "REPLICAOF", "127.0.0.1", "1").Err())
	result := make(chan error, 1)
	go func() {
		_, err := q.Enqueue(within(t), tasks(600))
		result <- err
	}()
	require.Eventually(t, func() bool {
		info, err := c.Info(within(t), "errorstats").Result()
		require.NoError(t, err)
		return errorCount(t, info, "READONLY") > 10
	}, soon, 10*time.Millisecond, "more often than the client itself tries again")
	require.NoError(t, c.Do(within(t), "REPLICAOF", "NO", "ONE").Err())
	require.NoError(t, <-result)
	require.EqualValues(t, 600, stats(t, q).Ready)
}

func TestAServerThatStaysReadOnlyIsAnErrorWhenTheContextEnds(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	q := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	require.NoError(t, c.Do(within(t), "REPLICAOF", "127.0.0.1", "1").Err())
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := q.Enqueue(ctx, tasks(1))
	require.Error(t, err)
	require.ErrorContains(t, err, `queue "q"`)
}

// TestAKilledServerKeepsWhatItAcknowledged is about the death of the process:
// what the system has been given is on its way to the disk.
func TestAKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	for _, fsync := range []string{"everysec", "always"} {
		t.Run(fsync, func(t *testing.T) {
			s := own(t, "--appendfsync", fsync)
			p := open(t, s.URL)
			q := openQueue(t, p, driver.QueueConfig{})
			enqueue(t, q, tasks(500)...)
			require.NoError(t, q.DeadLetter(within(t), take(t, q, 50)))
			require.NoError(t, q.Complete(within(t), take(t, q, 100)))
			held := take(t, q, 60)
			later := task("later")
			later.ScheduledFor, later.UniqueKey = time.Now().Add(time.Hour), "key"
			enqueue(t, q, later)
			before := stats(t, q)
			require.NoError(t, s.Kill())
			require.NoError(t, s.Restart())
			after := stats(t, q)
			before.OldestAge, after.OldestAge = 0, 0
			require.Equal(t, driver.Stats{Ready: 290, Scheduled: 1, Leased: 60, Dead: 50}, before)
			require.Equal(t, before, after)
			require.NoError(t, q.Complete(within(t), held), "receipts hold")
			require.Len(t, take(t, q, 290), 290)
			again := task("another")
			again.UniqueKey = "key"
			require.True(t, enqueue(t, q, again)[0].Duplicate)
		})
	}
}

// errorCount is how often a server has answered with an error of the name.
func errorCount(t *testing.T, info, name string) int {
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "errorstat_"+name+":count="); ok {
			n, err := strconv.Atoi(rest)
			require.NoError(t, err)
			return n
		}
	}
	return 0
}
