package drivertest

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/faultproxy"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
)

// A remoteBroker stands in for the brokers that providers reach over a network: the
// reference provider behind a socket, so that connections can be cut, replies
// lost and round trips counted.
type remoteBroker struct {
	ln       net.Listener
	provider *memory.Provider
	wg       sync.WaitGroup

	mu     sync.Mutex
	queues map[string]driver.Queue
	conns  map[net.Conn]bool
}

// A request and its reply, as they travel.
type (
	remoteRequest struct {
		Call  string
		Cfg   runtime.QueueConfig
		Tasks []*runtime.Task
		Ds    []*driver.Delivery
		IDs   []string
		Limit int
		Time  time.Duration

		Deaths []driver.Death
		Edits  []*driver.Edit
	}
	remoteReply struct {
		Answers []runtime.Enqueued
		Ds      []*driver.Delivery
		IDs     []string
		Deaths  []driver.Death
		Stats   driver.Stats
		Cfg     runtime.QueueConfig
		Err     *remoteError
		Items   []remoteError
	}
	remoteError struct {
		Index int
		ID    string
		Kind  int // in remoteErrorKinds; -1: none of them
		Text  string
	}
)

var remoteErrorKinds = []error{
	driver.ErrNoTasks, runtime.ErrLeaseLost, runtime.ErrDuplicate, runtime.ErrUnsupported, runtime.ErrClosed,
	driver.ErrQueueMismatch, driver.ErrInvalidQueue, runtime.ErrInvalidTask, runtime.ErrQueueFull,
}

func remoteErrorOf(err error) remoteError {
	for i, kind := range remoteErrorKinds {
		if errors.Is(err, kind) {
			return remoteError{Kind: i, Text: err.Error()}
		}
	}
	return remoteError{Kind: -1, Text: err.Error()}
}

func (e remoteError) err() error {
	if e.Kind < 0 {
		return errors.New(e.Text)
	}
	return fmt.Errorf("%w (from afar: %s)", remoteErrorKinds[e.Kind], e.Text)
}

func newRemoteBroker(tb testing.TB) *remoteBroker {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	b := &remoteBroker{ln: ln, provider: memory.New(), queues: make(map[string]driver.Queue), conns: make(map[net.Conn]bool)}
	b.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns[c] = true
			b.mu.Unlock()
			b.wg.Go(func() { b.serve(c) })
		}
	})
	tb.Cleanup(func() {
		_ = ln.Close()
		b.mu.Lock()
		for c := range b.conns {
			_ = c.Close()
		}
		b.mu.Unlock()
		_ = b.provider.Close()
		b.wg.Wait()
	})
	return b
}

func (b *remoteBroker) serve(c net.Conn) {
	defer c.Close()
	in, out := gob.NewDecoder(c), gob.NewEncoder(c)
	for {
		var r remoteRequest
		if in.Decode(&r) != nil {
			return
		}
		if out.Encode(b.answer(&r)) != nil {
			return
		}
	}
}

func (b *remoteBroker) queue(cfg runtime.QueueConfig) (driver.Queue, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.queues[cfg.Name]; q != nil {
		return q, nil
	}
	q, err := b.provider.Open(context.Background(), cfg)
	if err == nil {
		b.queues[cfg.Name] = q
	}
	return q, err
}

func (b *remoteBroker) answer(r *remoteRequest) *remoteReply {
	a := new(remoteReply)
	q, err := b.queue(r.Cfg)
	ctx := context.Background()
	if err == nil {
		switch r.Call {
		case "open":
			a.Cfg = q.Config()
		case "enqueue":
			a.Answers, err = q.Enqueue(ctx, r.Tasks)
		case "dequeue":
			waiting, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			a.Ds, err = q.Dequeue(waiting, r.Limit, r.Time)
			cancel()
		case "complete":
			err = q.Complete(ctx, r.Ds)
		case "extend":
			err = q.Extend(ctx, r.Ds, r.Time)
			a.Ds = r.Ds
		case "release":
			err = q.Release(ctx, r.Ds)
		case "dead letter":
			err = q.DeadLetter(ctx, r.Ds)
		case "redrive":
			a.IDs, err = q.(driver.Redriver).Redrive(ctx, r.IDs)
		case "redrive deaths":
			a.Deaths, err = q.(driver.Redriver).RedriveDeaths(ctx, r.Deaths, r.Edits)
		case "discard":
			a.IDs, err = q.(driver.Discarder).Discard(ctx, r.IDs)
		case "list the dead":
			a.Ds = b.dead(ctx, q)
		case "stats":
			a.Stats, err = q.Stats(ctx)
		}
	}
	var be *runtime.BatchError
	switch {
	case errors.As(err, &be):
		for _, it := range be.Items {
			e := remoteErrorOf(it.Err)
			e.Index, e.ID = it.Index, it.ID
			a.Items = append(a.Items, e)
		}
	case err != nil:
		e := remoteErrorOf(err)
		a.Err = &e
	}
	return a
}

func (b *remoteBroker) dead(ctx context.Context, q driver.Queue) (ds []*driver.Delivery) {
	ts, _, _ := q.(driver.Browser).Browse(ctx, driver.Dead, "", 1000)
	for _, t := range ts {
		ds = append(ds, &driver.Delivery{Task: t})
	}
	return ds
}

// remoteHarness is that of remote providers with a fault.
func remoteHarness(f remoteFault) *Harness {
	var (
		mu      sync.Mutex
		proxies = make(map[string]*faultproxy.Proxy)
	)
	return &Harness{
		Name: "far", Home: OnServer,
		Data: func(tb testing.TB) string {
			b := newRemoteBroker(tb)
			p, err := faultproxy.Listen(b.ln.Addr().String())
			require.NoError(tb, err)
			tb.Cleanup(func() { _ = p.Close() })
			mu.Lock()
			defer mu.Unlock()
			proxies[p.Addr()] = p
			return p.Addr()
		},
		Open: func(addr string, _ driver.Clock) (runtime.Provider, error) {
			return &remoteProvider{addr: addr, fault: f}, nil
		},
		Network: func(_ testing.TB, addr string) Network {
			mu.Lock()
			defer mu.Unlock()
			return proxies[addr]
		},
		Swallow: func(_ testing.TB, addr string) func() {
			mu.Lock()
			defer mu.Unlock()
			proxies[addr].Swallow()
			return proxies[addr].Heal
		},
	}
}
