package server

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/taskgen/taskgen/internal/deliveries"
	"github.com/taskgen/taskgen/runtime/driver"
)

// Bounds of leases.
const (
	// maxLeases bounds the leases that a server holds.
	maxLeases = 10_000
	// leaseSlack is how long a lease that has ended is kept: until then its worker hears that
	// it is lost, and may still release it to say that it was no crash.
	leaseSlack = time.Minute
	// sweepEvery is how often such leases are looked for.
	sweepEvery = 10 * time.Second
	// giveBackLimit bounds giving tasks back when nobody waits for the answer.
	giveBackLimit = 5 * time.Second
)

// leases are those that the server has handed out and that have no outcome yet.
type leases struct {
	s *Server

	mu     sync.Mutex
	held   map[string]*lease
	sweep  *time.Timer   // nil: no lease is held
	calls  int           // receives that are under way, with their calls
	closed bool          // nothing more is handed out
	idle   chan struct{} // closed once closed is set and calls is 0
}

// A lease is a task in the hands of a worker. The mutex of leases guards what changes.
type lease struct {
	id     string
	caller string
	queue  *deliveries.Queue
	began  time.Time // when it was handed out

	d     *driver.Delivery
	sub   *subscription // whose stream it came by; nil: none, or it has ended
	busy  bool          // a call settles it, or listeners hear that it begins
	doubt verb          // what an earlier call may have done
	run   *heardRun     // nil: nobody listens
}

func newLeases(s *Server) *leases {
	return &leases{s: s, held: make(map[string]*lease), idle: make(chan struct{})}
}

// begin counts a call that receives tasks, so that close waits for it.
func (l *leases) begin() (over func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errStopped
	}
	l.calls++
	return l.over, nil
}

// behind counts a receive that goes on behind a call; see driver.HearBehind.
func (l *leases) behind() (over func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	return l.over
}

func (l *leases) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls--; l.calls == 0 && l.closed {
		close(l.idle)
	}
}

// room is how many of n leases the server may hand out now.
func (l *leases) room(n int) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n = min(n, maxLeases-len(l.held)); n <= 0 {
		return 0, errTooManyLeases
	}
	return n, nil
}

// add takes deliveries of a queue for a caller. Those for which there is no room go back. The
// others are busy until begins is called, if somebody listens.
func (l *leases) add(caller string, q *deliveries.Queue, sub *subscription, ds []*driver.Delivery) (held []*lease, back []*driver.Delivery) {
	now := l.s.cfg.Manager.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, d := range ds {
		if len(l.held) >= maxLeases || l.closed {
			return held, ds[i:]
		}
		h := &lease{id: strings.ToLower(rand.Text()), caller: caller, queue: q, began: now, d: d, sub: sub, busy: q.Heard()}
		l.held[h.id] = h
		if sub != nil {
			sub.open[h] = struct{}{}
		}
		held = append(held, h)
	}
	if l.sweep == nil && len(l.held) > 0 {
		l.sweep = time.AfterFunc(sweepEvery, l.dropEnded)
	}
	return held, nil
}

// dropLocked forgets a lease.
func (l *leases) dropLocked(h *lease) {
	delete(l.held, h.id)
	if sub := h.sub; sub != nil {
		delete(sub.open, h)
		h.sub = nil
		select {
		case sub.freed <- struct{}{}:
		default:
		}
	}
}

// dropEnded tells of leases that have ended, forgets those that did so long enough ago, and looks
// again later.
func (l *leases) dropEnded() {
	now := l.s.cfg.Manager.Now()
	var heard events
	defer heard.tell()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		if h.busy || h.d.LeaseUntil.After(now) {
			continue
		}
		heard.lost(h)
		if now.Sub(h.d.LeaseUntil) > leaseSlack {
			l.dropLocked(h)
		}
	}
	if l.sweep = nil; len(l.held) > 0 && !l.closed {
		l.sweep = time.AfterFunc(sweepEvery, l.dropEnded)
	}
}

// take marks the leases of a caller as being settled, until done. The items of others have
// an error.
func (l *leases) take(caller string, ids []string) []*item {
	items := make([]*item, len(ids))
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, id := range ids {
		it := &item{id: id}
		items[i] = it
		switch h := l.held[id]; {
		case h == nil || h.caller != caller: // whose it is, is nobody's business
			it.err = errUnknownLease
		case h.busy:
			it.err = errBusyLease
		default:
			d := *h.d // an answer that comes late may still be written into it
			h.busy, it.lease, it.d = true, h, &d
		}
	}
	return items
}

// ofTask is the lease of a task that the server has handed out.
func (l *leases) ofTask(id string) (caller, lease string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		if h.d.Task.ID == id {
			return h.caller, h.id, true
		}
	}
	return "", "", false
}

// done takes what became of items, and makes the error of each final.
func (l *leases) done(items []*item) {
	now := l.s.cfg.Manager.Now()
	var heard events
	defer heard.tell()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		h := it.lease
		if h == nil {
			continue
		}
		h.busy = false
		switch lost := errors.Is(it.err, driver.ErrLeaseLost); {
		case it.err == nil && it.verb == extends:
			h.d.LeaseUntil = it.d.LeaseUntil
		case it.err == nil, lost:
			// No other worker can have had the task while the lease holds: then an earlier
			// call has settled it, whose answer was lost. See driver.Queue.
			if lost && it.sent && h.doubt == it.verb && it.verb != extends && h.d.LeaseUntil.After(now) && h.queue.Capabilities().FreeLeases {
				it.err = nil
			}
			if it.err == nil {
				heard.settled(it)
			} else {
				heard.lost(h)
			}
			l.dropLocked(h)
		case it.sent && it.verb != extends:
			h.doubt = it.verb
		}
	}
}

// close gives back what has no outcome, once nothing more is received.
func (l *leases) close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	if l.closed = true; l.calls == 0 {
		close(l.idle)
	}
	if l.sweep != nil {
		l.sweep.Stop()
	}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	select {
	case <-l.idle:
	case <-ctx.Done(): // a stream whose client reads nothing, or a receive that does not end
	}
	type of struct {
		queue  *deliveries.Queue
		caller string
	}
	back := make(map[of][]ending)
	l.mu.Lock()
	for _, h := range l.held {
		if !h.busy {
			key := of{h.queue, h.caller}
			back[key] = append(back[key], ending{h.d, h.run})
			l.dropLocked(h)
		}
	}
	l.mu.Unlock()
	var err error
	for key, all := range back {
		err = errors.Join(err, giveBack(context.Background(), key.queue, key.caller, all, driver.ErrStopping))
	}
	return err
}
