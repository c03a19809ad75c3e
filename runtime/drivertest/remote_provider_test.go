package drivertest

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A remoteProvider speaks to a remoteBroker, and makes new connections as it needs
// them.
type remoteProvider struct {
	addr  string
	fault remoteFault

	mu     sync.Mutex
	idle   []*remoteConn
	closed bool
}

type remoteConn struct {
	net.Conn
	in  *gob.Decoder
	out *gob.Encoder
}

func (p *remoteProvider) Name() string { return "far" }

func (p *remoteProvider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
	return nil
}

func (p *remoteProvider) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	a, err := p.call(ctx, &remoteRequest{Call: "open", Cfg: cfg})
	if err != nil {
		return nil, err
	}
	return &remoteQueue{p: p, cfg: a.Cfg}, nil
}

func (p *remoteProvider) conn(ctx context.Context) (*remoteConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, runtime.ErrClosed
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, nil
	}
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	return &remoteConn{raw, gob.NewDecoder(raw), gob.NewEncoder(raw)}, nil
}

// call makes one round trip.
func (p *remoteProvider) call(ctx context.Context, r *remoteRequest) (*remoteReply, error) {
	a, err := p.trip(ctx, r)
	if a == nil && !p.fault.nameless {
		err = driver.Unavailable(err)
	}
	return a, err
}

func (p *remoteProvider) trip(ctx context.Context, r *remoteRequest) (*remoteReply, error) {
	c, err := p.conn(ctx)
	if err != nil {
		return nil, err
	}
	if p.fault.endless {
		ctx = context.WithoutCancel(ctx)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	} else {
		_ = c.SetDeadline(time.Time{})
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	a := new(remoteReply)
	if err := errors.Join(c.out.Encode(r), c.in.Decode(a)); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("far: %w", err)
	}
	p.mu.Lock()
	if p.closed {
		_ = c.Close()
	} else {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if a.Err != nil {
		return a, a.Err.err()
	}
	be := new(runtime.BatchError)
	for _, it := range a.Items {
		be.Add(it.Index, it.ID, it.err())
	}
	return a, be.OrNil()
}

// A remoteQueue is a queue over a network. What its fault does not do otherwise it
// does by one round trip.
type remoteQueue struct {
	p   *remoteProvider
	cfg runtime.QueueConfig
}

func (q *remoteQueue) Config() runtime.QueueConfig { return q.cfg }

func (q *remoteQueue) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		MaxDelay: driver.Unlimited, DelayHop: driver.Unlimited, MaxLease: driver.Unlimited, MaxPayload: driver.Unlimited, MaxBatch: 100,
		DedupWindow: driver.Unlimited, UniqueUntilDone: true, Ordered: q.cfg.Type == runtime.FIFO, Priorities: q.cfg.Levels,
		Durable: true, Fencing: true, ForgivesCrashes: true, CountsCrashes: true, ExactCrashes: true, RefusesIDs: true, KeepsReleased: true, FirstInFirstOut: true, FairGroups: true,
		FreeLeases: true, ConfirmsAcks: true, CountsScheduled: true, CountsLeased: true, CountsExpired: true, CountsOrigins: true, CountsAge: true,
		Granularity: driver.Exact, Unmetered: true, Lateness: time.Second, Redrive: true,
	}
}

func (q *remoteQueue) call(ctx context.Context, r remoteRequest) (*remoteReply, error) {
	r.Cfg = q.cfg
	return q.p.call(ctx, &r)
}

func (q *remoteQueue) Enqueue(ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
	if f := q.p.fault.enqueue; f != nil {
		return f(q, ctx, ts)
	}
	a, err := q.call(ctx, remoteRequest{Call: "enqueue", Tasks: ts})
	if a == nil {
		return nil, err
	}
	if len(a.Answers) == 0 {
		a.Answers = make([]runtime.Enqueued, len(ts))
	}
	return a.Answers, err
}

// Dequeue asks again and again, so that it never has to give up a request that
// may bring tasks.
func (q *remoteQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
	if q.p.fault.lease != nil {
		lease = q.p.fault.lease(lease)
	}
	if most := q.p.fault.most; most > 0 {
		limit = min(limit, most)
	}
	for {
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		if q.p.fault.trusting {
			brief = ctx
		}
		a, err := q.call(brief, remoteRequest{Call: "dequeue", Limit: limit, Time: lease})
		cancel()
		if !errors.Is(err, driver.ErrNoTasks) || ctx.Err() != nil {
			if a == nil {
				return nil, err
			}
			return a.Ds, err
		}
	}
}

func (q *remoteQueue) settle(ctx context.Context, call string, ds []*driver.Delivery) error {
	if f := q.p.fault.settle; f != nil {
		return f(q, ctx, call, ds)
	}
	_, err := q.call(ctx, remoteRequest{Call: call, Ds: ds})
	return err
}

func (q *remoteQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "complete", ds)
}

func (q *remoteQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "release", ds)
}

func (q *remoteQueue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "dead letter", ds)
}

func (q *remoteQueue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	a, err := q.call(ctx, remoteRequest{Call: "extend", Ds: ds, Time: lease})
	if a != nil && len(a.Ds) == len(ds) {
		for i := range ds {
			ds[i].LeaseUntil = a.Ds[i].LeaseUntil
		}
	}
	if q.p.fault.deafExtend {
		return nil
	}
	return err
}

func (q *remoteQueue) Redrive(ctx context.Context, ids []string) ([]string, error) {
	if f := q.p.fault.redrive; f != nil {
		return f(q, ctx)
	}
	a, err := q.call(ctx, remoteRequest{Call: "redrive", IDs: ids})
	if a == nil {
		return nil, err
	}
	return a.IDs, err
}

func (q *remoteQueue) RedriveDeaths(ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
	a, err := q.call(ctx, remoteRequest{Call: "redrive deaths", Deaths: deaths, Edits: edits})
	if a == nil {
		return nil, err
	}
	return a.Deaths, err
}

func (q *remoteQueue) Stats(ctx context.Context) (driver.Stats, error) {
	a, err := q.call(ctx, remoteRequest{Call: "stats"})
	if a == nil {
		return driver.Stats{}, err
	}
	return a.Stats, err
}

func (q *remoteQueue) Close() error { return nil }
