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

// A far provider speaks to a far broker, and makes new connections as it needs
// them.
type farProvider struct {
	addr  string
	fault farFault

	mu     sync.Mutex
	idle   []*farConn
	closed bool
}

type farConn struct {
	net.Conn
	in  *gob.Decoder
	out *gob.Encoder
}

func (p *farProvider) Name() string { return "far" }

func (p *farProvider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
	return nil
}

func (p *farProvider) Open(ctx context.Context, cfg runtime.QueueConfig) (driver.Queue, error) {
	a, err := p.call(ctx, &farRequest{Call: "open", Cfg: cfg})
	if err != nil {
		return nil, err
	}
	return &farQueue{p: p, cfg: a.Cfg}, nil
}

func (p *farProvider) conn(ctx context.Context) (*farConn, error) {
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
	return &farConn{raw, gob.NewDecoder(raw), gob.NewEncoder(raw)}, nil
}

// call makes one round trip.
func (p *farProvider) call(ctx context.Context, r *farRequest) (*farReply, error) {
	a, err := p.trip(ctx, r)
	if a == nil && !p.fault.nameless {
		err = driver.Unavailable(err)
	}
	return a, err
}

func (p *farProvider) trip(ctx context.Context, r *farRequest) (*farReply, error) {
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
	a := new(farReply)
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

// A far queue is a queue over a network. What its fault does not do otherwise it
// does by one round trip.
type farQueue struct {
	p   *farProvider
	cfg runtime.QueueConfig
}

func (q *farQueue) Config() runtime.QueueConfig { return q.cfg }

func (q *farQueue) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		MaxDelay: driver.Unlimited, MaxLease: driver.Unlimited, MaxPayload: driver.Unlimited, MaxBatch: 100,
		DedupWindow: driver.Unlimited, UniqueUntilDone: true, Ordered: q.cfg.Type == runtime.FIFO, Priorities: q.cfg.Levels,
		Durable: true, Fencing: true, ForgivesCrashes: true, CountsCrashes: true, ExactCrashes: true, RefusesIDs: true, KeepsReleased: true, FirstInFirstOut: true, FairGroups: true,
		FreeLeases: true, ConfirmsAcks: true, CountsScheduled: true, CountsLeased: true, CountsExpired: true, CountsOrigins: true, CountsAge: true,
		Lateness: time.Second, Redrive: true,
	}
}

func (q *farQueue) call(ctx context.Context, r farRequest) (*farReply, error) {
	r.Cfg = q.cfg
	return q.p.call(ctx, &r)
}

func (q *farQueue) Enqueue(ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
	if f := q.p.fault.enqueue; f != nil {
		return f(q, ctx, ts)
	}
	a, err := q.call(ctx, farRequest{Call: "enqueue", Tasks: ts})
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
func (q *farQueue) Dequeue(ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
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
		a, err := q.call(brief, farRequest{Call: "dequeue", Limit: limit, Time: lease})
		cancel()
		if !errors.Is(err, driver.ErrNoTasks) || ctx.Err() != nil {
			if a == nil {
				return nil, err
			}
			return a.Ds, err
		}
	}
}

func (q *farQueue) settle(ctx context.Context, call string, ds []*driver.Delivery) error {
	if f := q.p.fault.settle; f != nil {
		return f(q, ctx, call, ds)
	}
	_, err := q.call(ctx, farRequest{Call: call, Ds: ds})
	return err
}

func (q *farQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "complete", ds)
}

func (q *farQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "release", ds)
}

func (q *farQueue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	return q.settle(ctx, "dead letter", ds)
}

func (q *farQueue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	a, err := q.call(ctx, farRequest{Call: "extend", Ds: ds, Time: lease})
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

func (q *farQueue) Redrive(ctx context.Context, ids []string) ([]string, error) {
	if f := q.p.fault.redrive; f != nil {
		return f(q, ctx)
	}
	a, err := q.call(ctx, farRequest{Call: "redrive", IDs: ids})
	if a == nil {
		return nil, err
	}
	return a.IDs, err
}

func (q *farQueue) RedriveDeaths(ctx context.Context, deaths []driver.Death, payloads [][]byte) ([]driver.Death, error) {
	a, err := q.call(ctx, farRequest{Call: "redrive deaths", Deaths: deaths, Payloads: payloads})
	if a == nil {
		return nil, err
	}
	return a.Deaths, err
}

func (q *farQueue) Stats(ctx context.Context) (driver.Stats, error) {
	a, err := q.call(ctx, farRequest{Call: "stats"})
	if a == nil {
		return driver.Stats{}, err
	}
	return a.Stats, err
}

func (q *farQueue) Close() error { return nil }
