package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A call is one batch of requests in flight.
type call struct {
	mu      sync.Mutex
	answers []*nats.Msg
	left    int
	over    chan struct{}
}

// A request is one message that the server answers.
type request struct {
	subject string
	data    []byte
	header  nats.Header // in addition to the guard's; may be nil
	guard   guard
	// reply is the answer, nil until there is one.
	reply *nats.Msg
	// resent is set if it was sent more than once: an earlier one may have succeeded
	// and its answer been lost.
	resent bool
	sent   bool
	// err is why it cannot be sent, or will never be answered.
	err error
	// brings is the approximate size in bytes of a message in the answer; 0: something
	// small.
	brings int
	// noResponderSince is since when the server has answered that nobody listens.
	noResponderSince time.Time
}

func (r *request) answered() bool { return r.reply != nil || r.err != nil }

// unanswered is the error of a request without a reply.
func (r *request) unanswered() error { return cmp.Or(r.err, errNoAnswer) }

// roundTrip sends requests, each until it is answered or ctx ends. Before it sends one again
// it calls again, if not nil, which may change the message, or return false to give it
// up. The error says why some are not answered.
func (w *requester) roundTrip(ctx context.Context, rs []*request, again func(i int) bool) error {
	return unavailable(w.roundTripAll(ctx, rs, again))
}

func (w *requester) roundTripAll(ctx context.Context, rs []*request, again func(i int) bool) error {
	todo := make([]int, len(rs))
	for i := range rs {
		todo[i] = i
	}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		for from := 0; from < len(todo); {
			n, weight := w.nextBatch(rs, todo[from:])
			if err := w.byteBudget.acquire(ctx, weight); err != nil {
				return err
			}
			err := w.send(ctx, rs, todo[from:from+n])
			w.byteBudget.release(weight)
			if err != nil {
				return err
			}
			from += n
		}
		w.handleNoResponders(ctx, rs, todo)
		rest := todo[:0]
		for _, i := range todo {
			if !rs[i].answered() {
				rest = append(rest, i)
			}
		}
		if todo = rest; len(todo) == 0 {
			return nil
		}
		if err := w.pause(ctx, pause); err != nil {
			return err
		}
		rest = todo[:0]
		for _, i := range todo {
			if again == nil || again(i) {
				rest = append(rest, i)
			}
		}
		if todo = rest; len(todo) == 0 {
			return context.DeadlineExceeded
		}
	}
}

// nextBatch returns how many of the requests in todo are sent together, and how many bytes
// of messages their answers may bring.
func (w *requester) nextBatch(rs []*request, todo []int) (n, weight int) {
	largest, sent := 0, 0
	for _, i := range todo[:min(maxInFlight, len(todo))] {
		r := rs[i]
		if sent += len(r.data); n > 0 && sent > maxBudget {
			break
		}
		if r.brings > 0 {
			if largest == 0 {
				largest = w.largest()
			}
			more := w.byteBudget.weight(r.brings, largest)
			if n > 0 && weight+more > maxBudget {
				break
			}
			weight += more
		}
		n++
	}
	return n, weight
}

// handleNoResponders handles requests for which the server reports no listener: their stream or
// consumer is gone, or has no leader for a moment.
func (w *requester) handleNoResponders(ctx context.Context, rs []*request, todo []int) {
	asked := false
	var err error
	for _, i := range todo {
		r := rs[i]
		if r.noResponderSince.IsZero() || r.answered() {
			continue
		}
		if !asked && w.restoreStream != nil {
			asked, err = true, w.restoreStream(ctx, r.subject)
		}
		if err != nil {
			r.err = err
		} else if time.Since(r.noResponderSince) > noResponderLimit {
			r.err = fmt.Errorf("%w: %s has had no listener for %s: its stream or consumer is gone, or has no leader", errNoConsumer, r.subject, noResponderLimit)
		}
	}
}

// pause waits for d, and then until the connection is back.
func (w *requester) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.done:
			return errClosed
		case <-t.C:
		}
		switch w.nc.Status() {
		case nats.CONNECTED:
			return nil
		case nats.CLOSED, nats.DRAINING_SUBS, nats.DRAINING_PUBS:
			return nats.ErrConnectionClosed
		}
		t.Reset(firstPause)
	}
}

// send sends one batch of requests and waits as long as answers come. No answer is no
// error. While the connection is lost it sends nothing: the client would buffer the
// requests and send them when the server is back, long after a lease has ended.
func (w *requester) send(ctx context.Context, rs []*request, todo []int) error {
	if w.nc.Status() != nats.CONNECTED && !w.nc.IsClosed() {
		return ctx.Err()
	}
	c := &call{answers: make([]*nats.Msg, len(todo)), left: len(todo), over: make(chan struct{})}
	w.mu.Lock()
	w.count++
	id, gone, before := w.count, w.gone, w.nc.LastError()
	w.calls[id] = c
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.calls, id)
		w.mu.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		size := 0
		for k, m := range c.answers {
			switch r := rs[todo[k]]; {
			case m == nil:
				r.noResponderSince = time.Time{}
			case isStatus(m, "503"): // nobody listens: asked again
				if r.noResponderSince.IsZero() {
					r.noResponderSince = time.Now()
				}
			default:
				if r.reply = m; r.brings > 0 {
					size = max(size, len(m.Data))
				}
			}
		}
		if size > 0 {
			w.byteBudget.observe(size)
		}
	}()
	prefix := w.inbox + strconv.FormatUint(id, 36) + "."
	var m nats.Msg // reused: the client keeps no reference
	h := newHeaders()
	for k, i := range todo {
		rs[i].resent, rs[i].sent = rs[i].sent, true
		m.Subject, m.Data, m.Header, m.Reply = rs[i].subject, rs[i].data, h.of(rs[i]), prefix+strconv.Itoa(k)
		switch err := w.nc.PublishMsg(&m); {
		case errors.Is(err, nats.ErrConnectionClosed):
			return err
		case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrBadSubject), errors.Is(err, nats.ErrInvalidMsg), errors.Is(err, nats.ErrHeadersNotSupported):
			rs[i].err = err
			c.skip()
		case err != nil: // the connection is lost, or rejects writes
			c.skip()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	w.requests.Add(int64(len(todo)))
	return w.wait(ctx, c, rs, todo, gone, before)
}

func (c *call) skip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		close(c.over)
	}
}

// wait waits for the answers to a call. before is the connection's last error before
// the call.
func (w *requester) wait(ctx context.Context, c *call, rs []*request, todo []int, gone <-chan struct{}, before error) error {
	t := time.NewTimer(checkInterval)
	defer t.Stop()
	left, quiet := -1, time.Duration(0)
	for {
		select {
		case <-c.over:
			return nil
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			t.Reset(checkInterval)
			if c.refused(w, rs, todo, before) {
				return nil
			}
			c.mu.Lock()
			now := c.left
			c.mu.Unlock()
			if now != left {
				left, quiet = now, 0
				continue
			}
			if quiet += checkInterval; quiet >= answerWait {
				return nil
			}
			if quiet%(2*checkInterval) == 0 {
				w.probe()
			}
		}
	}
}

// isStatus reports whether a message is a status line of the server.
func isStatus(m *nats.Msg, code string) bool {
	return len(m.Data) == 0 && m.Header != nil && m.Header.Get("Status") == code
}
