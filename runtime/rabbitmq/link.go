package rabbitmq

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A Dialer makes a connection to the broker. It is called again whenever the previous
// connection has ended, and must return a new one each time. Leave Config.Recovery
// unset: a connection that recovers by itself would settle the wrong deliveries.
type Dialer func(ctx context.Context) (*amqp.Connection, error)

// Pauses between two attempts to reach the broker.
const (
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// A link keeps one connection: when it ends, callers wait for the next one. Nothing of an
// old connection is used with a new one.
//
// A provider has two links: a broker that is short of memory or disk stops reading from
// connections that publish, and acknowledgements, which free space, must not wait behind
// that.
type link struct {
	dial  Dialer
	owned bool // connections are the link's to close
	setup func(context.Context, *session) error

	ctx  context.Context // ends with the link
	stop context.CancelFunc

	mu    sync.Mutex
	cur   *session
	ready chan struct{} // closed when the current dialling is over; nil: none is
	last  error         // why the last attempt failed
}

func newLink(dial Dialer, owned bool) *link {
	l := &link{dial: dial, owned: owned}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// session returns the current connection, or waits for one, until ctx ends.
func (l *link) session(ctx context.Context) (*session, error) {
	for {
		if ctx.Err() != nil {
			return nil, ended(ctx)
		}
		l.mu.Lock()
		if l.ctx.Err() != nil {
			l.mu.Unlock()
			return nil, errClosed
		}
		if l.cur != nil && l.cur.alive() {
			s := l.cur
			l.mu.Unlock()
			return s, nil
		}
		if l.ready == nil {
			l.ready = make(chan struct{})
			go l.redial()
		}
		ready := l.ready
		l.mu.Unlock()
		select {
		case <-ready:
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			return nil, fmt.Errorf("rabbitmq: no connection: %w (the last attempt: %v)", ended(ctx), l.last)
		}
	}
}

// sessionTries bounds on how many connections a call is made.
const sessionTries = 5

// repeat makes a call that may be made more than once. It makes it again on the next
// connection where its own ends under it: the broker ends one with an internal error when a
// queue is declared or deleted while it ends, which is an error of the other calls on it, too.
func (l *link) repeat(ctx context.Context, call func(*session) error) error {
	for tries := 1; ; tries++ {
		s, err := l.session(ctx)
		if err != nil {
			return err
		}
		if err = call(s); err == nil || s.alive() || tries == sessionTries {
			return err
		}
	}
}

// current is the current connection, or nil.
func (l *link) current() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cur == nil || !l.cur.alive() {
		return nil
	}
	return l.cur
}

// redial tries until there is a connection or the link is closed.
func (l *link) redial() {
	var s *session
	for pause := firstPause; s == nil && l.ctx.Err() == nil; pause = min(2*pause, maxPause) {
		var err error
		if s, err = l.connect(l.ctx); err == nil {
			break
		}
		l.mu.Lock()
		l.last = err
		l.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-l.ctx.Done():
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s != nil {
		l.cur = s
	}
	close(l.ready)
	l.ready = nil
}

// connect makes one attempt.
func (l *link) connect(ctx context.Context) (*session, error) {
	conn, err := await(ctx, func() (*amqp.Connection, error) { return l.dial(ctx) }, func(late *amqp.Connection) {
		if l.owned {
			_ = late.CloseDeadline(time.Now().Add(closeWait))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: connect: %w", err)
	}
	s := newSession(conn, l.owned)
	if err := l.setup(ctx, s); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// connectFirst makes the link's first connection, with one attempt: a wrong address or
// password is an error, and no reason to wait. Every later connection is redial's.
func (l *link) connectFirst(ctx context.Context) error {
	l.mu.Lock()
	connected := l.cur != nil
	l.mu.Unlock()
	if connected {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(l.ctx, func() { cancel(errClosed) })
	defer stop()
	s, err := l.connect(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	closed := l.ctx.Err() != nil
	if !closed {
		l.cur = s
	}
	l.mu.Unlock()
	if closed { // close has not seen this connection
		s.end()
		return errClosed
	}
	return nil
}

// close ends the connection and the wait of all callers.
func (l *link) close() {
	l.stop()
	l.mu.Lock()
	s, ready := l.cur, l.ready
	l.mu.Unlock()
	if ready != nil {
		<-ready
		l.mu.Lock()
		s = l.cur
		l.mu.Unlock()
	}
	if s != nil {
		s.end()
	}
}

// await calls f and waits for its answer, but not beyond ctx: the client's calls take
// no context, and wait as long as a connection without answers lives. A later result of
// f goes to drop, unless that is nil.
func await[T any](ctx context.Context, f func() (T, error), drop func(T)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	c := make(chan answer) // so that an answer is either taken or dropped
	go func() {
		v, err := f()
		select {
		case c <- answer{v, err}:
		case <-ctx.Done():
			if err == nil && drop != nil {
				drop(v)
			}
		}
	}()
	select {
	case a := <-c:
		return a.v, unavailable(a.err)
	case <-ctx.Done():
		var none T
		return none, ended(ctx)
	}
}

// do is await for calls without a value.
func do(ctx context.Context, f func() error) error {
	_, err := await(ctx, func() (struct{}, error) { return struct{}{}, f() }, nil)
	return err
}

// A session is one connection, from its beginning to its end.
type session struct {
	conn  *amqp.Connection
	owned bool
	ctx   context.Context // ends with the connection
	over  context.CancelFunc

	// For the connection that consumes.
	topology   chan *channel // holds the channel for questions, nil until it is opened
	inbox      *inbox
	emptyQueue string // an empty queue of this connection's own, see receiver

	// For the connection that publishes.
	alarm  *alarm
	pubs   []*publisher
	turn   chan int     // round robin over pubs; held while one is opened anew
	proven atomic.Int64 // bytes of the largest body that the broker has confirmed, or a little
	talk   *channel     // for unconfirmed messages
}

func newSession(conn *amqp.Connection, owned bool) *session {
	s := &session{conn: conn, owned: owned, topology: make(chan *channel, 1), alarm: newAlarm()}
	s.ctx, s.over = context.WithCancel(context.Background())
	s.topology <- nil
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	go func() {
		for range closed { // drained, or the client could not go on
		}
		s.over()
	}()
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	go func() {
		for b := range blocked {
			s.alarm.set(b.Active, b.Reason)
		}
	}()
	return s
}

// alive reports whether the connection has not ended. The client knows it before ctx ends.
func (s *session) alive() bool { return s.ctx.Err() == nil && !s.conn.IsClosed() }

// closeWait bounds how long the orderly end of a connection may take, and before it that
// of what its provider moves.
const closeWait = 2 * time.Second

// outlast returns a context for a move that has begun: it ends closeWait after ctx, so
// that the move is over when its provider is closed, and nobody makes it again.
func outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(closeWait, func() { cancel(context.Cause(ctx)) })
	})
	return longer, func() {
		stop()
		cancel(nil)
	}
}

// end closes the connection if it is ours, and else its channels.
func (s *session) end() {
	if s.owned {
		_ = s.conn.CloseDeadline(time.Now().Add(closeWait))
	}
	s.over()
}

// A channel is an AMQP channel whose end can be waited for.
type channel struct {
	*amqp.Channel
	rpc  sync.Mutex    // the client mixes up answers if two calls wait at once
	gone chan struct{} // closed when the channel has ended
	why  error         // set before gone is closed
}

func (s *session) open(ctx context.Context) (*channel, error) {
	ch, err := await(ctx, s.conn.Channel, func(late *amqp.Channel) { _ = late.Close() })
	if err != nil {
		return nil, err
	}
	c := &channel{Channel: ch, gone: make(chan struct{}), why: errAway}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	go func() {
		for e := range closed {
			c.why = e
		}
		close(c.gone)
	}()
	context.AfterFunc(s.ctx, func() { _ = c.Close() }) // matters if the connection is not ours
	return c, nil
}

// Close ends the channel, once the call under way on it is answered: else the two
// answers would be mixed up, and one call wait for ever.
func (c *channel) Close() error {
	c.rpc.Lock()
	defer c.rpc.Unlock()
	return c.Channel.Close()
}

// call makes one synchronous call on the channel, bounded by ctx.
func (c *channel) call(ctx context.Context, f func() error) error {
	return do(ctx, func() error {
		c.rpc.Lock()
		defer c.rpc.Unlock()
		return f()
	})
}

// ask makes a call that may be refused, which closes its channel: the channel for
// questions, which is then reopened.
func (s *session) ask(ctx context.Context, f func(ch *amqp.Channel) error) error {
	var c *channel
	select {
	case c = <-s.topology:
	case <-s.ctx.Done():
		return errAway
	case <-ctx.Done():
		return ended(ctx)
	}
	if c == nil || c.IsClosed() {
		var err error
		if c, err = s.open(ctx); err != nil {
			s.topology <- nil
			return err
		}
	}
	done := make(chan error, 1)
	go func() {
		c.rpc.Lock()
		err := f(c.Channel)
		c.rpc.Unlock()
		s.topology <- c
		done <- err
	}()
	select {
	case err := <-done:
		return unavailable(err)
	case <-ctx.Done():
		return ended(ctx)
	}
}
