package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/taskgen/taskgen/internal/address"
	"github.com/taskgen/taskgen/internal/process"
	"github.com/taskgen/taskgen/runtime/driver"
)

var errClosed = fmt.Errorf("nats: %w", driver.ErrClosed)

// DefaultPrefix is the default prefix of the subjects and the names of the streams.
const DefaultPrefix = "taskgen"

// An Option changes how New and Open work.
type Option func(*Provider)

// WithPrefix sets the prefix of the subjects and the names of the streams, "taskgen" by
// default: letters, digits, - and _. Programs with different prefixes share a server
// without seeing each other's queues.
func WithPrefix(prefix string) Option { return func(p *Provider) { p.prefix = prefix } }

// WithReplicas sets on how many servers of a cluster each stream is kept: 1, 3 or 5.
// Existing streams with another number are changed. By default new streams have 1, and
// existing ones keep their number.
func WithReplicas(n int) Option { return func(p *Provider) { p.replicas = n } }

// WithMaxBytes bounds each new stream, of a queue and of its dead letter queue, to n
// bytes. 0, the default, means no bound; if the account requires a bound, it is a
// quarter of the storage that is not reserved yet, at most 1 GiB. Existing streams keep
// their bound.
//
// A full stream refuses messages, and Enqueue returns ErrQueueFull when nine tenths are
// taken: the rest is for retries. The server keeps no schedules in a bounded stream, so
// that workers handle delays: a delayed task costs 3 more requests.
func WithMaxBytes(n int64) Option { return func(p *Provider) { p.maxBytes = n } }

// WithLogger sets the logger for problems that no caller gets as an error: a message that
// cannot be buried for now, an error of the connection that Open makes. The default, also
// for nil, is slog.Default at the time of the record. slog.New(slog.DiscardHandler) is
// silent.
func WithLogger(log *slog.Logger) Option { return func(p *Provider) { p.log = log } }

// WithConnection adds options to the connection that Open makes: credentials, TLS, a
// name. New ignores it.
func WithConnection(opts ...nats.Option) Option {
	return func(p *Provider) { p.dial = append(p.dial, opts...) }
}

// A Provider keeps queues in the streams of a NATS JetStream server. It is safe for
// concurrent use. Any number of providers, in any number of processes, may use one
// server.
type Provider struct {
	js        jetstream.JetStream
	prefix    string
	replicas  int
	maxBytes  int64
	dial      []nats.Option
	log       *slog.Logger
	owns      bool // Close closes the connection
	requester *requester
	fleet     *fleet

	checking chan struct{} // holds one while the server is checked
	usable   atomic.Bool   // it was checked and may be used

	calls sync.WaitGroup // in progress: see beginCall

	mu     sync.Mutex
	states map[string]*queueState
	queues map[*queue]bool
	closed bool
}

var _ driver.Provider = (*Provider)(nil)

func (p *Provider) logger() *slog.Logger { return cmp.Or(p.log, slog.Default()) }

// Open connects to a server ("nats://host:4222", several separated by commas), checks it
// (see the package comment), and returns a provider on it. A lost connection keeps
// reconnecting for as long as the provider is open. ctx is for Open alone: the provider
// outlives it.
func Open(ctx context.Context, url string, opts ...Option) (*Provider, error) {
	for server := range strings.SplitSeq(url, ",") {
		if _, err := address.Parse(strings.TrimSpace(server)); err != nil {
			return nil, fmt.Errorf("connect to NATS: %w", err)
		}
	}
	p, err := newProvider(opts)
	if err != nil {
		return nil, err
	}
	nc, err := dial(ctx, url, append([]nats.Option{nats.ErrorHandler(p.logConnection)}, p.dial...))
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", unavailable(err))
	}
	p.owns = true
	js, err := jetstream.New(nc)
	if err == nil {
		err = p.start(js)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	if err := p.check(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// logConnection logs an error of the connection that no call returns. The client would
// write it to standard error.
func (p *Provider) logConnection(_ *nats.Conn, sub *nats.Subscription, err error) {
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	p.logger().Warn("nats: an error of the connection", "subject", subject, "error", err)
}

// dial connects until ctx ends. Pings detect a connection that dies silently, and
// writes to it have a short timeout.
func dial(ctx context.Context, url string, opts []nats.Option) (*nats.Conn, error) {
	all := append([]nats.Option{
		nats.Name("taskgen " + process.Name()), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, time.Second),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2), nats.FlusherTimeout(3 * time.Second),
	}, opts...)
	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(url, all...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		return r.nc, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				r.nc.Close()
			}
		}()
		return nil, fmt.Errorf("nats: no server answers: %w", ctx.Err())
	}
}

// New returns a provider on the program's own connection, which the program closes itself,
// after the provider. To let the connection outlive restarts of its server, make it with
// nats.MaxReconnects(-1).
//
// The provider waits for no answer of the server before the first Open of a queue, which
// checks the requirements on the server (see the package comment).
func New(js jetstream.JetStream, opts ...Option) (*Provider, error) {
	p, err := newProvider(opts)
	if err != nil {
		return nil, err
	}
	if js == nil {
		return nil, errors.New("nats: New needs a JetStream: make it with jetstream.New")
	}
	if err := p.start(js); err != nil {
		return nil, err
	}
	return p, nil
}

// newProvider returns a provider that has its options and no connection.
func newProvider(opts []Option) (*Provider, error) {
	p := &Provider{prefix: DefaultPrefix, checking: make(chan struct{}, 1), states: make(map[string]*queueState), queues: make(map[*queue]bool)}
	for _, opt := range opts {
		opt(p)
	}
	for i := range len(p.prefix) {
		if !isPlain(p.prefix[i]) {
			return nil, fmt.Errorf("nats: the prefix %q: letters, digits, - and _ only", p.prefix)
		}
	}
	if p.prefix == "" || len(p.prefix) > 32 {
		return nil, fmt.Errorf("nats: the prefix %q: 1 to 32 characters", p.prefix)
	}
	if p.maxBytes < 0 {
		return nil, fmt.Errorf("nats: streams of %d bytes: at least 1, or 0 for no bound", p.maxBytes)
	}
	return p, nil
}

// start gives the provider its connection. It waits for no answer.
func (p *Provider) start(js jetstream.JetStream) error {
	w, err := newRequester(js.Conn(), apiPrefix(js.Options()), p.renew)
	if err != nil {
		return fmt.Errorf("subscribe to an inbox: %w", unavailable(err))
	}
	w.domain = js.Options().Domain
	w.restoreStream = p.restoreStream
	p.js, p.requester, p.fleet = js, w, newFleet(p)
	return nil
}

func apiPrefix(o jetstream.JetStreamOptions) string {
	switch {
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	}
	return "$JS.API."
}

// The oldest server with all required features: message schedules came last.
const (
	minMajor = 2
	minMinor = 12
)

// check checks the requirements on the server, until they are met once. Close does not wait
// for it: it waits for a connection as long as ctx allows.
func (p *Provider) check(ctx context.Context) error {
	if p.usable.Load() {
		return nil
	}
	select {
	case p.checking <- struct{}{}:
		defer func() { <-p.checking }()
	case <-ctx.Done():
		return fmt.Errorf("nats: another call checks the server: %w", unavailable(ctx.Err()))
	}
	switch {
	case p.usable.Load():
		return nil
	case p.isClosed():
		return errClosed
	}
	err := p.checkNow(ctx)
	p.usable.Store(err == nil)
	return err
}

// checkNow is check without its memory.
func (p *Provider) checkNow(ctx context.Context) error {
	nc := p.js.Conn()
	if err := connected(ctx, nc); err != nil {
		return err
	}
	version := nc.ConnectedServerVersion()
	if version == "" { // just lost again
		return fmt.Errorf("%w: the connection is lost again", errDisconnected)
	}
	if !newEnough(version) {
		return fmt.Errorf("%w: the NATS server is version %q, and message schedules need %d.%d: upgrade it", driver.ErrUnsupported, version, minMajor, minMinor)
	}
	if !nc.HeadersSupported() {
		return fmt.Errorf("%w: the NATS server does not support headers: enable them", driver.ErrUnsupported)
	}
	err := cancelOnRefusal(ctx, nc, []string{apiPrefix(p.js.Options())}, func(ctx context.Context) error {
		_, err := p.js.AccountInfo(ctx)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: the NATS server has no JetStream for this account: start it with -js, or enable it for the account: %w", driver.ErrUnsupported, err)
	case err != nil:
		return fmt.Errorf("ask NATS for the account's JetStream: %w", unavailable(err))
	}
	return nil
}

func newEnough(version string) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (major > minMajor || major == minMajor && minor >= minMinor)
}

// Name returns "nats".
func (p *Provider) Name() string { return "nats" }

// Open implements [driver.Provider]. It creates the streams of the queue and of its
// dead letter queue and their consumers if they are missing, and verifies existing
// ones. A queue may be opened more than once, in one process or several.
func (p *Provider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Capacity > 0 {
		return nil, fmt.Errorf("%w: a capacity for queue %q: a full stream would refuse retries, too; bound the stream's bytes on the server", driver.ErrUnsupported, cfg.Name)
	}
	if most := maxLevels; cfg.Levels > most {
		return nil, fmt.Errorf("%w: queue %q with %d levels: nats supports %d, because each has its own consumer", driver.ErrUnsupported, cfg.Name, cfg.Levels, most)
	}
	if err := p.check(ctx); err != nil {
		return nil, fmt.Errorf("queue %q on nats: %w", cfg.Name, err)
	}
	if err := p.beginCall(); err != nil {
		return nil, err
	}
	defer p.calls.Done()
	s, err := p.stateOf(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("queue %q on nats: %w", cfg.Name, err)
	}
	q := &queue{queueState: s, cfg: cfg}
	q.closing, q.cancelClosing = context.WithCancel(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	p.queues[q] = true
	return q, nil
}

// maxLevels bounds the levels of a priority queue: a Dequeue needs one request for each
// empty upper level.
const maxLevels = 16

// stateOf returns the state that all handles of a queue share.
func (p *Provider) stateOf(ctx context.Context, cfg driver.QueueConfig) (*queueState, error) {
	p.mu.Lock()
	s := p.states[cfg.Name]
	p.mu.Unlock()
	if s == nil {
		s = newQueueState(p, cfg.Name, cfg.Type)
	}
	if s.kind != cfg.Type { // handles of another type are open, even if the stream was replaced
		return nil, fmt.Errorf("%w: it is open as %s, not %s", driver.ErrQueueMismatch, s.kind, cfg.Type)
	}
	if err := s.declareWatched(ctx, cfg); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.states[cfg.Name]; other != nil {
		return other, nil
	}
	p.states[cfg.Name] = s
	return s, nil
}

// restoreStream makes the missing stream of a subject again, if it belongs to a queue that
// is open here, or to its dead letter queue. A subject that another stream has taken is an
// error.
func (p *Provider) restoreStream(ctx context.Context, subject string) error {
	p.mu.Lock()
	var found *queue
	for q := range p.queues {
		if dead := q.deadQueue(); strings.HasPrefix(subject, q.root) || dead != nil && strings.HasPrefix(subject, dead.root) {
			found = q
			break
		}
	}
	p.mu.Unlock()
	if found == nil {
		return nil
	}
	if err := found.repair(ctx, found.cfg); errors.Is(err, driver.ErrQueueMismatch) {
		return err
	}
	return nil // the caller tries again
}

// renew renews the leases of all queues, concurrently with its caller.
func (p *Provider) renew() {
	p.mu.Lock()
	states := slices.Collect(maps.Values(p.states))
	p.mu.Unlock()
	for _, s := range states {
		if p.beginCall() != nil {
			return
		}
		go func() {
			defer p.calls.Done()
			s.renew()
		}()
	}
}

func (p *Provider) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// beginCall begins a call that Close waits for; p.calls.Done ends it.
func (p *Provider) beginCall() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	p.calls.Add(1)
	return nil
}

// Close implements [driver.Provider]. It ends every Dequeue and waits for other calls in
// progress, which complete normally. If the server is unreachable, or does not answer for
// 5 seconds, they end with ErrClosed. A connection that was passed to New stays open.
func (p *Provider) Close() error {
	p.mu.Lock()
	queues, closed := p.queues, p.closed
	p.closed, p.queues = true, nil
	p.mu.Unlock()
	if closed {
		return nil
	}
	for q := range queues {
		q.end()
	}
	for q := range queues {
		q.dequeues.Wait() // deliveries that came too late go back to their queue
	}
	p.requester.stopRetries()
	p.calls.Wait()
	err := p.requester.close()
	if p.owns {
		p.js.Conn().Close()
	}
	return err
}
