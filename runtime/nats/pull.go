package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// pullWait is how long the server keeps a request for messages that are not there
	// yet. Then it is repeated. A longer wait would save next to nothing. A shorter one
	// would not find a server that has lost the request any sooner: the connection
	// reports that.
	pullWait = 5 * time.Second
	// shortWait is how long the answer to a request without a wait may take.
	shortWait = time.Second
)

// A pull is a request for messages of some consumers, on an inbox of its own. Removing
// the inbox is the only way to end a request early without losing the messages that the
// server sends in that moment: the server notices that no one listens and puts a
// message back uncounted.
type pull struct {
	w            *requester
	sub          *nats.Subscription
	ch           chan *nats.Msg
	requestedAt  time.Time
	gone         <-chan struct{} // closed when the connection was lost since
	waits        bool
	open         int // requests that may still bring something
	got          []pulled
	first        time.Time // when the first of these came
	truncated    bool      // there is more than could be requested at once
	unresponsive bool      // the server did not answer in the end
	err          error
}

// A pulled message is one that a consumer has delivered. back says that the server had
// counted a delivery that reached no worker, because its request was just ending.
type pulled struct {
	*nats.Msg
	meta *nats.MsgMetadata
	back bool
}

type pullRequest struct {
	Batch    int           `json:"batch"`
	MaxBytes int           `json:"max_bytes,omitempty"`
	NoWait   bool          `json:"no_wait,omitempty"`
	Expires  time.Duration `json:"expires,omitempty"`
}

// pull requests a batch from each consumer. With wait it waits for the first message.
// It returns the messages that have come. done ends it early, like ctx. If the
// connection was lost, it comes after the renewals of others.
func (s *queueState) pull(ctx context.Context, done <-chan struct{}, consumers []string, batch int, wait bool) (*pull, error) {
	if status := s.requester.nc.Status(); status != nats.CONNECTED && status != nats.CLOSED {
		return nil, s.requester.connError()
	}
	for rest := s.requester.renewing(); rest > 0; rest = s.requester.renewing() {
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return &pull{w: s.requester, gone: s.requester.disconnected()}, nil
		case <-done:
			return &pull{w: s.requester, gone: s.requester.disconnected()}, nil
		}
	}
	ask := pullRequest{Batch: batch, MaxBytes: s.requester.byteBudget.pull(s.requester.largest()), NoWait: true}
	defer s.requester.byteBudget.pullEnds()
	limit := shortWait
	ended, timed := ctx.Done(), false
	if wait {
		ask.Expires = pullWait
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < pullWait {
			ask.Expires, timed = max(time.Until(deadline), time.Millisecond), true
		}
		limit = ask.Expires + shortWait
		// A request with NoWait is refused while others wait for more than there is.
		// Several consumers at once are each asked for one message only.
		ask.NoWait = len(consumers) == 1
	}
	p := &pull{w: s.requester, waits: wait, ch: make(chan *nats.Msg, (batch+8)*len(consumers)), open: len(consumers), requestedAt: time.Now(), gone: s.requester.disconnected()}
	var err error
	inbox := s.requester.nc.NewInbox()
	if p.sub, err = s.requester.nc.ChanSubscribe(inbox, p.ch); err != nil {
		return nil, err
	}
	for _, c := range consumers {
		if err := p.request(s, c, inbox, ask); err != nil {
			return nil, errors.Join(err, p.sub.Unsubscribe())
		}
	}
	defer p.adapt()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	alive := time.NewTicker(shortWait)
	defer alive.Stop()
	for p.open > 0 {
		select {
		case <-alive.C:
			s.requester.probe()
			continue
		case m := <-p.ch:
			limit = min(limit, 2*shortWait) // further messages come one after the other
			timer.Reset(limit)
			if p.accept(m, len(consumers) == 1, batch) {
				// Others wait for more than there is, and this request waits with them,
				// for one message; or there is a message from a time when the server
				// accepted larger ones.
				if err := p.request(s, consumers[0], inbox, pullRequest{Batch: 1, Expires: max(ask.Expires, shortWait)}); err != nil {
					return p, p.end()
				}
				batch, limit = 1, max(ask.Expires, shortWait)+shortWait
				timer.Reset(limit)
			}
			if len(consumers) > 1 && len(p.got) > 0 {
				return p, p.stop(s, consumers, batch)
			}
			continue
		case <-ended:
			if timed && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				ended = nil // the request ends by itself at the deadline of ctx
				limit = shortWait
				timer.Reset(limit)
				continue
			}
			return p, p.stop(s, consumers, batch)
		case <-done:
			return p, p.stop(s, consumers, batch)
		case <-timer.C:
			return p, p.stop(s, consumers, batch)
		case <-p.gone:
			p.err = s.requester.connError()
		}
		return p, p.end()
	}
	return p, p.sub.Unsubscribe()
}

// late reports whether another worker may have the pulled messages by now, or may have
// finished them. They may have waited on their way, or in the memory of a process that
// stood still, until their lease was over; and a killed server forgets its last
// deliveries.
func (p *pull) late(lease time.Duration) bool {
	select {
	case <-p.gone:
		return true
	default:
		return time.Since(p.requestedAt) >= max(lease, slack)
	}
}

// adapt adjusts the size of the next request to the time that the messages of this one
// took.
func (p *pull) adapt() {
	switch took := time.Since(p.first); {
	case len(p.got) < 2:
	case took > shrinkAbove:
		p.w.byteBudget.shrink()
	case p.truncated && took < growBelow:
		p.w.byteBudget.grow()
	}
}

func (p *pull) request(s *queueState, consumer, inbox string, ask pullRequest) error {
	body, _ := json.Marshal(ask)
	p.w.requests.Add(1)
	return p.w.nc.PublishMsg(&nats.Msg{Subject: p.w.api + "CONSUMER.MSG.NEXT." + s.names.stream + "." + consumer, Reply: inbox, Data: body})
}

// accept notes a message, or the end of a request. It reports true for a request that was
// refused because others wait, or because one message is larger than the server accepts
// by now. Such a request is to be repeated for one message.
func (p *pull) accept(m *nats.Msg, alone bool, batch int) (again bool) {
	// A delivery of a consumer has a reply, whatever its headers say.
	status := ""
	if m.Reply == "" && len(m.Data) == 0 && m.Header != nil {
		status = m.Header.Get("Status")
	}
	switch status {
	case "":
		if meta, err := m.Metadata(); err == nil { // else it is no delivery
			if len(p.got) == 0 {
				p.first = time.Now()
			}
			p.got = append(p.got, pulled{Msg: m, meta: meta})
		}
		if alone && len(p.got) >= batch {
			p.open = 0
		}
	case "100": // a heartbeat
	case "408":
		if alone && batch > 1 && p.waits && len(p.got) == 0 && m.Header.Get("Description") == "Requests Pending" {
			return true
		}
		p.open--
	case "404":
		p.open--
	case "409":
		if m.Header.Get("Description") == "Message Size Exceeds MaxBytes" {
			if p.truncated = true; alone && len(p.got) == 0 {
				return true
			}
			p.open--
			break
		}
		fallthrough
	default:
		p.open--
		p.err = fmt.Errorf("%w: %s %s", errNoConsumer, status, m.Header.Get("Description"))
	}
	return false
}

// stop ends requests that wait. By now the server has put back the messages that it was
// about to send, to be delivered first of all, and still counts them as delivered. So
// requests without a wait fetch them: when the first is answered, every message in
// transit has been put back, and the second finds them.
func (p *pull) stop(s *queueState, consumers []string, batch int) error {
	if err := p.end(); err != nil || p.unresponsive || p.w.nc.Status() != nats.CONNECTED {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), shortWait)
	defer cancel()
	if states, err := p.w.infos(ctx, s.names.stream, consumers...); err != nil || states[0].Paused {
		return nil // a paused consumer sends nothing; and if the connection is lost, leases bring all back
	}
	before := len(p.got)
	defer func() {
		for i := before; i < len(p.got); i++ {
			p.got[i].back = true
		}
	}()
	for range 2 {
		for _, c := range consumers {
			if n := batch*len(consumers) - len(p.got); n > 0 {
				if err := p.fetchNow(s, c, min(n, batch)); err != nil || p.unresponsive {
					return err
				}
			}
		}
	}
	return nil
}

// fetchNow fetches what a consumer has now.
func (p *pull) fetchNow(s *queueState, consumer string, batch int) error {
	more := &pull{w: p.w, ch: make(chan *nats.Msg, batch+8), open: 1}
	most := p.w.byteBudget.pull(p.w.largest())
	defer p.w.byteBudget.pullEnds()
	inbox := p.w.nc.NewInbox()
	var err error
	if more.sub, err = p.w.nc.ChanSubscribe(inbox, more.ch); err != nil {
		return err
	}
	if err := more.request(s, consumer, inbox, pullRequest{Batch: batch, MaxBytes: most, NoWait: true}); err != nil {
		return errors.Join(err, more.sub.Unsubscribe())
	}
	timer := time.NewTimer(shortWait)
	defer timer.Stop()
	for more.open > 0 {
		select {
		case m := <-more.ch:
			timer.Reset(shortWait)
			if more.accept(m, true, batch) {
				more.open-- // one that is too large comes another time
			}
			continue
		case <-timer.C:
		}
		err = more.end()
		break
	}
	_ = more.sub.Unsubscribe()
	p.got, p.unresponsive = append(p.got, more.got...), p.unresponsive || more.unresponsive
	return err
}

// end removes the inbox, and gathers the messages that came until the server knew.
func (p *pull) end() error {
	if p.w.nc.Status() == nats.CONNECTED {
		_ = p.sub.Drain()
		ctx, cancel := context.WithTimeout(context.Background(), shortWait)
		if p.w.nc.FlushWithContext(ctx) != nil { // the answer comes after everything sent before
			p.unresponsive = true
			p.w.probe()
		}
		cancel()
	} else if err := p.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
		return err
	}
	for {
		select {
		case m := <-p.ch:
			p.accept(m, false, 0)
		default:
			return nil
		}
	}
}
