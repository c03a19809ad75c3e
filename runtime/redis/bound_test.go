package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

// slack is how much later than its context a call may return: much less than the
// timeouts of the client are.
const slack = 3 * time.Second

// freeze stops the process of a server until thaw is called.
func freeze(t *testing.T, c goredis.UniversalClient) (thaw func()) {
	info, err := c.Info(within(t), "server").Result()
	require.NoError(t, err)
	pid := 0
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "process_id:"); ok {
			pid, err = strconv.Atoi(rest)
			require.NoError(t, err)
		}
	}
	process, err := os.FindProcess(pid)
	require.NoError(t, err)
	require.NoError(t, process.Signal(syscall.SIGSTOP))
	thaw = func() { _ = process.Signal(syscall.SIGCONT) }
	t.Cleanup(thaw)
	return thaw
}

// TestACallReturnsWhenItsContextEnds freezes the server, and makes each call with
// a context that is cancelled, and with one that has a deadline: on a client of the
// provider's own, and on clients of the program with the options that matter.
func TestACallReturnsWhenItsContextEnds(t *testing.T) {
	for name, options := range map[string]*goredis.Options{
		"own": nil, "given": {}, "given and hasty": {ContextTimeoutEnabled: true}, "given and endless": {ReadTimeout: -1, PoolSize: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := own(t)
			c := admin(t, s.URL)
			var p *Provider
			if options == nil {
				p = open(t, s.URL)
			} else {
				o := *options
				o.Addr = addrOf(s.URL)
				client := goredis.NewClient(&o)
				t.Cleanup(func() { _ = client.Close() })
				var err error
				p, err = New(client)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, p.Close()) })
			}
			q := openQueue(t, p, driver.QueueConfig{})
			enqueue(t, q, tasks(3)...)
			d := take(t, q, 1)[0]
			held := func() []*driver.Delivery {
				copied, task := *d, *d.Task
				copied.Task = &task
				return []*driver.Delivery{&copied}
			}
			jobs, letters, results := p.Jobs(), p.Letters(), p.Results()
			entry := func() *schedule.Entry {
				return &schedule.Entry{ID: "a", Owner: "me", Wake: time.Now(), Body: jobstore.Body{When: schedule.At(time.Now()), Task: task("a")}}
			}
			calls := map[string]func(ctx context.Context) error{
				"Enqueue":    func(ctx context.Context) error { _, err := q.Enqueue(ctx, []*driver.Task{task("x")}); return err },
				"a batch":    func(ctx context.Context) error { _, err := q.Enqueue(ctx, tasks(1000)); return err },
				"Dequeue":    func(ctx context.Context) error { _, err := q.Dequeue(ctx, 1, time.Minute); return err },
				"Complete":   func(ctx context.Context) error { return q.Complete(ctx, held()) },
				"Extend":     func(ctx context.Context) error { return q.Extend(ctx, held(), time.Minute) },
				"Release":    func(ctx context.Context) error { return q.Release(ctx, held()) },
				"DeadLetter": func(ctx context.Context) error { return q.DeadLetter(ctx, held()) },
				"Stats":      func(ctx context.Context) error { _, err := q.Stats(ctx); return err },
				"Browse":     func(ctx context.Context) error { _, _, err := q.Browse(ctx, driver.Ready, "", 5); return err },
				"Cancel":     func(ctx context.Context) error { _, err := q.Cancel(ctx, []string{"x"}); return err },
				"Reschedule": func(ctx context.Context) error { return q.Reschedule(ctx, "x", time.Now()) },
				"Purge":      func(ctx context.Context) error { _, err := q.Purge(ctx); return err },
				"Pause":      func(ctx context.Context) error { return q.Pause(ctx, time.Time{}) },
				"Resume":     func(ctx context.Context) error { return q.Resume(ctx) },
				"Paused":     func(ctx context.Context) error { _, err := q.Paused(ctx); return err },
				"Redrive":    func(ctx context.Context) error { _, err := q.Redrive(ctx, nil); return err },
				"some":       func(ctx context.Context) error { _, err := q.Redrive(ctx, []string{"x"}); return err },
				"Discard":    func(ctx context.Context) error { _, err := q.Discard(ctx, []string{"x"}); return err },
				"Open":       func(ctx context.Context) error { _, err := p.Open(ctx, driver.QueueConfig{Name: "r"}); return err },
				"PutResult":  func(ctx context.Context) error { return results.PutResult(ctx, "a", nil, "", 0) },
				"Await":      func(ctx context.Context) error { _, err := results.Await(ctx, "a"); return err },
				"Put":        func(ctx context.Context) error { return jobs.Put(ctx, entry()) },
				"Get":        func(ctx context.Context) error { _, err := jobs.Get(ctx, "a"); return err },
				"List":       func(ctx context.Context) error { _, err := jobs.List(ctx, "", "", 5); return err },
				"Claim":      func(ctx context.Context) error { _, _, _, err := jobs.Claim(ctx, anything, 5, time.Minute); return err },
				"Now":        func(ctx context.Context) error { _, err := jobs.Now(ctx); return err },
				"Note":       func(ctx context.Context) error { return jobs.Note(ctx, "a", schedule.Run{}) },
				"Wait":       func(ctx context.Context) error { jobs.Wait(ctx, anything, time.Hour); return ctx.Err() },
				"letters":    func(ctx context.Context) error { return letters.Put(ctx, tasks(2)) },
				"letter":     func(ctx context.Context) error { _, err := letters.Get(ctx, "a"); return err },
				"all":        func(ctx context.Context) error { _, _, err := letters.List(ctx, "", 5); return err },
				"Delete":     func(ctx context.Context) error { _, err := letters.Delete(ctx, []string{"a"}); return err },
			}
			thaw := freeze(t, c)
			late := make(chan string, 2*len(calls))
			for name, call := range calls {
				for _, byHand := range []bool{false, true} {
					go func() {
						ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
						if byHand {
							cancel()
							ctx, cancel = context.WithCancel(context.Background())
							time.AfterFunc(300*time.Millisecond, cancel)
						}
						defer cancel()
						err := call(ctx)
						switch {
						case err == nil:
							late <- name + " says that it is done"
						case name == "Dequeue" && err != driver.ErrNoTasks: //nolint:errorlint // as it is
							late <- fmt.Sprintf("%s: %v", name, err)
						case name != "Dequeue" && ctx.Err() != nil && !isOf(err, ctx):
							late <- fmt.Sprintf("%s does not wrap the context's error: %v", name, err)
						default:
							late <- ""
						}
					}()
				}
			}
			limit := time.After(300*time.Millisecond + slack)
			for i := range 2 * len(calls) {
				select {
				case complaint := <-late:
					assert.Empty(t, complaint)
				case <-limit:
					require.Fail(t, "late", "%d of %d calls go on %s after their contexts", 2*len(calls)-i, 2*len(calls), slack)
				}
			}
			thaw()
		})
	}
}

// isOf reports whether an error, or each error of a batch, is the context's.
func isOf(err error, ctx context.Context) bool {
	var items *driver.BatchError
	if !errors.As(err, &items) {
		return errors.Is(err, ctx.Err())
	}
	for _, item := range items.Items {
		if !errors.Is(item.Err, ctx.Err()) {
			return false
		}
	}
	return true
}

func TestCloseReturnsThoughTheServerIsFrozen(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	p, err := Open(within(t), s.URL)
	require.NoError(t, err)
	q := openQueue(t, p, driver.QueueConfig{})
	thaw := freeze(t, c)
	ends := make(chan error, 3)
	go func() { _, err := q.Dequeue(context.Background(), 1, time.Minute); ends <- err }()
	go func() { _, err := p.Results().Await(context.Background(), "a"); ends <- err }()
	go func() { _, err := q.Stats(context.Background()); ends <- err }()
	require.Eventually(t, func() bool { return q.keyspace.waiters() == 0 && p.client.PoolStats().TotalConns >= 2 }, soon, time.Millisecond)
	began := time.Now()
	require.NoError(t, p.Close())
	assert.Less(t, time.Since(began), 2*closeLimit)
	for range 3 {
		select {
		case err := <-ends:
			assert.Error(t, err)
		case <-time.After(soon):
			require.Fail(t, "a call goes on after Close")
		}
	}
	thaw()
}

// TestALeaseThatComesTooLateIsPutBack has a Dequeue give up on a server that
// answers later. Its tasks are there for others at once.
func TestALeaseThatComesTooLateIsPutBack(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	q := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	other := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	enqueue(t, q, task("before"))
	take(t, q, 1) // the server knows the script
	enqueue(t, q, tasks(10)...)
	thaw := freeze(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := q.Dequeue(ctx, 5, time.Hour)
	require.ErrorIs(t, err, driver.ErrNoTasks)
	thaw()
	for _, d := range take(t, other, 10) {
		assert.Zero(t, d.Crashes)
	}
}

// TestDeadConnectionsAreFoundTogether fills the pool of a client with connections,
// and has the network forget them all.
func TestDeadConnectionsAreFoundTogether(t *testing.T) {
	cert, key := certificate(t)
	for _, scheme := range []string{"redis", "rediss"} {
		t.Run(scheme, func(t *testing.T) {
			s := own(t)
			target, query := addrOf(s.URL), ""
			if scheme == "rediss" {
				target, query = secured(t, s, cert, key), "?skip_verify=true"
			}
			proxy, err := faultproxy.Listen(target)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, proxy.Close()) })
			p := open(t, scheme+"://"+proxy.Addr()+query, WithLogger(slog.New(slog.DiscardHandler)))
			q := openQueue(t, p, driver.QueueConfig{})
			fill := make(chan error, 15)
			for range cap(fill) {
				go func() { fill <- p.client.Do(within(t), "EVAL", "for i = 1, 1000000 do end", 0).Err() }()
			}
			for range cap(fill) {
				if err := <-fill; err != nil {
					require.ErrorIs(t, err, goredis.Nil)
				}
			}
			<-time.After(silence) // a connection that is new is not suspected
			require.Greater(t, p.client.PoolStats().IdleConns, uint32(3))
			proxy.Swallow()
			proxy.Heal()
			for i := range 30 {
				began := time.Now()
				enqueue(t, q, task(strconv.Itoa(i)))
				assert.Less(t, time.Since(began), 4*silence, "enqueue %d", i)
			}
		})
	}
}

// TestAServerThatIsSlowToAllKeepsItsConnections has the server busy for longer than
// a connection may be silent.
func TestAServerThatIsSlowToAllKeepsItsConnections(t *testing.T) {
	s := own(t)
	c := admin(t, s.URL)
	q := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	enqueue(t, q, task("a"))
	<-time.After(silence)
	before := q.p.client.PoolStats().Misses
	thaw := freeze(t, c)
	time.AfterFunc(2*silence+silence/2, thaw)
	began := time.Now()
	enqueue(t, q, task("b"))
	assert.Greater(t, time.Since(began), 2*silence)
	assert.Equal(t, before, q.p.client.PoolStats().Misses, "no connection was made anew")
}

// TestResultsAreHeardOfThoughTheConnectionIsDead is about the connection that
// brings news.
func TestResultsAreHeardOfThoughTheConnectionIsDead(t *testing.T) {
	p, proxy, s := viaProxy(t)
	other := open(t, s.URL)
	w := await(within(t), p.Results(), "a")
	subscribed(t, other, "a", 1)
	proxy.Swallow()
	proxy.Heal()
	require.NoError(t, other.Results().PutResult(within(t), "a", []byte("1"), "", time.Minute))
	select {
	case got := <-w:
		require.NoError(t, got.err)
	case <-time.After(recheck + 2*silence + slack):
		require.Fail(t, "the result did not arrive")
	}
}

// TestAClientThatWaitsForEverDoesNotStopAWorker is about a program's client without
// timeouts, and a connection that died.
func TestAClientThatWaitsForEverDoesNotStopAWorker(t *testing.T) {
	_, proxy, s := viaProxy(t)
	client := goredis.NewClient(&goredis.Options{Addr: proxy.Addr(), ReadTimeout: -1})
	t.Cleanup(func() { _ = client.Close() })
	p, err := New(client)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	q := openQueue(t, p, driver.QueueConfig{})
	other := openQueue(t, open(t, s.URL), driver.QueueConfig{})
	proxy.Swallow()
	proxy.Heal()
	enqueue(t, other, task("a"))
	ctx, cancel := context.WithTimeout(context.Background(), 4*pollTimeout)
	defer cancel()
	for {
		ds, err := q.Dequeue(ctx, 1, time.Minute)
		if err == nil {
			assert.Equal(t, "a", ds[0].Task.ID)
			return
		}
		require.NoError(t, ctx.Err(), "the worker is stuck: %v", err)
	}
}
