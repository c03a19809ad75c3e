package faultproxy

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const soon = 2 * time.Minute

// An echo is a target that notes what it was sent and sends it back.
type echo struct {
	ln net.Listener
	wg sync.WaitGroup

	mu   sync.Mutex
	got  bytes.Buffer
	came *sync.Cond
}

func newEcho(t *testing.T) *echo {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e := &echo{ln: ln}
	e.came = sync.NewCond(&e.mu)
	e.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			e.wg.Go(func() { e.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		e.wg.Wait()
	})
	return e
}

func (e *echo) serve(c net.Conn) {
	defer c.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		e.mu.Lock()
		e.got.Write(b[:n])
		e.came.Broadcast()
		e.mu.Unlock()
		if _, werr := c.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// received waits until the target has been sent n bytes in all, and returns them.
func (e *echo) received(n int) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.got.Len() < n {
		e.came.Wait()
	}
	return e.got.String()
}

func through(t *testing.T) (*Proxy, *echo) {
	e := newEcho(t)
	p, err := Listen(e.ln.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p, e
}

func dial(t *testing.T, p *Proxy) net.Conn {
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	_, err := io.ReadFull(c, b)
	require.NoError(t, err)
	require.Equal(t, want, string(b))
}

// broken checks that a connection comes to its end before it brings anything.
func broken(t *testing.T, c net.Conn) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	require.Zero(t, n)
	require.Error(t, err)
	var slow net.Error
	if assert.ErrorAs(t, err, &slow) {
		require.False(t, slow.Timeout(), "the connection lives on: %v", err)
	}
}

// refused checks that a new connection does not get anywhere.
func refused(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return // reset before Dial had returned
	}
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
	broken(t, c)
}

func TestWhatPassesIsUnchangedInBothDirections(t *testing.T) {
	p, _ := through(t)
	for _, rtt := range []time.Duration{0, 4 * time.Millisecond} {
		p.Delay(rtt)
		c := dial(t, p)
		data := make([]byte, 3<<20)
		for i := range data {
			data[i] = byte(rand.Uint32())
		}
		go func() {
			_, _ = c.Write(data)
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		h := sha256.New()
		n, err := io.Copy(h, c) // to the end: what the client closed, the target closes
		require.NoError(t, err)
		require.EqualValues(t, len(data), n)
		want := sha256.Sum256(data)
		require.Equal(t, want[:], h.Sum(nil))
	}
}

func TestCutDropsAndResetsUntilHeal(t *testing.T) {
	p, _ := through(t)
	c := dial(t, p)
	say(t, c, "a")
	hear(t, c, "a")
	p.Cut()
	broken(t, c)
	refused(t, p)
	p.Heal()
	c = dial(t, p)
	say(t, c, "b")
	hear(t, c, "b")
}

func TestMuteLetsTheTargetActAndTheClientInDoubt(t *testing.T) {
	p, e := through(t)
	c, idle := dial(t, p), dial(t, p)
	for _, each := range []net.Conn{c, idle} {
		say(t, each, "x")
		hear(t, each, "x")
	}
	p.Mute()
	say(t, c, "request")
	broken(t, c)
	assert.Equal(t, "xxrequest", e.received(9))
	again := dial(t, p)
	say(t, again, "!")
	broken(t, again)
	p.Heal()
	say(t, idle, "y")
	hear(t, idle, "y")
}

func TestHealDropsAConnectionThatHasLostAReply(t *testing.T) {
	p, e := through(t)
	c := dial(t, p)
	p.Mute()
	say(t, c, "request")
	e.received(7)
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for l := range p.links {
			if !l.holed {
				return false
			}
		}
		return true
	}, soon, time.Millisecond)
	p.Heal()
	broken(t, c)
}

// silent checks that a connection is there and brings nothing.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	n, err := c.Read(make([]byte, 1))
	require.Zero(t, n)
	var slow net.Error
	require.ErrorAs(t, err, &slow)
	require.True(t, slow.Timeout(), "the connection has ended: %v", err)
}

func TestSwallowTakesEverythingAndTellsNobody(t *testing.T) {
	p, e := through(t)
	old := dial(t, p)
	say(t, old, "a")
	hear(t, old, "a")
	p.Swallow()
	fresh := dial(t, p)
	for _, c := range []net.Conn{old, fresh} {
		for range 100 {
			say(t, c, string(make([]byte, chunkSize))) // more than buffers hold
		}
		silent(t, c)
	}
	p.Heal()
	next := dial(t, p)
	say(t, next, "b")
	hear(t, next, "b")
	assert.Equal(t, "ab", e.received(2))
	for _, c := range []net.Conn{old, fresh} {
		say(t, c, "lost")
		silent(t, c)
	}
	// The target does not hear of the end of a connection that is lost.
	require.NoError(t, old.Close())
	say(t, next, "c")
	hear(t, next, "c")
	p.mu.Lock()
	defer p.mu.Unlock()
	open := 0
	for l := range p.links {
		if l.target != nil && !l.dropped {
			open++
		}
	}
	assert.Equal(t, 2, open)
}

func TestSeverCutsAtTheByteAndThenIsOver(t *testing.T) {
	p, e := through(t)
	for _, n := range []int{1, 5, 10} {
		c := dial(t, p)
		say(t, c, "<>")
		hear(t, c, "<>")
		before := len(e.received(2))
		p.Sever(n)
		_, _ = io.WriteString(c, "0123456789")
		_, _ = io.Copy(io.Discard, c)
		got := e.received(before + n)
		assert.Equal(t, "0123456789"[:n], got[before:])
	}
	c := dial(t, p)
	say(t, c, "in use")
	hear(t, c, "in use")
	p.Sever(0)
	broken(t, c)
	c = dial(t, p)
	say(t, c, "on")
	hear(t, c, "on")
}

func TestSeverCountsOverAllConnections(t *testing.T) {
	p, _ := through(t)
	a, b := dial(t, p), dial(t, p)
	p.Sever(3)
	say(t, a, "12")
	hear(t, a, "12")
	say(t, b, "3")
	_, _ = io.Copy(io.Discard, b)
	broken(t, a)
}

func TestDelayIsThatOfEachDirectionAndNotOfEachChunk(t *testing.T) {
	p, _ := through(t)
	const rtt = 40 * time.Millisecond
	p.Delay(rtt)
	c := dial(t, p)
	start := time.Now()
	say(t, c, "a")
	hear(t, c, "a")
	assert.GreaterOrEqual(t, time.Since(start), rtt)

	// 400 chunks, spaced so that they travel alone: one behind the other they
	// would take 16 s.
	start = time.Now()
	go func() {
		for range 400 {
			_, _ = io.WriteString(c, "chunk")
			pause(100 * time.Microsecond)
		}
	}()
	for range 400 {
		hear(t, c, "chunk")
	}
	assert.Less(t, time.Since(start), 8*time.Second)

	p.Delay(0)
	say(t, c, "b")
	hear(t, c, "b")
}

func TestTripsAreCountedByTurns(t *testing.T) {
	p, _ := through(t)
	c := dial(t, p)
	for range 5 {
		say(t, c, "ping")
		hear(t, c, "ping")
	}
	assert.EqualValues(t, 5, p.Trips())
}

func TestATargetThatIsAwayIsABrokenConnectionAndNoMore(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	p, err := Listen(addr)
	require.NoError(t, err)
	refused(t, p)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	_, err = net.Dial("tcp", p.Addr())
	require.Error(t, err)

	_, err = Listen("nonsense")
	require.ErrorContains(t, err, "host:port")
}

func TestCloseEndsWhatIsInUse(t *testing.T) {
	p, _ := through(t)
	p.Delay(time.Millisecond)
	c := dial(t, p)
	say(t, c, "a")
	require.NoError(t, p.Close())
	_, _ = io.Copy(io.Discard, c)
}

func TestRateHoldsForAllConnectionsTogether(t *testing.T) {
	p, _ := through(t)
	const size, rate = 100_000, 400_000
	p.Rate(rate)
	began := time.Now()
	var all sync.WaitGroup
	for range 2 {
		c := dial(t, p)
		all.Go(func() {
			go func() { _, _ = c.Write(make([]byte, size)) }()
			_, err := io.ReadFull(c, make([]byte, size))
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.GreaterOrEqual(t, time.Since(began), 2*size*time.Second/rate)
	p.Rate(0)
	c := dial(t, p)
	say(t, c, "a")
	hear(t, c, "a")
}
