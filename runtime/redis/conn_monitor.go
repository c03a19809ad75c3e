package redis

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// silence is how long a connection may owe an answer before another connection
	// checks whether the server answers at all. The check may take as long.
	silence = time.Second
	// slowest is the time for a byte of a request on a slow network: a connection is
	// not silent while it still transmits.
	slowest = 10 * time.Microsecond
)

// A connMonitor watches the connections of one provider. If a connection dies silently,
// because a network has dropped it, the client notices only when a read times out, one
// connection after another. The monitor notices sooner: if a connection does not answer
// for a while, and a new one is answered at once, the old one is dead. The monitor then
// closes it, with all that have been silent since, and the client makes new ones. It
// leaves alone a server that does not answer at all.
type connMonitor struct {
	mu    sync.Mutex
	peers map[string]*peer // by address
}

// watch makes the monitor watch the connections of a client that the provider owns.
func (w *connMonitor) watch(client redis.UniversalClient, patience time.Duration) {
	hook := &monitorHook{w, patience}
	switch c := client.(type) {
	case *redis.Client:
		c.AddHook(hook)
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { node.AddHook(hook) })
	}
}

// A monitorHook wraps each new connection of a client in a monitoredConn.
type monitorHook struct {
	monitor  *connMonitor
	patience time.Duration // how long an answer may take; more than a blocked command takes
}

func (h *monitorHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *monitorHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *monitorHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		now := time.Now().UnixNano()
		w := &monitoredConn{Conn: conn, patience: int64(h.patience), createdAt: now}
		w.readAt.Store(now)
		w.peer = h.monitor.enter(w, network+" "+addr, func(ctx context.Context) (net.Conn, error) { return next(ctx, network, addr) })
		return w, nil
	}
}

func (w *connMonitor) enter(conn *monitoredConn, addr string, dial func(context.Context) (net.Conn, error)) *peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.peers[addr]
	if p == nil {
		if w.peers == nil {
			w.peers = make(map[string]*peer)
		}
		p = &peer{conns: make(map[*monitoredConn]struct{})}
		w.peers[addr] = p
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dial = dial
	p.conns[conn] = struct{}{}
	return p
}

// A peer is a server and the connections to it.
type peer struct {
	checking     sync.Mutex // held while the server is checked
	answeredAt   int64      // when the last answered check was sent; guarded by checking
	unansweredAt int64      // when the last unanswered one was sent

	mu    sync.Mutex
	dial  func(context.Context) (net.Conn, error)
	conns map[*monitoredConn]struct{}
}

// answers sends a request over a new connection, and reports whether the server has
// answered one that was sent after the given time.
func (p *peer) answers(since int64) bool {
	p.checking.Lock()
	defer p.checking.Unlock()
	if p.answeredAt > since || p.unansweredAt > since {
		return p.answeredAt > p.unansweredAt
	}
	p.mu.Lock()
	dial := p.dial
	p.mu.Unlock()
	now := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	// A dialler with TLS ignores ctx.
	ok, err := bounded(ctx, func(ctx context.Context) (bool, error) {
		conn, err := dial(ctx)
		if err != nil {
			return false, err
		}
		defer conn.Close()
		return answersPing(conn, now.Add(silence)), nil
	})
	if err != nil || !ok {
		p.unansweredAt = now.UnixNano()
		return false
	}
	p.answeredAt = now.UnixNano()
	return true
}

// answersPing reports whether a server answers a PING, even with a demand for a password.
// A server that is busy with a script answers only -BUSY, which does not count.
func answersPing(conn net.Conn, until time.Time) bool {
	if conn.SetDeadline(until) != nil {
		return false
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return false
	}
	reply := make([]byte, 5)
	_, err := io.ReadFull(conn, reply)
	return err == nil && string(reply) != "-BUSY"
}

// closeSilent closes the connections that have been silent since the given time. Their
// pending requests are sent again over others.
func (p *peer) closeSilent(since int64) {
	p.mu.Lock()
	var silent []*monitoredConn
	for w := range p.conns {
		if w.readAt.Load() <= since {
			silent = append(silent, w)
		}
	}
	p.mu.Unlock()
	for _, w := range silent {
		w.dropped.Store(true)
		_ = w.Close()
	}
}

// A monitoredConn is one connection. It records whether the server owes an answer on it.
type monitoredConn struct {
	net.Conn
	peer      *peer
	patience  int64
	createdAt int64 // times are nanoseconds of the Unix epoch

	readAt      atomic.Int64 // when bytes last arrived
	requestedAt atomic.Int64 // when the first bytes were sent after that; 0: none
	sent        atomic.Int64 // how many bytes
	until       atomic.Int64 // when the client's own read ends; 0: never
	reading     atomic.Bool
	dropped     atomic.Bool
}

// suspect is when the connection, in its current state, becomes suspected dead; 0: never.
// A new connection that is silent is not suspected: it has another fault.
func (w *monitoredConn) suspect() int64 {
	requestedAt := w.requestedAt.Load()
	if requestedAt == 0 || requestedAt-w.createdAt < w.patience {
		return 0
	}
	return requestedAt + w.patience + w.sent.Load()*int64(slowest)
}

// arm sets when a read ends: at the client's own deadline, or when the connection becomes
// suspect.
func (w *monitoredConn) arm(now int64) error {
	until, suspect := w.until.Load(), w.suspect()
	if suspect != 0 && (until == 0 || suspect < until) {
		until = max(suspect, now+int64(time.Millisecond))
	}
	if until == 0 {
		return w.Conn.SetReadDeadline(time.Time{})
	}
	return w.Conn.SetReadDeadline(time.Unix(0, until))
}

func (w *monitoredConn) SetReadDeadline(t time.Time) error {
	until := int64(0)
	if !t.IsZero() {
		until = t.UnixNano()
	}
	w.until.Store(until)
	return w.arm(0)
}

func (w *monitoredConn) SetDeadline(t time.Time) error {
	if err := w.SetReadDeadline(t); err != nil {
		return err
	}
	return w.Conn.SetWriteDeadline(t)
}

func (w *monitoredConn) Write(b []byte) (int, error) {
	w.sent.Add(int64(len(b)))
	now := time.Now().UnixNano()
	if w.requestedAt.CompareAndSwap(0, now) && w.reading.Load() {
		_ = w.arm(now) // a subscription reads all the time
	}
	return w.Conn.Write(b)
}

func (w *monitoredConn) Read(b []byte) (int, error) {
	w.reading.Store(true)
	defer w.reading.Store(false)
	if w.until.Load() == 0 && w.requestedAt.Load() != 0 {
		_ = w.arm(0)
	}
	for {
		n, err := w.Conn.Read(b)
		now := time.Now().UnixNano()
		if n > 0 {
			w.readAt.Store(now)
			w.requestedAt.Store(0)
			w.sent.Store(0)
			return n, err
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if until := w.until.Load(); until != 0 && now >= until {
			return n, err
		}
		if requestedAt, suspect := w.requestedAt.Load(), w.suspect(); suspect != 0 && now >= suspect {
			if w.peer.answers(suspect) {
				w.peer.closeSilent(requestedAt)
				return n, err
			}
			// The server answers nobody. It is checked again after a while.
			w.requestedAt.CompareAndSwap(requestedAt, time.Now().UnixNano())
		}
		if err := w.arm(now); err != nil {
			return 0, err
		}
	}
}

func (w *monitoredConn) Close() error {
	w.peer.mu.Lock()
	delete(w.peer.conns, w)
	w.peer.mu.Unlock()
	return w.Conn.Close()
}

// SyscallConn lets the client check, before it uses a connection, whether it has ended.
func (w *monitoredConn) SyscallConn() (syscall.RawConn, error) {
	if w.dropped.Load() {
		return nil, net.ErrClosed
	}
	if c, ok := w.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return opaque{}, nil
}

// opaque is a connection that cannot be inspected, such as one with TLS: it is assumed
// to be alive.
type opaque struct{}

func (opaque) Control(func(uintptr)) error    { return nil }
func (opaque) Read(func(uintptr) bool) error  { return nil }
func (opaque) Write(func(uintptr) bool) error { return nil }
