package server_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime/driver"
)

// An editedProvider has queues that differ from those of a sound one.
type editedProvider struct {
	driver.Provider
	edit func(driver.Queue) driver.Queue
}

func (p *editedProvider) Open(ctx context.Context, cfg driver.QueueConfig) (driver.Queue, error) {
	q, err := p.Provider.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return p.edit(q), nil
}

// A plainQueue has the methods of the contract alone.
type plainQueue struct{ driver.Queue }

// faults are what befalls the queues of a provider, while it is set.
type faults struct {
	behind  atomic.Bool  // a call is carried out, and its answer is lost
	before  atomic.Bool  // a call never comes
	lost    atomic.Bool  // leases are lost
	extends atomic.Int64 // calls of Extend so far
}

// A cutQueue is a queue with faults.
type cutQueue struct {
	driver.Queue
	*faults
}

func (q cutQueue) cut(call func() error) error {
	if q.before.Load() {
		return driver.ErrUnavailable
	}
	err := call()
	if q.behind.Load() {
		return driver.ErrUnavailable
	}
	return err
}

func (q cutQueue) Dequeue(ctx context.Context, n int, lease time.Duration) (ds []*driver.Delivery, err error) {
	if q.before.Load() {
		return nil, driver.ErrUnavailable
	}
	return q.Queue.Dequeue(ctx, n, lease)
}

func (q cutQueue) Complete(ctx context.Context, ds []*driver.Delivery) error {
	return q.cut(func() error { return q.Queue.Complete(ctx, ds) })
}

func (q cutQueue) Release(ctx context.Context, ds []*driver.Delivery) error {
	return q.cut(func() error { return q.Queue.Release(ctx, ds) })
}

func (q cutQueue) DeadLetter(ctx context.Context, ds []*driver.Delivery) error {
	return q.cut(func() error { return q.Queue.DeadLetter(ctx, ds) })
}

func (q cutQueue) Extend(ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
	q.extends.Add(1)
	if q.lost.Load() {
		return driver.ErrLeaseLost
	}
	return q.cut(func() error { return q.Queue.Extend(ctx, ds, lease) })
}
