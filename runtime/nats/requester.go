package nats

import (
	"bytes"
	"context"
	"errors"
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
