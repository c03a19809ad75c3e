package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/contest/tasks"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/server"
)

// overTheWire is the name of the contender that uses the API.
const overTheWire = "over the wire"

// inFlight bounds the tasks of the subscription without an outcome: those of the contest.
const inFlight = contest.UnderWay

// completions are the calls of Complete at a time. Each takes what has been handled since the
// last one began.
const completions = 2

func wire(name string, open func(ctx context.Context, url string) (runtime.Provider, error)) contest.Contender {
	return contest.Contender{
		Name: overTheWire,
		Settings: fmt.Sprintf("package server on provider %s, and connect-go as its client: gRPC over HTTP/2 without TLS on loopback, one connection, one subscription with max_in_flight %d, %d handlers, %d calls of Complete at a time, no audit records",
			name, inFlight, contest.Workers, completions),
		Open: func(ctx context.Context, url string) (contest.Queue, error) {
			p, err := open(ctx, url)
			if err != nil {
				return nil, err
			}
			q := &wireQueue{provider: p, manager: runtime.NewManager(runtime.ManagerConfig{})}
			if err := q.serve(ctx); err != nil {
				return nil, errors.Join(err, q.Close(ctx))
			}
			return q, nil
		},
	}
}

// A wireQueue is a server with the queue, and its client.
type wireQueue struct {
	provider runtime.Provider
	manager  *runtime.Manager
	stop     context.CancelFunc
	over     chan error

	transport *http.Transport
	client    taskgenv1connect.QueueServiceClient
}

func (q *wireQueue) serve(ctx context.Context) error {
	if err := q.manager.Open(ctx, q.provider, tasks.Queues()...); err != nil {
		return err
	}
	s, err := server.New(server.Config{
		Manager: q.manager, Types: []server.Type{&tasks.NoopSpec}, Logger: slog.New(slog.DiscardHandler), Audit: func(server.AuditRecord) {},
	})
	if err != nil {
		return err
	}
	ln, err := s.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	q.stop, q.over = stop, make(chan error, 1)
	go func() { q.over <- s.ServeOn(serving, ln) }()
	q.transport = &http.Transport{Protocols: new(http.Protocols)}
	q.transport.Protocols.SetUnencryptedHTTP2(true)
	q.client = taskgenv1connect.NewQueueServiceClient(&http.Client{Transport: q.transport}, "http://"+ln.Addr().String(), connect.WithGRPC())
	return nil
}

func newTask() *v1.NewTask {
	return &v1.NewTask{Type: tasks.NoopSpec.Type, Payload: string(contest.Payload(time.Now()))}
}

func (q *wireQueue) Enqueue(ctx context.Context) error {
	_, err := q.client.Enqueue(ctx, &v1.EnqueueRequest{Task: newTask()})
	return err
}

func (q *wireQueue) EnqueueBatch(ctx context.Context, n int) error {
	req := &v1.EnqueueBatchRequest{Tasks: make([]*v1.NewTask, n)}
	for i := range req.Tasks {
		req.Tasks[i] = newTask()
	}
	res, err := q.client.EnqueueBatch(ctx, req)
	if err != nil {
		return err
	}
	for _, o := range res.GetOutcomes() {
		if e := o.GetError(); e != nil {
			return fmt.Errorf("enqueue: %s", e.GetMessage())
		}
	}
	return nil
}

func (q *wireQueue) Left(ctx context.Context) (int64, error) {
	one, err := q.manager.Queue(tasks.NoopSpec.Queue)
	if err != nil {
		return 0, err
	}
	stats, err := one.Stats(ctx)
	return stats.Ready + stats.Scheduled + stats.Leased + stats.Dead, err
}

func (q *wireQueue) Close(context.Context) error {
	var err error
	if q.stop != nil {
		q.transport.CloseIdleConnections()
		q.stop()
		err = <-q.over
	}
	return errors.Join(err, q.manager.Close(), q.provider.Close())
}
