package rabbitmq

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/internal/address"
	"github.com/taskgen/taskgen/internal/process"
	"github.com/taskgen/taskgen/runtime/driver"
)

var errClosed = fmt.Errorf("rabbitmq: %w", driver.ErrClosed)

// DefaultConsumerTimeout is how long a broker with its default configuration
// (consumer_timeout) lets a worker keep a task.
const DefaultConsumerTimeout = 30 * time.Minute

// timeoutMargin is how long before the broker's timeout a lease ends at the latest: the
// broker checks once a minute, and closes the channel with all leases.
const timeoutMargin = 2 * time.Minute

// heartbeat is the time of silence after which a connection sends a heartbeat; after
// three of them it is considered dead.
const heartbeat = 5 * time.Second

// An Option changes how a Provider works.
type Option func(*Provider)

// WithPrefix sets the prefix of the names of all queues and exchanges; DefaultPrefix by
// default. A missing final dot is added; the empty prefix is ".". Providers with
// different prefixes share nothing: a dot or colon within the prefix is written as =2E
// or =3A in the broker.
func WithPrefix(prefix string) Option { return func(p *Provider) { p.names = namesOf(prefix) } }

// WithConsumerTimeout says which consumer_timeout the broker is configured with;
// DefaultConsumerTimeout by default. It bounds the total lease of a task:
// Capabilities.MaxLease is two minutes less, or half of it if it is shorter than four
// minutes.
func WithConsumerTimeout(d time.Duration) Option {
	return func(p *Provider) { p.maxLease = max(d-timeoutMargin, d/2) }
}

// WithLogger sets the logger for problems that no caller gets as an error: a message
// that cannot be buried for now, a queue without a backstop. The default, also for nil, is
// slog.Default at the time of the record. slog.New(slog.DiscardHandler) is silent.
func WithLogger(log *slog.Logger) Option { return func(p *Provider) { p.log = log } }

// A Provider keeps queues on a RabbitMQ broker, version 3.10 or later. It is safe for
// concurrent use.
type Provider struct {
	link       *link // consumes, acknowledges, declares
	out        *link // publishes
	log        *slog.Logger
	names      names
	maxLease   time.Duration
	top        int           // the highest step of the ladder that is used; less in tests
	sifting    chan struct{} // capacity 1: held by a scan of the ladder
	connecting chan struct{} // capacity 1: held while the first connections are made
	nonce      string        // begins receipts, so that none is another process's
	seq        atomic.Uint64
	ctx        context.Context // ends when Close begins
	stop       context.CancelFunc
	wg         sync.WaitGroup // what runs until then

	mu     sync.Mutex
	states map[string]*queueState
	queues map[*queue]struct{}
	closed bool
}

var _ driver.Provider = (*Provider)(nil)

// New returns a provider on connections that dial makes: one to consume and acknowledge, and
// one to publish, from which the broker stops reading while it is short of memory or disk.
// The provider closes its connections. When one ends it dials again, with growing pauses up
// to a second.
//
// The provider dials nothing before the first Open of a queue, which makes one attempt for
// each connection and returns its error.
func New(dial Dialer, opts ...Option) (*Provider, error) {
	if dial == nil {
		return nil, errors.New("rabbitmq: New needs a Dialer")
	}
	return newProvider(dial, true, opts), nil
}

// NewOn returns a provider on the program's own connection, which the program closes itself,
// after the provider. When it ends it is not replaced: every method then returns an error,
// and leased tasks go back to the queues. While the broker is short of memory or disk it
// takes no acknowledgements either. A provider from New or Open survives both. As with New,
// the first Open of a queue is the first to send something.
func NewOn(conn *amqp.Connection, opts ...Option) (*Provider, error) {
	if conn == nil {
		return nil, errors.New("rabbitmq: NewOn needs a connection")
	}
	return newProvider(func(context.Context) (*amqp.Connection, error) {
		if conn.IsClosed() {
			return nil, fmt.Errorf("%w: the connection that the provider was given is closed, and it was given no way to dial another", driver.ErrUnavailable)
		}
		return conn, nil
	}, false, opts), nil
}

// Open dials the broker at an AMQP URI, amqp://user:password@host:port/vhost or
// amqps://…, and returns a provider on it. See New for its connections: Open makes the first
// two at once, with one attempt for each. The broker lists them under the names of host and
// process, like "taskgen web7-4711". ctx is for Open alone: the provider outlives it.
func Open(ctx context.Context, url string, opts ...Option) (*Provider, error) {
	if _, err := address.Parse(url); err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	p := newProvider(func(ctx context.Context) (*amqp.Connection, error) {
		return amqp.DialConfig(url, amqp.Config{Heartbeat: heartbeat, Dial: dialer(ctx), Properties: amqp.Table{"connection_name": "taskgen " + process.Name()}})
	}, true, opts)
	if err := p.connect(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// connectWait bounds one attempt to connect, handshake included.
const connectWait = 10 * time.Second

func dialer(ctx context.Context) func(network, addr string) (net.Conn, error) {
	return func(network, addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: connectWait}
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		// The client clears the deadline after the handshake.
		if err := c.SetDeadline(time.Now().Add(connectWait)); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
}

// newProvider returns a provider that has its options and no connections.
func newProvider(dial Dialer, owned bool, opts []Option) *Provider {
	p := &Provider{
		link: newLink(dial, owned), out: newLink(dial, owned), names: namesOf(DefaultPrefix), top: steps - 1, nonce: rand.Text()[:10],
		connecting: make(chan struct{}, 1), sifting: make(chan struct{}, 1), states: make(map[string]*queueState), queues: make(map[*queue]struct{}),
	}
	WithConsumerTimeout(DefaultConsumerTimeout)(p)
	for _, opt := range opts {
		opt(p)
	}
	p.link.setup, p.out.setup = p.join, p.prepare
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// connect makes the first connections, if they were not made yet.
func (p *Provider) connect(ctx context.Context) error {
	select {
	case p.connecting <- struct{}{}:
		defer func() { <-p.connecting }()
	case <-ctx.Done():
		return fmt.Errorf("rabbitmq: another call connects: %w", ended(ctx))
	}
	for _, l := range []*link{p.out, p.link} {
		if err := l.connectFirst(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) logger() *slog.Logger { return cmp.Or(p.log, slog.Default()) }

// Name returns "rabbitmq".
func (p *Provider) Name() string { return "rabbitmq" }

// Open implements [driver.Provider]. A queue may be opened more than once, in one process
// or several; each call returns a new Queue. The broker's queues are declared here, never
// later.
func (p *Provider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	if p.isClosed() {
		return nil, errClosed
	}
	if cfg.Capacity > 0 {
		return nil, fmt.Errorf("%w: a bound on the tasks of queue %q: RabbitMQ does not keep one over the queues that it consists of; set a policy with max-length in the broker instead", driver.ErrUnsupported, cfg.Name)
	}
	if err := p.keeps(cfg.Visibility); err != nil {
		return nil, fmt.Errorf("queue %q: %w", cfg.Name, err)
	}
	st, err := p.openState(ctx, cfg)
	if err != nil {
		return nil, err
	}
	q := &queue{p: p, st: st, cfg: cfg}
	q.ctx, q.shut = context.WithCancel(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	p.queues[q] = struct{}{}
	return q, nil
}

// keeps refuses a lease that the broker would end early.
func (p *Provider) keeps(lease time.Duration) error {
	if lease <= p.maxLease {
		return nil
	}
	return fmt.Errorf("%w: a lease of %s: RabbitMQ ends deliveries after consumer_timeout, which leaves %s here: configure a longer one and tell WithConsumerTimeout", driver.ErrUnsupported, lease, p.maxLease)
}

func (p *Provider) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// openState declares a queue and returns the state that all its handles share.
func (p *Provider) openState(ctx context.Context, cfg driver.QueueConfig) (*queueState, error) {
	fail := func(err error) error { return fmt.Errorf("queue %q on RabbitMQ: %w", cfg.Name, err) }
	if err := p.connect(ctx); err != nil {
		return nil, fail(err)
	}
	isDLQ, err := p.declare(ctx, cfg)
	if err != nil {
		return nil, fail(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	if st := p.states[cfg.Name]; st != nil {
		return st, nil
	}
	st := newQueueState(p, cfg, isDLQ)
	p.states[cfg.Name] = st
	if cfg.Type == driver.FIFO {
		p.wg.Go(st.runGroups)
		p.wg.Go(st.keepShare)
	} else {
		p.wg.Go(st.run)
	}
	p.wg.Go(st.relayDelayed)
	return st, nil
}

// Close implements [driver.Provider]. It ends the connection, and with it every lease:
// leased tasks go back to their place in the queues at once, and count as crashed. Delayed
// tasks that are on their way to a queue have two seconds to arrive. A second call does
// nothing.
func (p *Provider) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	for q := range p.queues {
		q.shut()
	}
	p.mu.Unlock()
	p.stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.wg.Wait()
	}()
	select {
	case <-over:
	case <-time.After(closeWait): // the broker does not answer
	}
	p.link.stop() // neither link redials because of the other
	p.out.close()
	p.link.close()
	<-over
	return nil
}
