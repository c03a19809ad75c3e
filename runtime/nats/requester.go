package nats

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// maxInFlight is the number of requests in flight at once: enough to keep the server
	// busy, and few enough for the buffers of the client and the server.
	maxInFlight = 1024
	// answerWait is how long a call without a new answer waits before it sends the
	// unanswered requests again.
	answerWait = 5 * time.Second
	// noResponderLimit is how long a subject may have no listener, while a cluster elects a
	// leader.
	noResponderLimit = 10 * time.Second
	firstPause       = 10 * time.Millisecond
	maxPause         = 500 * time.Millisecond
	// renewWait is how long a process asks for no messages once its connection is back:
	// others whose connections come back meanwhile renew their leases first.
	renewWait = 500 * time.Millisecond
)

// A requester sends requests to the server and gathers the answers, many at a time, on one
// inbox that lives as long as the provider. A lost connection is no error: requests
// without an answer are sent again.
type requester struct {
	nc         *nats.Conn
	api        string // "$JS.API.", or its replacement
	domain     string // the JetStream domain asked for; "": any
	inbox      string
	sub        *nats.Subscription
	status     chan nats.Status
	byteBudget byteBudget
	requests   atomic.Int64  // requests, for tests of cost
	done       chan struct{} // closed by stopRetries
	ended      sync.WaitGroup

	// restoreStream restores the stream of a subject if it may be gone.
	restoreStream func(ctx context.Context, subject string) error
	// renew starts the work that follows a reconnect.
	renew func()

	probing     atomic.Bool
	pingTimeout atomic.Int64 // probe's timeout, in nanoseconds

	mu    sync.Mutex
	calls map[uint64]*call
	count uint64        // of calls: the last one's number
	gone  chan struct{} // closed when the connection is lost, then replaced
	down  bool          // the connection was lost, and is not known to be back
	back  time.Time     // when it last came back
}

// A call is one batch of requests in flight.
type call struct {
	mu      sync.Mutex
	answers []*nats.Msg
	left    int
	over    chan struct{}
}

func newRequester(nc *nats.Conn, api string, renew func()) (*requester, error) {
	w := &requester{nc: nc, api: api, renew: renew, inbox: nc.NewInbox() + ".", calls: make(map[uint64]*call), done: make(chan struct{}), gone: make(chan struct{})}
	var err error
	if w.sub, err = nc.Subscribe(w.inbox+"*.*", w.answer); err != nil {
		return nil, err
	}
	if err := w.sub.SetPendingLimits(-1, -1); err != nil {
		return nil, errors.Join(err, w.sub.Unsubscribe())
	}
	w.byteBudget.most = maxBudget
	w.pingTimeout.Store(int64(probeWait))
	w.status = nc.StatusChanged(nats.CONNECTED, nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	w.ended.Go(w.watch)
	return w, nil
}

// watch notifies every waiting call when the connection is lost: its requests may never
// be answered.
func (w *requester) watch() {
	for status := range w.status { // until close ends it
		if status == nats.CONNECTED {
			w.mu.Lock()
			w.down, w.back = false, time.Now()
			w.mu.Unlock()
			w.renew()
			continue
		}
		w.byteBudget.connectionLost()
		w.mu.Lock()
		close(w.gone)
		w.gone, w.down = make(chan struct{}), true
		w.mu.Unlock()
	}
}

// renewing is how much longer other processes have to renew their leases.
func (w *requester) renewing() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down && w.nc.Status() == nats.CONNECTED {
		return firstPause // it has just come back
	}
	return renewWait - time.Since(w.back)
}

// stopRetries ends all retries: only requests in flight complete.
func (w *requester) stopRetries() { close(w.done) }

// close ends the requester, after stopRetries, when no call is left.
func (w *requester) close() error {
	w.nc.RemoveStatusListener(w.status)
	w.ended.Wait()
	if err := w.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	return nil
}

// disconnected is closed when the current connection is lost.
func (w *requester) disconnected() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

// answer records the answer to one request. Its reply subject ends in the numbers of
// the call and the request.
func (w *requester) answer(m *nats.Msg) {
	id, index, ok := strings.Cut(strings.TrimPrefix(m.Subject, w.inbox), ".")
	if !ok {
		return
	}
	n, err1 := strconv.ParseUint(id, 36, 64)
	i, err2 := strconv.Atoi(index)
	if err1 != nil || err2 != nil {
		return
	}
	w.mu.Lock()
	c := w.calls[n]
	w.mu.Unlock()
	if c == nil {
		return // no call waits for it any more
	}
	if w.fromOtherDomain(m.Data) {
		return // a stream of another domain has stored the message, too
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i < 0 || i >= len(c.answers) || c.answers[i] != nil {
		return
	}
	c.answers[i] = m
	if c.left--; c.left == 0 {
		close(c.over)
	}
}

// fromOtherDomain reports whether an answer says that a message was stored in another domain
// than the requested one.
func (w *requester) fromOtherDomain(answer []byte) bool {
	return w.domain != "" && bytes.HasPrefix(answer, []byte(`{"stream":`)) && !bytes.Contains(answer, []byte(`"domain":"`+w.domain+`"`)) && !bytes.Contains(answer, []byte(`"error":`))
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
