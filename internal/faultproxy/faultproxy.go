// Package faultproxy stands between a client and its broker, and does to their
// TCP connections what networks do: it cuts them, in the middle of a request if
// need be, loses replies, forgets them without a word, takes its time and lets only so
// much pass.
//
// It does not read what passes, so it works for any broker on TCP. It is for tests and
// benchmarks, and listens on the loopback interface alone.
package faultproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dialLimit = 5 * time.Second
	// muteGrace is how long a muted connection lives on after its first reply
	// that was swallowed: replies to what was asked together are lost together.
	muteGrace = 50 * time.Millisecond
)

// A Proxy passes connections on to one target. Its methods may be called by many
// goroutines at once, while connections are in use. New connections to the target
// are made whenever a client comes: the target may go away and come back on its
// address.
type Proxy struct {
	target  string
	ln      net.Listener
	running sync.WaitGroup
	oneWay  atomic.Int64 // delay of each direction, in nanoseconds
	trips   atomic.Int64
	rate    atomic.Int64 // bytes per second of each direction; 0: no limit

	mu     sync.Mutex
	links  map[*link]struct{}
	closed bool
	cut    bool
	muted  bool
	hole   bool // new connections are lost
	toward line // the target
	away   line // from it
	left   int  // bytes that still pass toward the target before all is cut; 0: no limit
}

// Listen starts a proxy for the target, a "host:port", on a free port of the
// loopback interface. It does not look whether the target is there.
func Listen(target string) (*Proxy, error) {
	if _, _, err := net.SplitHostPort(target); err != nil {
		return nil, fmt.Errorf("faultproxy: the target must be host:port: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faultproxy: %w", err)
	}
	p := &Proxy{target: target, ln: ln, links: make(map[*link]struct{})}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is the "host:port" that clients connect to in place of the target.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Cut drops every connection, with what is on its way, and resets new ones until
// Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	p.dropAll()
}

// Mute lets requests pass and swallows what the target answers, until Heal or
// Cut. A connection is dropped shortly after its first lost reply to something
// that was sent while muted; so the target has acted, and the client does not
// know. New connections fare the same.
func (p *Proxy) Mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = true
	for l := range p.links {
		l.asked = false
	}
}

// Sever drops every connection once that many bytes more have passed toward the
// target, counted over all connections: in the middle of a request, when it is
// less than the request has. Then it is over: new connections pass. With 0 or less
// it drops them at once. A later call replaces an earlier one that has not come to
// its end.
func (p *Proxy) Sever(afterBytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = max(afterBytes, 0)
	if afterBytes <= 0 {
		p.dropAll()
	}
}

// Swallow takes whatever either side sends and passes nothing on, the end of a connection
// included: as a network that drops packets, or a gateway that has forgotten the
// connection. Neither side is notified. A connection that is there, and one that comes
// before Heal, stays like that for good; those that come after Heal are as usual.
func (p *Proxy) Swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = true
	for l := range p.links {
		l.lost = true
	}
}

// Heal ends Cut, Mute, Swallow and a Sever that has not come to its end.
// Connections that have lost a reply to Mute are dropped; the others live on, each
// as it is. The delay stays.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.muted, p.hole, p.left = false, false, false, 0
	for l := range p.links {
		if l.holed {
			l.drop()
		}
	}
}

// Delay makes a round trip longer by rtt, half of it in each direction; 0 ends
// it. Every chunk of bytes is late by as much, and those behind it do not wait for
// longer: order and throughput are those of the connection without delay.
// Connecting itself is not delayed.
func (p *Proxy) Delay(rtt time.Duration) { p.oneWay.Store(int64(max(rtt, 0) / 2)) }

// Rate lets no more than that many bytes per second pass in each direction, summed
// over all connections; 0 or less ends it. A sender is held back once 32 MB of its
// connection are on their way.
func (p *Proxy) Rate(bytesPerSecond int) { p.rate.Store(int64(max(bytesPerSecond, 0))) }

// A line is one direction of the network, with a rate.
type line struct{ free time.Time }

// take has a line carry bytes, and returns how long it takes until they have
// arrived.
func (p *Proxy) take(l *line, n int) time.Duration {
	rate := p.rate.Load()
	if rate == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(n) * time.Second / time.Duration(rate))
	return l.free.Sub(now)
}

// Trips counts the round trips up to now: how often a client sent something after
// it had been sent something, or for the first time, summed over all connections.
// Requests that are sent without waiting for the replies to earlier ones are one
// trip.
func (p *Proxy) Trips() int64 { return p.trips.Load() }

// Close ends the proxy and its connections, and waits for them. A second call
// does nothing.
func (p *Proxy) Close() error {
	p.mu.Lock()
	again := p.closed
	p.closed, p.cut = true, true
	p.dropAll()
	p.mu.Unlock()
	var err error
	if !again {
		err = p.ln.Close()
	}
	p.running.Wait()
	return err
}

// dropAll drops every connection. p.mu is held.
func (p *Proxy) dropAll() {
	for l := range p.links {
		l.drop()
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(time.Millisecond) // out of file descriptors, perhaps: others will give some back
			continue
		}
		p.running.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

// serve passes one connection on, to its end.
func (p *Proxy) serve(client *net.TCPConn) {
	l := &link{p: p, client: client}
	if !p.enter(l) {
		reset(client)
		return
	}
	defer p.leave(l)
	if l.isLost() {
		_, _ = io.Copy(io.Discard, client)
		return
	}
	target, err := net.DialTimeout("tcp", p.target, dialLimit)
	if err != nil || !l.reached(target.(*net.TCPConn)) {
		reset(client)
		if err == nil {
			reset(target.(*net.TCPConn))
		}
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(client, l.target, &p.toward, l.forth) })
	both.Go(func() { l.pump(l.target, client, &p.away, l.back) })
	both.Wait()
}

func (p *Proxy) enter(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	l.lost = p.hole
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) leave(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	if l.end != nil {
		l.end.Stop()
	}
	if !l.dropped { // a good end: what was passed on last is yet to arrive
		l.dropped = true
		_ = l.client.Close()
		if l.target != nil {
			_ = l.target.Close()
		}
	}
}

// reset closes a connection as a broken network does, and at once.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
