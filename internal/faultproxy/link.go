package faultproxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunkSize = 32 << 10
	// inFlight bounds the chunks of one direction that are delayed at a time.
	// Beyond it the sender is held back, as by a full network buffer.
	inFlight = 1024
)

// A link is one connection of a client and the one to the target that belongs to it. Its
// fields are guarded by p.mu, except the connections, which are set once.
type link struct {
	p       *Proxy
	client  *net.TCPConn
	target  *net.TCPConn
	dropped bool
	lost    bool        // nothing passes any more, and neither side is notified
	asked   bool        // something was sent since the proxy was muted
	holed   bool        // a reply was swallowed: what comes after it makes no sense
	end     *time.Timer // drops the link after that
	waits   atomic.Bool // the client has sent something and nothing has come back yet
}

// reached notes the connection to the target. It returns false where the link was
// dropped meanwhile.
func (l *link) reached(target *net.TCPConn) bool {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if l.dropped {
		return false
	}
	l.target = target
	return true
}

// drop ends both connections at once. p.mu is held.
func (l *link) drop() {
	if l.dropped {
		return
	}
	l.dropped = true
	reset(l.client)
	if l.target != nil {
		// What was sent last must still arrive: a reset might overtake it.
		_ = l.target.Close()
	}
}

// forth decides on bytes that are about to be sent toward the target: how many of
// them pass, and whether all is cut after that.
func (l *link) forth(n int) (pass int, cut bool) {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.lost {
		return 0, false
	}
	if !l.waits.Swap(true) {
		p.trips.Add(1)
	}
	l.asked = true
	if p.left == 0 {
		return n, false
	}
	pass = min(n, p.left)
	p.left -= pass
	return pass, p.left == 0
}

// back decides on bytes for the client.
func (l *link) back(n int) (pass int, cut bool) {
	l.waits.Store(false)
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.lost {
		return 0, false
	}
	if !p.muted {
		return n, false
	}
	l.holed = true
	if l.asked && l.end == nil {
		l.end = time.AfterFunc(muteGrace, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			l.drop()
		})
	}
	return 0, false
}

// A chunk is a part of the stream, and when it is to be passed on.
type chunk struct {
	room *[chunkSize]byte
	n    int
	at   time.Time // zero: at once
}

var rooms = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// pump passes bytes from one connection to the other until the first has no more,
// and then says so to the second. One goroutine reads and another one writes,
// later: so bytes that wait for their time do not hold up those behind them.
func (l *link) pump(from, to *net.TCPConn, on *line, decide func(n int) (pass int, cut bool)) {
	chunks := make(chan chunk, inFlight)
	go func() {
		defer close(chunks)
		for {
			c := chunk{room: rooms.Get().(*[chunkSize]byte)}
			n, err := from.Read(c.room[:])
			if c.n = n; n > 0 {
				if d := time.Duration(l.p.oneWay.Load()); d > 0 {
					c.at = time.Now().Add(d)
				}
				chunks <- c
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for c := range chunks {
		if broken {
			continue // the reader must not be left waiting
		}
		if !c.at.IsZero() {
			pause(time.Until(c.at))
		}
		if d := l.p.take(on, c.n); d > 0 {
			pause(d)
		}
		pass, cut := decide(c.n)
		_, err := to.Write(c.room[:pass])
		rooms.Put(c.room)
		if cut {
			l.p.mu.Lock()
			l.p.dropAll()
			l.p.mu.Unlock()
		}
		if err != nil {
			broken = true
			l.p.mu.Lock()
			l.drop()
			l.p.mu.Unlock()
		}
	}
	if !broken && !l.isLost() {
		_ = to.CloseWrite()
	}
}

func (l *link) isLost() bool {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	return l.lost
}
