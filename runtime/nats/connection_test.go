package nats

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/process"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A gateway passes connections on to a server. It can forget those it has, without
// a word to anybody, and be slow in what it brings from there.
type gateway struct {
	ln     net.Listener
	target string
	lost   atomic.Int64 // connections up to this number pass nothing any more
	conns  atomic.Int64
	rate   int          // bytes a second from the server; 0: as they come
	up     atomic.Int64 // and to it

	mu   sync.Mutex
	open []net.Conn
	all  sync.WaitGroup
}

func newGateway(t testing.TB, url string, rate int) *gateway {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gateway{ln: ln, target: strings.TrimPrefix(url, "nats://"), rate: rate}
	g.all.Go(g.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		g.drop()
		g.all.Wait()
	})
	return g
}

func (g *gateway) url() string { return "nats://" + g.ln.Addr().String() }

// forget makes the connections that are there dead.
func (g *gateway) forget() { g.lost.Store(g.conns.Load()) }

// hole makes those that come as well, until forget is called.
func (g *gateway) hole() { g.lost.Store(1 << 40) }

// drop closes all connections.
func (g *gateway) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.open {
		_ = c.Close()
	}
	g.open = nil
}

func (g *gateway) accept() {
	for {
		c, err := g.ln.Accept()
		if err != nil {
			return
		}
		n := g.conns.Add(1)
		u, err := net.Dial("tcp", g.target)
		if err != nil {
			_ = c.Close()
			continue
		}
		if g.rate > 0 {
			_ = u.(*net.TCPConn).SetReadBuffer(64 << 10)
			_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
		}
		g.mu.Lock()
		g.open = append(g.open, c, u)
		g.mu.Unlock()
		g.all.Go(func() { g.pass(n, u, c, int(g.up.Load())) })
		g.all.Go(func() { g.pass(n, c, u, g.rate) })
	}
}

func (g *gateway) pass(n int64, to, from net.Conn, rate int) {
	room := make([]byte, 64<<10)
	for {
		k, err := from.Read(room)
		lost := n <= g.lost.Load()
		if err != nil {
			if !lost {
				_ = to.Close()
			}
			return
		}
		if lost {
			continue
		}
		if rate > 0 {
			<-time.After(time.Duration(k) * time.Second / time.Duration(rate))
		}
		if _, err := to.Write(room[:k]); err != nil && !errors.Is(err, io.EOF) {
			_ = from.Close()
			return
		}
	}
}

// throughGateway opens a queue over a gateway, and the same one directly.
func throughGateway(t testing.TB, cfg driver.QueueConfig) (*gateway, *queue, *queue) {
	t.Helper()
	s, err := shared()
	require.NoError(t, err)
	g := newGateway(t, s.URL, 0)
	prefix := newPrefix()
	t.Cleanup(func() { sweep(t, s.URL, prefix) })
	direct := openQueue(t, open(t, s.URL, WithPrefix(prefix)), cfg)
	return g, openQueue(t, open(t, g.url(), WithPrefix(prefix)), cfg), direct
}

func TestEveryCallReturnsWhenItsContextEndsThoughNobodyAnswers(t *testing.T) {
	t.Parallel()
	g, q, direct := throughGateway(t, driver.QueueConfig{Visibility: time.Minute})
	put(t, q, newTask(q, "a"), newTask(q, "b"), newTask(q, "c"), newTask(q, "d"), newTask(q, "e"))
	ds := take(t, q, 4, time.Minute)
	ds[1].Delay = time.Second
	calls := map[string]func(ctx context.Context) error{
		"Dequeue":      func(ctx context.Context) error { _, err := q.Dequeue(ctx, 10, time.Minute); return err },
		"Dequeue more": func(ctx context.Context) error { _, err := q.Dequeue(ctx, 10, time.Second); return err },
		"Enqueue": func(ctx context.Context) error {
			_, err := q.Enqueue(ctx, []*driver.Task{newTask(q, "x")})
			return err
		},
		"Complete":   func(ctx context.Context) error { return q.Complete(ctx, ds[:1]) },
		"Release":    func(ctx context.Context) error { return q.Release(ctx, ds[1:2]) },
		"DeadLetter": func(ctx context.Context) error { return q.DeadLetter(ctx, ds[2:3]) },
		"Extend":     func(ctx context.Context) error { return q.Extend(ctx, ds[3:], time.Minute) },
		"Stats":      func(ctx context.Context) error { _, err := q.Stats(ctx); return err },
		"Browse":     func(ctx context.Context) error { _, _, err := q.Browse(ctx, driver.Ready, "", 10); return err },
		"Cancel":     func(ctx context.Context) error { _, err := q.Cancel(ctx, []string{"no"}); return err },
		"Reschedule": func(ctx context.Context) error { return q.Reschedule(ctx, "no", time.Now()) },
		"Purge":      func(ctx context.Context) error { _, err := q.Purge(ctx); return err },
		"Pause":      func(ctx context.Context) error { return q.Pause(ctx, time.Time{}) }, "Resume": q.Resume,
		"Redrive": func(ctx context.Context) error { _, err := q.Redrive(ctx, nil); return err },
		"Discard": func(ctx context.Context) error { _, err := q.Discard(ctx, []string{"no"}); return err },
		"Open":    func(ctx context.Context) error { _, err := q.p.Open(ctx, driver.QueueConfig{Name: "new"}); return err },
	}
	g.hole()
	const limit, late = 400 * time.Millisecond, 4 * time.Second
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			begun := time.Now()
			assert.Error(t, call(ctx), name)
			assert.Less(t, time.Since(begun), limit+late, name)
		})
	}
	all.Wait()
	g.forget() // new connections pass
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.NoError(c, q.Resume(within(t)))
		require.NoError(c, q.Complete(within(t), ds[3:]))
	}, soon, 10*time.Millisecond)
	_, err := direct.Stats(within(t))
	require.NoError(t, err)
}

// TestADeadConnectionIsFound has a worker wait while its connection dies without a
// word: the client's own pings come every 2 seconds, or on a connection of the
// application's every 2 minutes.
func TestADeadConnectionIsFound(t *testing.T) {
	t.Parallel()
	s, err := shared()
	require.NoError(t, err)
	for _, own := range []bool{false, true} {
		g := newGateway(t, s.URL, 0)
		prefix := newPrefix()
		t.Cleanup(func() { sweep(t, s.URL, prefix) })
		var p *Provider
		if own {
			nc, err := nats.Connect(g.url(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
			require.NoError(t, err)
			t.Cleanup(nc.Close)
			js, err := jetstream.New(nc)
			require.NoError(t, err)
			p, err = New(js, WithPrefix(prefix))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, p.Close()) })
		} else {
			p = open(t, g.url(), WithPrefix(prefix))
		}
		// The server may hand the task to the connection that is dead: the lease is short.
		q := openQueue(t, p, driver.QueueConfig{Visibility: time.Second})
		direct := openQueue(t, open(t, s.URL, WithPrefix(prefix)), driver.QueueConfig{Visibility: time.Second})
		ctx, cancel := context.WithTimeout(context.Background(), 2*soon)
		defer cancel()
		got := make(chan string, 1)
		var worker sync.WaitGroup
		worker.Go(func() {
			for ctx.Err() == nil {
				ds, _ := q.Dequeue(ctx, 1, time.Minute)
				for _, d := range ds {
					got <- d.Task.ID
					return
				}
				<-time.After(firstPause)
			}
			close(got)
		})
		require.Eventually(t, func() bool { // the worker waits
			q.requester.byteBudget.mu.Lock()
			defer q.requester.byteBudget.mu.Unlock()
			return q.requester.byteBudget.pulls > 0
		}, soon, time.Millisecond)
		g.forget()
		put(t, direct, newTask(direct, "a"))
		assert.Equal(t, "a", <-got, "own connection: %t", own)
		worker.Wait()
	}
}

func TestADequeueSaysThatTheConnectionWasLost(t *testing.T) {
	t.Parallel()
	g, q, _ := throughGateway(t, driver.QueueConfig{})
	failed := make(chan error, 1)
	go func() {
		_, err := q.Dequeue(within(t), 1, time.Minute)
		failed <- err
	}()
	require.Eventually(t, func() bool {
		q.requester.byteBudget.mu.Lock()
		defer q.requester.byteBudget.mu.Unlock()
		return q.requester.byteBudget.pulls > 0
	}, soon, time.Millisecond)
	g.drop()
	err := <-failed
	require.ErrorIs(t, err, errDisconnected)
	require.NotErrorIs(t, err, driver.ErrNoTasks)
	put(t, q, newTask(q, "a"))
	require.Eventually(t, func() bool {
		ds, _ := q.Dequeue(within(t), 1, time.Minute)
		return len(ds) == 1
	}, soon, 10*time.Millisecond)
}

func TestOpenWaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	s, err := shared()
	require.NoError(t, err)
	retry := WithConnection(nats.RetryOnFailedConnect(true), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(time.Millisecond, time.Millisecond))
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, "nats://127.0.0.1:1", retry)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "no server answers")
	assert.NotErrorIs(t, err, driver.ErrUnsupported)

	// One that comes while Open waits: the gateway's target is not there at first.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())
	opened := make(chan error, 1)
	go func() {
		p, err := Open(within(t), "nats://"+addr, retry, WithPrefix(newPrefix()))
		if err == nil {
			err = p.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("Open did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	ln, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	g := &gateway{ln: ln, target: strings.TrimPrefix(s.URL, "nats://")}
	g.all.Go(g.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		g.drop()
		g.all.Wait()
	})
	require.NoError(t, <-opened)
}

func TestTheServerListsConnectionsByHostAndProcess(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "taskgen "+process.Name(), openShared(t).requester.nc.Opts.Name)
}

// Dequeue asks for more than messages: Close ends that as well where nobody answers.
func TestCloseEndsADequeueThatAsksOfADeadServer(t *testing.T) {
	t.Parallel()
	g := newGateway(t, own(t).URL, 0)
	q := openQueue(t, open(t, g.url()), driver.QueueConfig{})
	q.housekeeping.Lock()
	q.lastMisaddressedSearch = time.Time{} // misaddressed messages are looked for
	q.housekeeping.Unlock()
	g.hole()
	asked := q.requester.requests.Load()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 6*soon)
		defer cancel()
		_, err := q.Dequeue(ctx, 1, time.Minute)
		ended <- err
	}()
	require.Eventually(t, func() bool { return q.requester.requests.Load() > asked }, soon, time.Millisecond)
	closed := make(chan error, 1)
	go func() { closed <- q.Close() }()
	for _, c := range []chan error{ended, closed} {
		select {
		case err := <-c:
			t.Log(err)
		case <-time.After(soon):
			require.Fail(t, "it goes on after Close")
		}
	}
}
