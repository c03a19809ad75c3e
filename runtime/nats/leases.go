package nats

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A lease is one delivery that a worker of this process holds. The server knows no
// receipts, so the lease validates them.
//
// The server's own lease ends slack later than until. When a worker lets its lease end,
// this process therefore gives the task back first, with the crash counted in a header.
// The server does so for dead processes.
type lease struct {
	subject string
	place   string
	tail    string
	seq     uint64
	ack     string // reply subject for the outcome; "" if not delivered to this process
	data    []byte
	headers nats.Header
	crashes int       // of the task, before this delivery
	stored  time.Time // when the message was stored in its stream
	receipt string
	id      string // of the task

	until      time.Time
	claimed    bool // a call settles or extends it
	noFollower bool // fifo: there was no room to store the next head or a tomb
	// buried is set if the task may be on the dead letter queue already. The server
	// must then give it back: its next holder checks that queue.
	buried bool
	raw    bool // it is buried unchanged
	// redelivered is set if the server has handed it out before. The earlier holder may
	// have put it back too, in a copy that reached the server too late.
	redelivered bool
	finished    bool   // its worker is done with it, and thus with such a copy
	copied      uint64 // fifo: the sequence of such a copy; 0: none is known
}

// last is the sequence of the task's last known copy.
func (l *lease) last() uint64 { return max(l.seq, l.copied) }

// leases are the deliveries of one queue that this process holds.
type leases struct {
	mu        sync.Mutex
	byReceipt map[string]*lease
	bySeq     map[uint64]*lease // by message
	freed     chan struct{}     // closed when one is no longer claimed; nil: nobody waits
	// earliest is no later than the end of any lease that is held or is being put back
	// after its end. It is zero if there is none.
	earliest time.Time

	givingBack chan struct{} // holds one value while tasks are put back
}

// add registers leases, and watches their end.
func (h *leases) add(s *queueState, ls []*lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range ls {
		h.byReceipt[l.receipt], h.bySeq[l.seq] = l, l
		h.noteEnd(l.until)
	}
	for len(ls) > 0 { // most end at the same time
		n := 1
		for n < len(ls) && ls[n].until.Equal(ls[0].until) {
			n++
		}
		h.watch(s, ls[:n], ls[0].until)
		ls = ls[n:]
	}
}

// watch handles leases when they end.
func (h *leases) watch(s *queueState, ls []*lease, until time.Time) {
	time.AfterFunc(time.Until(until), func() { s.giveBackExpired(context.Background(), ls) })
}

// claim claims the leases of deliveries, nil for those without one. It waits for leases
// that another call has claimed, and claims none meanwhile. A pool extends leases while
// it settles, so a claimed lease is not lost.
func (h *leases) claim(ctx context.Context, ds []*driver.Delivery) ([]*lease, error) {
	for {
		ls, freed := h.tryClaim(ds)
		if freed == nil {
			return ls, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, driver.Unavailable(ctx.Err())
		}
	}
}

// tryClaim is claim without waiting: if one of the leases is claimed, freed is closed when
// some lease is no longer claimed.
func (h *leases) tryClaim(ds []*driver.Delivery) (ls []*lease, freed <-chan struct{}) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	ls = make([]*lease, len(ds))
	for i, d := range ds {
		l := h.byReceipt[string(d.Receipt)]
		if l == nil || !now.Before(l.until) {
			continue
		}
		if l.claimed {
			if h.freed == nil {
				h.freed = make(chan struct{})
			}
			return nil, h.freed
		}
		ls[i] = l
	}
	for i, l := range ls {
		if l != nil && l.claimed {
			ls[i] = nil // the batch has it twice
		} else if l != nil {
			l.claimed = true
		}
	}
	return ls, nil
}

// claimIdle claims the leases that nobody else has claimed, and returns when the last of
// them ends.
func (h *leases) claimIdle() (ls []*lease, end time.Time) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.byReceipt {
		if l.claimed || !now.Before(l.until) {
			continue
		}
		l.claimed, ls = true, append(ls, l)
		if l.until.After(end) {
			end = l.until
		}
	}
	return ls, end
}

// free notifies the waiting calls that a lease is no longer claimed. h.mu is held.
func (h *leases) free() {
	if h.freed != nil {
		close(h.freed)
		h.freed = nil
	}
}

// drop forgets a lease that claim returned: its task is settled.
func (h *leases) drop(l *lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(l)
	h.free()
}

// forget removes a lease. h.mu is held.
func (h *leases) forget(l *lease) {
	delete(h.byReceipt, l.receipt)
	if h.bySeq[l.seq] == l {
		delete(h.bySeq, l.seq)
	}
}

// until is when the held lease of a message ends; zero if none is held.
func (h *leases) until(l *lease) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if held := h.bySeq[l.seq]; held != nil && time.Now().Before(held.until) {
		return held.until
	}
	return time.Time{}
}

// unclaim ends a claim without effect. If the lease has ended in the meantime, the task is
// given back.
func (h *leases) unclaim(s *queueState, l *lease, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.claimed, l.until = false, until
	h.noteEnd(until)
	h.free()
	h.watch(s, []*lease{l}, until)
}

// noteEnd records that a lease ends at until. h.mu is held.
func (h *leases) noteEnd(until time.Time) {
	if h.earliest.IsZero() || until.Before(h.earliest) {
		h.earliest = until
	}
}

// due reports whether a lease may have ended whose task is not put back yet.
func (h *leases) due() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.earliest.IsZero() && !time.Now().Before(h.earliest)
}

// all returns the leases that are held.
func (h *leases) all() []*lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.byReceipt))
}

// findEarliest finds which lease ends first.
func (h *leases) findEarliest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.earliest = time.Time{}
	for _, l := range h.byReceipt {
		h.noteEnd(l.until)
	}
}

// ended removes the leases that have ended, and returns those whose tasks may be put
// back. If a lease ended a while ago, the server is about to put the task back itself,
// and a copy would be a second task.
func (h *leases) ended(ls []*lease) []*lease {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	var over []*lease
	for _, l := range ls {
		if h.byReceipt[l.receipt] == l && !l.claimed && !now.Before(l.until) {
			h.forget(l)
			if !l.buried && now.Sub(l.until) < late {
				over = append(over, l)
			}
		}
	}
	return over
}

// renew sets the server's leases to those that this process holds. A restarted server
// counts the lease of a delivery from when its message was stored, unless a client sets
// another. It checks for ended leases half a second after its start at the earliest.
// Calls that hold claims set their own leases, or are done with them.
func (s *queueState) renew() {
	ls, end := s.held.claimIdle()
	if len(ls) == 0 {
		return
	}
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	rs := make([]*request, len(ls))
	for i, l := range ls {
		rs[i] = l.nakRequest(time.Until(l.until) + slack)
	}
	_ = s.requester.roundTrip(ctx, rs, alive(ls)) // if this fails it is delivered once more
	for _, l := range ls {
		s.held.unclaim(s, l, l.until)
	}
}

// giveBackExpired gives back tasks whose leases workers have let end. It has slack to do
// so; after that the server does.
func (s *queueState) giveBackExpired(ctx context.Context, ls []*lease) {
	if s.p.beginCall() != nil {
		return
	}
	defer s.p.calls.Done()
	select {
	case s.held.givingBack <- struct{}{}:
		defer func() { <-s.held.givingBack }()
	case <-ctx.Done():
		return
	}
	if over := s.held.ended(ls); len(over) > 0 {
		ctx, cancel := graceContext(ctx, 2*answerWait)
		defer cancel()
		s.giveBack(ctx, over, 1, func(i int) bool { return time.Since(over[i].until) < late })
	}
	if s.held.due() {
		s.held.findEarliest()
	}
}

// giveBack puts deliveries back on their queue unchanged, with the crashes raised. The
// server counts a redelivered message as a crash, so a copy replaces it. For again, see
// roundTrip.
func (s *queueState) giveBack(ctx context.Context, ls []*lease, crashes int, again func(i int) bool) {
	defer s.moves.begin()()
	rs := make([]*request, len(ls))
	for i, l := range ls {
		rs[i] = publish(l.subject, l.data, s.replaceGuard(l), s.headerOf(l, crashes))
	}
	_ = s.requester.roundTrip(ctx, rs, again) // the server gives back what is not answered
	var acks []*request
	for i, r := range rs {
		switch _, err := r.ack(); {
		case err == nil:
			acks = append(acks, ls[i].ackRequest())
		case hasNoCopy(err):
			acks = append(acks, ls[i].nakRequest(fullPause)) // unchanged
		}
	}
	// The copies are stored, so this has time. A message that stays anyway is dropped
	// when it is delivered again, because it has a later copy.
	ctx, cancel := graceContext(ctx, answerWait)
	defer cancel()
	_ = s.requester.roundTrip(ctx, acks, nil)
}

// replaceGuard is the condition under which a copy may replace a delivered message: there is
// no later one. For the head of a group, there must be no follower either, because a
// follower means that the head is done (see advance). Put back after its follower, it
// would be a second head.
func (s *queueState) replaceGuard(l *lease) guard {
	if l.place == placeHead {
		return guard{s.copies(l), l.seq}
	}
	return guard{l.subject, l.seq}
}

var plusAck = []byte("+ACK")

// ackRequest is a request that removes the delivered message from its stream.
func (l *lease) ackRequest() *request {
	return &request{subject: l.ack, data: plusAck}
}

// nakRequest is a request that makes the server's lease end the given time from now.
//
// It is a negative acknowledgement with a delay: the message comes again when the delay
// is over unless it is acknowledged before. Unlike an ack wait or InProgress, the delay
// takes any time, differs by message and outlives this process.
func (l *lease) nakRequest(d time.Duration) *request {
	return &request{subject: l.ack, data: []byte("-NAK {\"delay\": " + strconv.FormatInt(int64(d), 10) + "}")}
}

// headerOf is the header of a copy, with the crashes so far plus more.
func (s *queueState) headerOf(l *lease, more int) nats.Header {
	h := copied(l.headers)
	h[headerReplaces] = []string{s.originID(l.seq, l.stored)}
	if n := l.crashes + more; n > 0 {
		h[headerCrashes] = []string{strconv.Itoa(n)}
	}
	return h
}
