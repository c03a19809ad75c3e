package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/taskgen/taskgen/internal/address"
	"github.com/taskgen/taskgen/runtime/driver"
)

// An Option changes how a Provider works.
type Option func(*Provider)

// WithPrefix sets the prefix of all keys; "taskgen" by default. Providers with different
// prefixes share a server without seeing each other's tasks. The prefix must not be empty
// or contain braces.
func WithPrefix(prefix string) Option { return func(p *Provider) { p.prefix = prefix } }

// WithLogger sets the logger for warnings about the server, such as missing persistence.
// The default, also for nil, is slog.Default at the time of the record.
// slog.New(slog.DiscardHandler) is silent.
func WithLogger(log *slog.Logger) Option { return func(p *Provider) { p.log = log } }

// WithEviction accepts a server whose maxmemory-policy deletes any key (such as
// allkeys-lru), and logs a warning instead of refusing it. Such a server deletes tasks
// when its memory is full.
func WithEviction() Option { return func(p *Provider) { p.eviction = true } }

// WithCompactTasks stores tasks that wait for their first run in less memory: without
// the keys of their envelopes, their IDs and the queue's name, which Redis has anyway.
// A provider without this option also reads them, but a version of the package that
// does not know the option buries them as undecodable. Set it only when no such process
// works on these queues any more, and empty the queues before one comes back.
func WithCompactTasks() Option { return func(p *Provider) { p.compact = true } }

// A Provider keeps queues on a Redis server, a primary with replicas under Sentinel, or a
// Cluster. It is safe for concurrent use, and any number of processes may use the same
// keys.
type Provider struct {
	client         redis.UniversalClient
	blocking       redis.UniversalClient // its connections wait for wake-ups
	ownsClient     bool                  // the client ends with the provider
	contextTimeout bool                  // the client gives up on replies when a context ends
	monitor        connMonitor           // of the connections of its own clients
	prefix         string
	log            *slog.Logger
	eviction       bool
	compact        bool
	results        *results
	jobs           *jobs
	watchers       *watchers

	checking sync.Mutex // held while the server is checked
	usable   bool       // it was checked and may be used

	ctx    context.Context // ends with the provider
	cancel context.CancelFunc

	mu        sync.Mutex
	keyspaces map[keyspaceID]*keyspace
	queues    []*queue
	closed    bool
	calls     sync.WaitGroup // in progress
	watches   sync.WaitGroup // goroutines
}

var _ driver.Provider = (*Provider)(nil)

func (p *Provider) logger() *slog.Logger { return cmp.Or(p.log, slog.Default()) }

var errClosed = fmt.Errorf("redis: %w", driver.ErrClosed)

// New returns a provider on the program's own client, which must be a *redis.Client (made
// by NewClient or NewFailoverClient) or a *redis.ClusterClient. The program closes the
// client itself, after the provider.
//
// The provider sends nothing to the server before the first Open of a queue. It makes a
// second client with the same options for the connections that wait, one for each queue
// that a worker waits for.
func New(client redis.UniversalClient, opts ...Option) (*Provider, error) {
	p := &Provider{client: client, prefix: "taskgen", keyspaces: make(map[keyspaceID]*keyspace)}
	for _, opt := range opts {
		opt(p)
	}
	if p.prefix == "" || strings.ContainsAny(p.prefix, "{}") {
		return nil, fmt.Errorf("redis: the prefix %q is empty or holds braces", p.prefix)
	}
	var err error
	if p.blocking, p.contextTimeout, err = cloneClient(client); err != nil {
		return nil, err
	}
	p.monitor.watch(p.blocking, recheck+silence)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.results = newResults(p)
	p.jobs = newJobs(p)
	p.watchers = newWatchers(p)
	return p, nil
}

// own makes the client the provider's own.
func (p *Provider) own() {
	p.ownsClient = true
	p.monitor.watch(p.client, silence)
}

// connections bounds the waiting connections to each server. There are fewer unless a
// server does not answer.
const connections = 4 * (ownWatchers + sharedWatchers)

// cloneClient makes a client with the options of another one. Its connections may be
// closed while they wait, unlike those of a shared client. cloneClient also reports
// whether the client gives up on replies when a context ends.
func cloneClient(client redis.UniversalClient) (_ redis.UniversalClient, contextTimeout bool, _ error) {
	switch c := client.(type) {
	case *redis.Client:
		o := *c.Options()
		o.MaxRetries, o.PoolSize, o.MinIdleConns, o.MaxActiveConns = -1, connections, 0, 0
		o.PushNotificationProcessor, o.MaintNotificationsConfig = nil, nil
		return redis.NewClient(&o), o.ContextTimeoutEnabled, nil
	case *redis.ClusterClient:
		o := *c.Options()
		o.PoolSize, o.MinIdleConns, o.MaxActiveConns = connections, 0, 0
		o.MaintNotificationsConfig = nil
		return redis.NewClusterClient(&o), o.ContextTimeoutEnabled, nil
	}
	return nil, false, fmt.Errorf("redis: the client is a %T: a *redis.Client (NewClient, NewFailoverClient) or a *redis.ClusterClient is needed", client)
}

// Open connects to the server of a URL and checks whether it may be used (see the
// README). It accepts the URLs of go-redis, and for Cluster and Sentinel these:
//
//	redis://user:password@host:6379/0
//	rediss://host:6379                                        TLS
//	redis+cluster://host1:7000?addr=host2:7001&addr=host3:7002
//	redis+sentinel://host1:26379/0?master_name=mymaster&addr=host2:26379
//
// A parameter prefix=NAME is the same as WithPrefix(NAME). ctx is for Open alone: the
// provider outlives it.
func Open(ctx context.Context, rawURL string, opts ...Option) (*Provider, error) {
	client, prefix, err := dial(rawURL)
	if err != nil {
		return nil, err
	}
	if prefix != "" {
		opts = slices.Insert(slices.Clone(opts), 0, WithPrefix(prefix))
	}
	p, err := New(client, opts...)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	p.own()
	if err := p.check(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// dial makes a client from a URL, and returns the prefix that the URL names.
func dial(rawURL string) (redis.UniversalClient, string, error) {
	bad := func(err error) error { return fmt.Errorf("redis: the URL cannot be used: %w", err) }
	u, err := address.Parse(rawURL)
	if err != nil {
		return nil, "", bad(err)
	}
	query := u.Query()
	prefix := query.Get("prefix")
	query.Del("prefix")
	u.RawQuery = query.Encode()
	scheme, sort, _ := strings.Cut(u.Scheme, "+")
	u.Scheme = scheme
	switch sort {
	case "":
		o, err := redis.ParseURL(u.String())
		if err != nil {
			return nil, "", bad(err)
		}
		return redis.NewClient(o), prefix, nil
	case "cluster":
		o, err := redis.ParseClusterURL(u.String())
		if err != nil {
			return nil, "", bad(err)
		}
		return redis.NewClusterClient(o), prefix, nil
	case "sentinel":
		o, err := redis.ParseFailoverURL(u.String())
		if err != nil {
			return nil, "", bad(err)
		}
		return redis.NewFailoverClient(o), prefix, nil
	}
	return nil, "", bad(fmt.Errorf("unknown scheme %q", u.Scheme+"+"+sort))
}

// Name returns "redis".
func (p *Provider) Name() string { return "redis" }

// Open implements [driver.Provider]. The first call checks the server like the function
// Open. A queue may be opened more than once, in one process or several; each call
// returns a new Queue. The queue has the highest number of levels that any process has
// asked for. If the name of its dead letter queue changes, the queue's dead tasks are
// on the new one from then on.
//
// It costs about five round trips.
func (p *Provider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	if err := p.begin(); err != nil {
		return nil, err
	}
	defer p.calls.Done()
	if err := p.check(ctx); err != nil {
		return nil, err
	}
	q, err := p.declare(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("redis: queue %q: %w", cfg.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	p.queues = append(p.queues, q)
	return q, nil
}

// begin registers a call, which Close waits for. It fails when the provider is closed.
func (p *Provider) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	p.calls.Add(1)
	return nil
}

// closeLimit is how long Close waits for calls in progress: as long as the client waits
// for a reply.
const closeLimit = 5 * time.Second

// Close implements [driver.Provider]. It ends waiting calls, waits at most 5 seconds for
// other calls in progress, and closes the connections, except those of a client that was
// passed to New. A second call does nothing.
func (p *Provider) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	queues := p.queues
	p.queues = nil
	p.mu.Unlock()
	for _, q := range queues {
		q.end()
	}
	p.cancel()
	p.results.close()
	err := p.blocking.Close() // ends what its connections wait for
	over := make(chan struct{})
	go func() {
		p.watches.Wait()
		p.calls.Wait()
		close(over)
	}()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-over:
	case <-limit.C: // the server does not answer
	}
	if p.ownsClient {
		err = errors.Join(err, p.client.Close())
	}
	return err
}
