package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"connectrpc.com/connect"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/contest/tasks"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
)

// most is how many tasks one call of Complete takes.
const most = 1000

// A worker handles the tasks of a subscription, and completes in batches what it has handled.
type worker struct {
	client     taskgenv1connect.QueueServiceClient
	handle     func(due int64)
	deliveries chan *v1.Delivery
	done       chan string // leases of handled tasks

	mu       sync.RWMutex // read-locked while a task is handled
	stopping bool

	failed sync.Mutex
	err    error
}

// Work subscribes to the queue.
func (q *wireQueue) Work(ctx context.Context, handle func(due int64)) (func(context.Context) error, error) {
	subscribed, unsubscribe := context.WithCancel(ctx)
	stream, err := q.client.Subscribe(subscribed, &v1.SubscribeRequest{Queue: tasks.NoopSpec.Queue, MaxInFlight: inFlight})
	if err != nil {
		unsubscribe()
		return nil, err
	}
	w := &worker{client: q.client, handle: handle, deliveries: make(chan *v1.Delivery, inFlight), done: make(chan string, inFlight)}
	var receiving, completing sync.WaitGroup
	receiving.Go(func() { w.receive(subscribed, stream) })
	for range contest.Workers {
		receiving.Go(w.work)
	}
	for range completions {
		completing.Go(func() { w.complete(ctx) })
	}
	return func(context.Context) error {
		w.mu.Lock() // what is being handled ends
		w.stopping = true
		w.mu.Unlock()
		close(w.done)
		completing.Wait()
		unsubscribe() // the rest goes back to the queue
		receiving.Wait()
		return errors.Join(w.err, closed(stream))
	}, nil
}

func closed(stream *connect.ServerStreamForClient[v1.SubscribeResponse]) error {
	if err := stream.Close(); err != nil && connect.CodeOf(err) != connect.CodeCanceled {
		return err
	}
	return nil
}

func (w *worker) receive(ctx context.Context, stream *connect.ServerStreamForClient[v1.SubscribeResponse]) {
	defer close(w.deliveries)
	for stream.Receive() {
		for _, d := range stream.Msg().GetDeliveries() {
			w.deliveries <- d
		}
	}
	if err := stream.Err(); err != nil && ctx.Err() == nil {
		w.fail(fmt.Errorf("subscribe: %w", err))
	}
}

func (w *worker) work() {
	for d := range w.deliveries {
		w.mu.RLock()
		if !w.stopping {
			w.handle(contest.Due([]byte(d.GetTask().GetPayload())))
			w.done <- d.GetLeaseId()
		}
		w.mu.RUnlock()
	}
}

// complete takes what has been handled since its last call, until there is no more.
func (w *worker) complete(ctx context.Context) {
	for id := range w.done {
		req := &v1.CompleteRequest{Tasks: []*v1.CompletedTask{{LeaseId: id}}}
		for more := true; more && len(req.Tasks) < most; {
			select {
			case id, more = <-w.done:
				if more {
					req.Tasks = append(req.Tasks, &v1.CompletedTask{LeaseId: id})
				}
			default:
				more = false
			}
		}
		res, err := w.client.Complete(ctx, req)
		if err != nil {
			w.fail(fmt.Errorf("complete: %w", err))
			continue
		}
		for _, o := range res.GetOutcomes() {
			if e := o.GetError(); e != nil {
				w.fail(fmt.Errorf("complete: %s", e.GetMessage()))
			}
		}
	}
}

// fail keeps the first error.
func (w *worker) fail(err error) {
	w.failed.Lock()
	defer w.failed.Unlock()
	if w.err == nil {
		w.err = err
	}
}
