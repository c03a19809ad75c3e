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

// WithPrefix sets what the names of all keys begin with; "taskgen" by default.
// Providers with different prefixes share a server without seeing each other's
// tasks. It must not be empty nor hold braces.
func WithPrefix(prefix string) Option { return func(p *Provider) { p.prefix = prefix } }

// WithLogger sets where the provider reports what a person should know about
// the server: that it keeps nothing on disk, say. Without it, and with nil, that is
// slog.Default, as it is then. slog.New(slog.DiscardHandler) is silent.
func WithLogger(l *slog.Logger) Option { return func(p *Provider) { p.log = l } }

// WithEviction accepts a server whose maxmemory-policy deletes any key (allkeys-lru
// and its like), and reports it to the log in place of refusing it. Such a server
// deletes tasks when its memory is full.
func WithEviction() Option { return func(p *Provider) { p.eviction = true } }

// WithCompactTasks keeps tasks that wait for their first run in less memory: without
// the keys of their envelopes, their IDs and the queue's name, which stand beside them
// already. A provider without this option reads them as well; but one of a version that
// does not know it buries them as undecodable. So set it once no such process is left
// that works on these queues, and empty them before one comes back.
func WithCompactTasks() Option { return func(p *Provider) { p.compact = true } }

// A Provider keeps queues on a Redis server, a primary with replicas under
// Sentinel, or a Cluster. It is safe for use by many goroutines, and any number of
// processes may use the same keys.
type Provider struct {
	client   redis.UniversalClient
	blocking redis.UniversalClient // its connections wait for wake-ups
	owned    bool                  // the client ends with the provider
	hasty    bool                  // the client gives up on replies when a context ends
	ward     ward                  // of the connections of its own clients
	prefix   string
	log      *slog.Logger
	eviction bool
	compact  bool
	results  *results
	jobs     *jobs
	watchers *watchers

	checked sync.Mutex // held while the server is looked at
	fit     bool       // it was looked at and may be used

	ctx    context.Context // ends with the provider
	cancel context.CancelFunc

	mu      sync.Mutex
	lanes   map[laneKey]*lane
	queues  []*Queue
	closed  bool
	calls   sync.WaitGroup // those under way
	watches sync.WaitGroup // goroutines
}

var _ driver.Provider = (*Provider)(nil)

func (p *Provider) logger() *slog.Logger { return cmp.Or(p.log, slog.Default()) }

var errClosed = fmt.Errorf("redis: %w", driver.ErrClosed)

// New returns a provider on the program's own client, which must be a
// *redis.Client (made by NewClient or NewFailoverClient) or a
// *redis.ClusterClient. The client stays the program's to close, after the
// provider.
//
// Nothing is sent to the server before the first Open of a queue. The provider
// makes a second client with the same options for the connections that wait, one
// for each queue that a worker waits for.
func New(client redis.UniversalClient, opts ...Option) (*Provider, error) {
	p := &Provider{client: client, prefix: "taskgen", lanes: make(map[laneKey]*lane)}
	for _, opt := range opts {
		opt(p)
	}
	if p.prefix == "" || strings.ContainsAny(p.prefix, "{}") {
		return nil, fmt.Errorf("redis: the prefix %q is empty or holds braces", p.prefix)
	}
	var err error
	if p.blocking, p.hasty, err = twin(client); err != nil {
		return nil, err
	}
	p.ward.watch(p.blocking, recheck+silence)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.results = newResults(p)
	p.jobs = newJobs(p)
	p.watchers = newWatchers(p)
	return p, nil
}

// adopt makes the client the provider's own.
func (p *Provider) adopt() {
	p.owned = true
	p.ward.watch(p.client, silence)
}

// connections bounds those that wait to each server. There are fewer but for those
// that a server does not answer.
const connections = 4 * (ownWatchers + sharedWatchers)

// twin makes a client with the options of another one. Its connections may be
// closed while they wait, which those of a shared client may not. It also says
// whether the client gives up on replies when a context ends.
func twin(client redis.UniversalClient) (_ redis.UniversalClient, hasty bool, _ error) {
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

// Open connects to the server that a URL names and looks whether it may be used
// (see the README). It understands the URLs of go-redis, and for Cluster and
// Sentinel these:
//
//	redis://user:password@host:6379/0
//	rediss://host:6379                                        TLS
//	redis+cluster://host1:7000?addr=host2:7001&addr=host3:7002
//	redis+sentinel://host1:26379/0?master_name=mymaster&addr=host2:26379
//
// A parameter prefix=NAME is the same as WithPrefix(NAME).
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
	p.adopt()
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

// begin notes that a call is under way, which Close waits for. It fails when
// the provider is closed.
func (p *Provider) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	p.calls.Add(1)
	return nil
}

// closeLimit is how long Close waits for calls that are under way: as long as the
// client waits for a reply.
const closeLimit = 5 * time.Second

// Close implements [driver.Provider]. It ends what waits, lets finish what is
// under way, for 5 seconds at most, and closes the connections; those of a client
// that was given to New stay. A second call does nothing.
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
	if p.owned {
		err = errors.Join(err, p.client.Close())
	}
	return err
}
