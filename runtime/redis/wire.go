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

// A ward watches the connections of one provider. If a connection dies silently,
// because a network has dropped it, the client notices only when a read times out, one
// connection after another. The ward notices sooner: if a connection does not answer
// for a while, and a new one is answered at once, the old one is dead. The ward then
// closes it, with all that have been silent since, and the client makes new ones. It
// leaves alone a server that does not answer at all.
type ward struct {
	mu    sync.Mutex
	peers map[string]*peer // by address
}

// watch makes the ward watch the connections of a client that the provider owns.
func (w *ward) watch(client redis.UniversalClient, patience time.Duration) {
	hook := &wardHook{w, patience}
	switch c := client.(type) {
	case *redis.Client:
		c.AddHook(hook)
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { node.AddHook(hook) })
	}
}

// A wardHook wraps each new connection of a client in a wire.
type wardHook struct {
	ward     *ward
	patience time.Duration // how long an answer may take; more than a blocked command takes
}

func (h *wardHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *wardHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *wardHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		now := time.Now().UnixNano()
		w := &wire{Conn: conn, patience: int64(h.patience), made: now}
		w.heard.Store(now)
		w.peer = h.ward.enter(w, network+" "+addr, func(ctx context.Context) (net.Conn, error) { return next(ctx, network, addr) })
		return w, nil
	}
}

func (w *ward) enter(conn *wire, addr string, dial func(context.Context) (net.Conn, error)) *peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.peers[addr]
	if p == nil {
		if w.peers == nil {
			w.peers = make(map[string]*peer)
		}
		p = &peer{wires: make(map[*wire]struct{})}
		w.peers[addr] = p
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dial = dial
	p.wires[conn] = struct{}{}
	return p
}

// A peer is a server and the connections to it.
type peer struct {
	asking sync.Mutex // held while the server is asked
	proof  int64      // when the last answered check was sent; guarded by asking
	doubt  int64      // when the last unanswered one was sent

	mu    sync.Mutex
	dial  func(context.Context) (net.Conn, error)
	wires map[*wire]struct{}
}

// answers sends a request over a new connection, and reports whether the server has
// answered one that was sent after the given time.
func (p *peer) answers(since int64) bool {
	p.asking.Lock()
	defer p.asking.Unlock()
	if p.proof > since || p.doubt > since {
		return p.proof > p.doubt
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
		return pings(conn, now.Add(silence)), nil
	})
	if err != nil || !ok {
		p.doubt = now.UnixNano()
		return false
	}
	p.proof = now.UnixNano()
	return true
}

// pings reports whether a server answers a PING, even with a demand for a password. A
// server that is busy with a script answers only -BUSY, which does not count.
func pings(conn net.Conn, until time.Time) bool {
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

// bury closes the connections that have been silent since the given time. Their pending
// requests are sent again over others.
func (p *peer) bury(since int64) {
	p.mu.Lock()
	var silent []*wire
	for w := range p.wires {
		if w.heard.Load() <= since {
			silent = append(silent, w)
		}
	}
	p.mu.Unlock()
	for _, w := range silent {
		w.buried.Store(true)
		_ = w.Close()
	}
}

// A wire is one connection. It records whether the server owes an answer on it.
type wire struct {
	net.Conn
	peer     *peer
	patience int64
	made     int64 // times are nanoseconds of the Unix epoch

	heard   atomic.Int64 // when bytes last arrived
	asked   atomic.Int64 // when the first bytes were sent after that; 0: none
	sent    atomic.Int64 // how many bytes
	until   atomic.Int64 // when the client's own read ends; 0: never
	reading atomic.Bool
	buried  atomic.Bool
}

// suspect is when the wire, in its current state, becomes suspected dead; 0: never. A
// new connection that is silent is not suspected: it has another fault.
func (w *wire) suspect() int64 {
	asked := w.asked.Load()
	if asked == 0 || asked-w.made < w.patience {
		return 0
	}
	return asked + w.patience + w.sent.Load()*int64(slowest)
}

// arm sets when a read ends: at the client's own deadline, or when the wire becomes
// suspect.
func (w *wire) arm(now int64) error {
	until, suspect := w.until.Load(), w.suspect()
	if suspect != 0 && (until == 0 || suspect < until) {
		until = max(suspect, now+int64(time.Millisecond))
	}
	if until == 0 {
		return w.Conn.SetReadDeadline(time.Time{})
	}
	return w.Conn.SetReadDeadline(time.Unix(0, until))
}

func (w *wire) SetReadDeadline(t time.Time) error {
	until := int64(0)
	if !t.IsZero() {
		until = t.UnixNano()
	}
	w.until.Store(until)
	return w.arm(0)
}

func (w *wire) SetDeadline(t time.Time) error {
	if err := w.SetReadDeadline(t); err != nil {
		return err
	}
	return w.Conn.SetWriteDeadline(t)
}

func (w *wire) Write(b []byte) (int, error) {
	w.sent.Add(int64(len(b)))
	now := time.Now().UnixNano()
	if w.asked.CompareAndSwap(0, now) && w.reading.Load() {
		_ = w.arm(now) // a subscription reads all the time
	}
	return w.Conn.Write(b)
}

func (w *wire) Read(b []byte) (int, error) {
	w.reading.Store(true)
	defer w.reading.Store(false)
	if w.until.Load() == 0 && w.asked.Load() != 0 {
		_ = w.arm(0)
	}
	for {
		n, err := w.Conn.Read(b)
		now := time.Now().UnixNano()
		if n > 0 {
			w.heard.Store(now)
			w.asked.Store(0)
			w.sent.Store(0)
			return n, err
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if until := w.until.Load(); until != 0 && now >= until {
			return n, err
		}
		if asked, suspect := w.asked.Load(), w.suspect(); suspect != 0 && now >= suspect {
			if w.peer.answers(suspect) {
				w.peer.bury(asked)
				return n, err
			}
			// The server answers nobody. It is checked again after a while.
			w.asked.CompareAndSwap(asked, time.Now().UnixNano())
		}
		if err := w.arm(now); err != nil {
			return 0, err
		}
	}
}

func (w *wire) Close() error {
	w.peer.mu.Lock()
	delete(w.peer.wires, w)
	w.peer.mu.Unlock()
	return w.Conn.Close()
}

// SyscallConn lets the client check, before it uses a connection, whether it has ended.
func (w *wire) SyscallConn() (syscall.RawConn, error) {
	if w.buried.Load() {
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
