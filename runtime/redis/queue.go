package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A queue is one open queue of a Provider.
type queue struct {
	p            *Provider
	cfg          driver.QueueConfig
	keyspace     *keyspace // its own tasks
	deadKeyspace *keyspace // its own dead
	isDLQ        bool      // it was a dead letter queue of some queue when it was opened

	redriveHook driver.Revival // of what Redrive moves

	ended    chan struct{} // closed by Close
	endOnce  sync.Once
	isClosed atomic.Bool

	deletion driver.Deletion

	mu            sync.Mutex
	deadKeyspaces map[string]*keyspace // the dead that this queue shows, by their queue of origin
}

var _ interface {
	driver.Queue
	driver.Browser
	driver.Finder
	driver.Canceller
	driver.Rescheduler
	driver.Purger
	driver.Pauser
	driver.Reviver
	driver.Discarder
	driver.Deleter
} = (*queue)(nil)

// declare creates or verifies a queue, and registers it with its dead letter queue.
func (p *Provider) declare(ctx context.Context, cfg driver.QueueConfig) (*queue, error) {
	k := lists
	if cfg.Type == driver.FIFO {
		k = fifo
	}
	q := &queue{p: p, cfg: cfg, ended: make(chan struct{}), deadKeyspaces: make(map[string]*keyspace)}
	own := keyspaceName{queue: cfg.Name}
	var err error
	if q.keyspace, err = p.keyspace(own, k, cfg.Levels); err != nil {
		return nil, err
	}
	was, err := q.keyspace.declare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if was.kind != cfg.Type {
		return nil, fmt.Errorf("%w: it is of type %s on the server, and %s is asked for", driver.ErrQueueMismatch, was.kind, cfg.Type)
	}
	q.keyspace.setLevels(was.levels)
	if q.isDLQ = was.sources > 0; q.isDLQ {
		if err := cfg.AsDead(); err != nil {
			return nil, fmt.Errorf("%w; the set %q lists the queues that name it", err, q.keyspace.key(keySources))
		}
	}
	if q.deadKeyspace, err = p.keyspace(keyspaceName{cfg.Name, true}, dead, 1); err != nil || q.isDLQ {
		return q, err // the dead stay where they are: no dead letter queue of its own
	}
	return q, q.register(ctx, was.dlq)
}

// A declaration is a queue's entry on the server.
type declaration struct {
	kind    driver.QueueType
	levels  int
	dlq     string
	sources int64
}

func (ks *keyspace) declare(ctx context.Context, cfg driver.QueueConfig) (d declaration, err error) {
	reply, err := ks.run(ctx, ks.newCall(opDeclare, 3).add(string(cfg.Type), cfg.Levels, cfg.DLQ))
	if err != nil {
		return d, err
	}
	r, ok := reply.([]any)
	if !ok || len(r) != 5 {
		return d, errReply
	}
	d.kind = driver.QueueType(text(r[0]))
	d.levels, _ = strconv.Atoi(text(r[1]))
	d.dlq = text(r[2])
	d.sources, _ = r[3].(int64)
	return d, nil
}

// register adds the dead of the queue to its dead letter queue, which may be on another
// server of the Cluster: each step may be repeated.
func (q *queue) register(ctx context.Context, was string) error {
	p := q.p
	dlq, err := p.keyspace(keyspaceName{queue: q.cfg.DLQ}, lists, 1)
	if err != nil {
		return err
	}
	// A queue that was opened before the queue that names it has its own dead letter
	// queue. Either a worker of dead letters came first, or it is a mistake: nothing
	// could die on it any more.
	usual := 0
	if q.cfg.DLQ == q.cfg.Name+"-dlq" {
		usual = 1
	}
	reply, err := dlq.run(ctx, dlq.newCall(opRegister, 3).add(q.cfg.Name, q.cfg.DLQ+"-dlq", usual))
	if err != nil {
		return err
	}
	held, ok := reply.([]any)
	if !ok || len(held) != 3 {
		return errReply
	}
	switch kind, own := text(held[0]), text(held[1]); {
	case kind != "" && kind != string(driver.Standard):
		return fmt.Errorf("%w: its dead letter queue %q is of type %s on the server: name another", driver.ErrQueueMismatch, q.cfg.DLQ, kind)
	case own != "":
		return fmt.Errorf("%w: its dead letter queue %q is a queue with one of its own, %q: name another or, if nothing works on %q, delete the field dlq of the hash %q", driver.ErrQueueMismatch, q.cfg.DLQ, own, q.cfg.DLQ, dlq.key(keyMeta))
	}
	if was != "" && was != q.cfg.DLQ {
		old := queueKeys(p.prefix, was, false)
		_, err := request(ctx, p, func(ctx context.Context) (int64, error) {
			return p.client.SRem(ctx, old[keySources], q.cfg.Name).Result()
		})
		if err != nil {
			return err
		}
	}
	if paused := text(held[2]); paused != "" {
		until, err := strconv.ParseInt(paused, 10, 64)
		if err != nil {
			until = noEnd
		}
		return q.deadKeyspace.pause(ctx, until)
	}
	return nil
}

// fields reads fields of a hash; nil is one that is not there.
func (p *Provider) fields(ctx context.Context, key string, names ...string) ([]any, error) {
	return request(ctx, p, func(ctx context.Context) ([]any, error) { return p.client.HMGet(ctx, key, names...).Result() })
}

// text is a reply as a string; empty when it is none.
func text(reply any) string {
	switch r := reply.(type) {
	case string:
		return r
	case int64:
		return strconv.FormatInt(r, 10)
	}
	return ""
}

// Config implements [driver.Queue].
func (q *queue) Config() driver.QueueConfig { return q.cfg }

// Capabilities implements [driver.Queue].
func (q *queue) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		MaxDelay:        driver.Unlimited,
		DelayHop:        driver.Unlimited,
		MaxLease:        driver.Unlimited,
		MaxPayload:      maxPayload,
		MaxBatch:        maxScriptTasks,
		DedupWindow:     driver.Unlimited,
		UniqueUntilDone: true,
		Ordered:         q.cfg.Type == driver.FIFO,
		Priorities:      q.cfg.Levels,
		Durable:         true,
		Fencing:         true,
		ForgivesCrashes: true,
		CountsCrashes:   true,
		ExactCrashes:    true,
		RefusesIDs:      true,
		KeepsReleased:   true,
		FirstInFirstOut: true,
		FairGroups:      true,
		FreeLeases:      true,
		ConfirmsAcks:    true,
		CountsScheduled: true,
		CountsLeased:    true,
		CountsExpired:   true,
		ExactReady:      true,
		CountsOrigins:   true,
		CountsAge:       true,
		Granularity:     time.Millisecond,
		Unmetered:       true,
		Lateness:        lateness,
		Browse:          true, Cancel: true, Reschedule: true, Purge: true, Pause: true,
		Redrive: !q.isDLQ, Discard: !q.isDLQ, Delete: !q.isDLQ,
	}
}

// Close implements [driver.Queue].
func (q *queue) Close() error {
	q.end()
	q.p.mu.Lock()
	defer q.p.mu.Unlock()
	q.p.queues = slices.DeleteFunc(q.p.queues, func(o *queue) bool { return o == q })
	return nil
}

func (q *queue) end() {
	q.endOnce.Do(func() {
		q.isClosed.Store(true)
		close(q.ended)
	})
}

func (q *queue) errClosed() error { return driver.QueueClosed(q.cfg.Name) }

// begin registers a call. It fails when the queue is closed.
func (q *queue) begin() error {
	if q.isClosed.Load() {
		return q.errClosed()
	}
	if err := q.p.begin(); err != nil {
		return q.errClosed()
	}
	return nil
}

// keyspaces returns the keyspaces of the queue: its own first, then the dead of the
// queues that name it, which the server knows.
func (q *queue) keyspaces(ctx context.Context) ([]*keyspace, error) {
	sources, err := request(ctx, q.p, func(ctx context.Context) ([]string, error) {
		return q.p.client.SMembers(ctx, q.keyspace.key(keySources)).Result()
	})
	if err != nil {
		return nil, fmt.Errorf("redis: list the queues whose dead tasks %s has: %w", q.keyspace, err)
	}
	slices.Sort(sources)
	keyspaces, deadKeyspaces := []*keyspace{q.keyspace}, make(map[string]*keyspace, len(sources))
	for _, name := range sources {
		ks, err := q.p.keyspace(keyspaceName{name, true}, dead, 1)
		if err != nil {
			return nil, err
		}
		keyspaces, deadKeyspaces[name] = append(keyspaces, ks), ks
	}
	q.mu.Lock()
	q.deadKeyspaces = deadKeyspaces
	q.mu.Unlock()
	return keyspaces, nil
}

// each runs f for the keyspaces of the queue, one after another.
func (q *queue) each(ctx context.Context, f func(*keyspace) error) error {
	keyspaces, err := q.keyspaces(ctx)
	if err != nil {
		return err
	}
	for _, ks := range keyspaces {
		err = errors.Join(err, f(ks))
	}
	return err
}

// Receipts of tasks from the queue's own keyspace are "token.ID"; those of dead
// tasks have the name of their queue of origin before that, and a byte that is
// in no name or ID.
const originEnd = "\xff"

// keyspaceOf returns the keyspace that issued a receipt, and the receipt in the
// keyspace's form; nil if no keyspace of this process can have issued it.
func (q *queue) keyspaceOf(r driver.Receipt) (*keyspace, string) {
	origin, rest, foreign := strings.Cut(string(r), originEnd)
	if !foreign {
		return q.keyspace, string(r)
	}
	return q.p.known(keyspaceName{origin, true}, dead), rest
}
