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
// receipts, so that the lease proves them.
//
// The server's own lease ends slack later than until. When a worker lets its lease end,
// this process therefore gives the task back first, with the crash counted in a header;
// the server does so for dead processes.
type lease struct {
	subject string
	place   string
	tail    string
	seq     uint64
	ack     string // where the server waits for the outcome; "" where it was delivered to somebody else
	data    []byte
	headers nats.Header
	crashes int       // of the task, before this delivery
	stored  time.Time // when the message came into its stream
	receipt string
	id      string // of the task

	until      time.Time
	busy       bool // somebody settles or extends it
	unfollowed bool // fifo: there was no room for a next head, nor for a tomb
	// buried says that it may be on the dead letter queue already. It is then left
	// to the server to give back, for whoever gets it next looks there.
	buried bool
	raw    bool // it is buried as it is
	// redelivered says that the server has handed it out before: who had it may have put
	// it back as well, in a copy that came to the server too late.
	redelivered bool
	finished    bool   // its worker is done with it, and so with such a copy
	copied      uint64 // fifo: that copy; 0: none is known
}

// last is the sequence of the last copy of the task that is known.
func (l *lease) last() uint64 { return max(l.seq, l.copied) }

// leases are the deliveries of one queue that this process holds.
type leases struct {
	mu    sync.Mutex
	by    map[string]*lease
	seqs  map[uint64]*lease // the same, by their messages
	freed chan struct{}     // closed when one is not busy any more; nil: nobody waits
	// first is no later than the end of any lease that is held, or was until it
	// ended and is being put back; zero where there is none.
	first time.Time

	lapsing chan struct{} // has one while tasks are put back
}

// add takes leases in, and watches their end.
func (h *leases) add(s *source, ls []*lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range ls {
		h.by[l.receipt], h.seqs[l.seq] = l, l
		h.sooner(l.until)
	}
	for len(ls) > 0 { // most have one end
		n := 1
		for n < len(ls) && ls[n].until.Equal(ls[0].until) {
			n++
		}
		h.watch(s, ls[:n], ls[0].until)
		ls = ls[n:]
	}
}

// watch looks after leases when they end.
func (h *leases) watch(s *source, ls []*lease, until time.Time) {
	time.AfterFunc(time.Until(until), func() { s.lapse(context.Background(), ls) })
}

// take claims the leases that deliveries name, nil where there is none (any
// more). It waits for those that another call has claimed, and claims none
// meanwhile: a pool extends leases while it settles, and one that somebody else
// is at is not lost.
func (h *leases) take(ctx context.Context, ds []*driver.Delivery) ([]*lease, error) {
	for {
		ls, freed := h.try(ds)
		if freed == nil {
			return ls, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try is take without waiting: where one of the leases is busy, freed is closed
// when some lease is not any more.
func (h *leases) try(ds []*driver.Delivery) (ls []*lease, freed <-chan struct{}) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	ls = make([]*lease, len(ds))
	for i, d := range ds {
		l := h.by[string(d.Receipt)]
		if l == nil || !now.Before(l.until) {
			continue
		}
		if l.busy {
			if h.freed == nil {
				h.freed = make(chan struct{})
			}
			return nil, h.freed
		}
		ls[i] = l
	}
	for i, l := range ls {
		if l != nil && l.busy {
			ls[i] = nil // the batch has it twice
		} else if l != nil {
			l.busy = true
		}
	}
	return ls, nil
}

// idle claims the leases that nobody else has claimed, and says when the last of them ends.
func (h *leases) idle() (ls []*lease, end time.Time) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.by {
		if l.busy || !now.Before(l.until) {
			continue
		}
		l.busy, ls = true, append(ls, l)
		if l.until.After(end) {
			end = l.until
		}
	}
	return ls, end
}

// free tells those who wait that a lease is not busy any more. h.mu is held.
func (h *leases) free() {
	if h.freed != nil {
		close(h.freed)
		h.freed = nil
	}
}

// drop forgets a lease that take returned: its task is settled.
func (h *leases) drop(l *lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(l)
	h.free()
}

// forget takes a lease out. h.mu is held.
func (h *leases) forget(l *lease) {
	delete(h.by, l.receipt)
	if h.seqs[l.seq] == l {
		delete(h.seqs, l.seq)
	}
}

// until is when the lease of a message ends that is held already; zero where none is.
func (h *leases) until(l *lease) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if held := h.seqs[l.seq]; held != nil && time.Now().Before(held.until) {
		return held.until
	}
	return time.Time{}
}

// back ends a claim without effect. A lease whose end has come in the meantime is
// given back.
func (h *leases) back(s *source, l *lease, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.busy, l.until = false, until
	h.sooner(until)
	h.free()
	h.watch(s, []*lease{l}, until)
}

// sooner notes that a lease ends at until. h.mu is held.
func (h *leases) sooner(until time.Time) {
	if h.first.IsZero() || until.Before(h.first) {
		h.first = until
	}
}

// due reports whether a lease may have ended whose task is not put back yet.
func (h *leases) due() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.first.IsZero() && !time.Now().Before(h.first)
}

// all returns the leases that are held.
func (h *leases) all() []*lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.by))
}

// review finds out which lease ends first.
func (h *leases) review() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.first = time.Time{}
	for _, l := range h.by {
		h.sooner(l.until)
	}
}

// ended takes out those of the leases that have come to their end, and returns
// those of them that may be put back. With one that ended a while ago the server is
// about to do so itself, and a copy beside that would be a second task.
func (h *leases) ended(ls []*lease) []*lease {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	var over []*lease
	for _, l := range ls {
		if h.by[l.receipt] == l && !l.busy && !now.Before(l.until) {
			h.forget(l)
			if !l.buried && now.Sub(l.until) < late {
				over = append(over, l)
			}
		}
	}
	return over
}

// renew makes the server's leases those that this process holds. A server that starts
// again counts the lease of a delivery from when its message was stored, unless it was
// told another, and looks for leases that have ended half a second after its start at
// the earliest. What is claimed by others they tell it themselves, or are done with.
func (s *source) renew() {
	ls, end := s.held.idle()
	if len(ls) == 0 {
		return
	}
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	rs := make([]*request, len(ls))
	for i, l := range ls {
		rs[i] = l.put(time.Until(l.until) + slack)
	}
	_ = s.wire.ask(ctx, rs, alive(ls)) // else it is delivered once more
	for _, l := range ls {
		s.held.back(s, l, l.until)
	}
}

// lapse gives back what workers have let go by. It has slack to do so: later the
// server does.
func (s *source) lapse(ctx context.Context, ls []*lease) {
	if s.p.enter() != nil {
		return
	}
	defer s.p.calls.Done()
	select {
	case s.held.lapsing <- struct{}{}:
		defer func() { <-s.held.lapsing }()
	case <-ctx.Done():
		return
	}
	if over := s.held.ended(ls); len(over) > 0 {
		ctx, cancel := linger(ctx, 2*answerWait)
		defer cancel()
		s.giveBack(ctx, over, 1, func(i int) bool { return time.Since(over[i].until) < late })
	}
	if s.held.due() {
		s.held.review()
	}
}

// giveBack puts deliveries back on their queue as they were, with the crashes
// raised. A message that was delivered counts as a crash by the server's numbers
// when it is delivered again, so a copy takes its place. As to again, see ask.
func (s *source) giveBack(ctx context.Context, ls []*lease, crashes int, again func(i int) bool) {
	defer s.moves.begin()()
	rs := make([]*request, len(ls))
	for i, l := range ls {
		rs[i] = publish(l.subject, l.data, s.again(l), s.headerOf(l, crashes))
	}
	_ = s.wire.ask(ctx, rs, again) // what is not answered the server gives back
	var acks []*request
	for i, r := range rs {
		switch _, err := r.ack(); {
		case err == nil:
			acks = append(acks, ls[i].done())
		case hasNoCopy(err):
			acks = append(acks, ls[i].put(fullPause)) // as it was
		}
	}
	// The copies are there, so that this has time. A message that stays in spite of
	// it is dropped when it is delivered again, for it has a later copy.
	ctx, cancel := linger(ctx, answerWait)
	defer cancel()
	_ = s.wire.ask(ctx, acks, nil)
}

// again is the condition under which a copy of a delivered message may stand in
// its place: there is no later one. The first of a group must not have been
// followed either, which is how it is done (see advance): put back behind its
// follower, it would be a second first.
func (s *source) again(l *lease) guard {
	if l.place == placeHead {
		return guard{s.copies(l), l.seq}
	}
	return guard{l.subject, l.seq}
}

var plusAck = []byte("+ACK")

// done is a request that takes the delivered message off its stream.
func (l *lease) done() *request {
	return &request{subject: l.ack, data: plusAck}
}

// put is a request that makes the server's lease end the given time from now.
//
// It is a negative acknowledgement with a delay, which is just that: the message
// comes again when the delay is over unless it is acknowledged before. Unlike
// an ack wait or InProgress it takes any time, for each message its own, and
// outlives this process.
func (l *lease) put(d time.Duration) *request {
	return &request{subject: l.ack, data: []byte("-NAK {\"delay\": " + strconv.FormatInt(int64(d), 10) + "}")}
}

// headerOf is that of a copy, with the crashes up to now and more.
func (s *source) headerOf(l *lease, more int) nats.Header {
	h := copied(l.headers)
	h[headerReplaces] = []string{s.mark(l.seq, l.stored)}
	if n := l.crashes + more; n > 0 {
		h[headerCrashes] = []string{strconv.Itoa(n)}
	}
	return h
}
