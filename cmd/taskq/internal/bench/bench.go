// Package bench measures how many tasks go through a queue, by the API.
package bench

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taskgen/taskgen/cmd/taskq/internal/exit"
	"github.com/taskgen/taskgen/cmd/taskq/internal/target"
	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// Options say what is measured.
type Options struct {
	// Queue that the server does not have open, and that has no tasks. It stays, and is emptied at
	// the end: it may have been there before. Empty: a new one, which is deleted at the end.
	Queue string
	// Provider that the queue is created on; empty for the only one.
	Provider string
	// Type and Payload of the tasks.
	Type, Payload string
	// Tasks of a run, and how many Runs there are.
	Tasks, Runs int
	// Producers enqueue side by side, Batch tasks with a call.
	Producers, Batch int
	// Progress is told how much of all has been done.
	Progress func(what string, done, total int64)
}

// newName is a name that no queue has. A queue that was deleted may keep its name for a minute
// (SQS does), so that benchmarks do not share one.
func newName() string { return "taskq-bench-" + strings.ToLower(rand.Text()[:8]) }

// A Figure is a measure of several runs.
type Figure struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// A Result is what was measured.
type Result struct {
	Provider  string `json:"provider"`
	Tasks     int    `json:"tasks"`
	Runs      int    `json:"runs"`
	Producers int    `json:"producers"`
	Batch     int    `json:"batch"`
	// Enqueued and Completed are tasks a second, of runs that do only that.
	Enqueued  Figure `json:"enqueuedPerSecond"`
	Completed Figure `json:"completedPerSecond"`
	// Latency is how long a task takes from its enqueue to the worker, on an idle queue, in
	// milliseconds: the median, the best and the worst of single tasks.
	Latency Figure `json:"latencyMs"`
}

// singles is how many tasks measure the latency.
const singles = 50

// removeTime bounds the calls that remove the queue at the end.
const removeTime = 30 * time.Second

// reason is that of what it changes.
const reason = "taskq bench"

// Run measures, and cleans up at the end, also when ctx is done; left says why if it cannot.
func Run(ctx context.Context, c *target.Client, o Options) (r *Result, left, err error) {
	b := &benchmark{c: c, o: o, named: o.Queue != ""}
	b.o.Queue = cmp.Or(o.Queue, newName())
	if err := b.create(ctx); err != nil {
		return nil, nil, err
	}
	defer func() { left = b.remove() }()
	r = &Result{Provider: b.provider, Tasks: o.Tasks, Runs: o.Runs, Producers: o.Producers, Batch: o.Batch}
	var enqueued, completed []float64
	for run := range o.Runs {
		took, err := b.enqueue(ctx, run)
		if err != nil {
			return nil, nil, err
		}
		enqueued = append(enqueued, float64(o.Tasks)/took.Seconds())
		if took, err = b.complete(ctx, o.Tasks, run); err != nil {
			return nil, nil, err
		}
		completed = append(completed, float64(o.Tasks)/took.Seconds())
	}
	latency, err := b.latency(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.Enqueued, r.Completed, r.Latency = figure(enqueued), figure(completed), figure(latency)
	return r, nil, nil
}

func figure(all []float64) Figure {
	slices.Sort(all)
	return Figure{Median: (all[(len(all)-1)/2] + all[len(all)/2]) / 2, Min: all[0], Max: all[len(all)-1]}
}

type benchmark struct {
	c        *target.Client
	o        Options
	named    bool // by the caller, and not made here
	provider string
}

// create makes the queue, which must not have been open and has no tasks.
func (b *benchmark) create(ctx context.Context) error {
	open, err := b.c.Admin.ListQueues(ctx, &v1.ListQueuesRequest{})
	if err != nil {
		return err
	}
	for _, q := range open.GetQueues() {
		if q.GetInfo().GetName() == b.o.Queue {
			return exit.Usagef("the queue %s is there already, and a benchmark empties its queue: name another one with --on", b.o.Queue)
		}
	}
	res, err := b.c.Admin.CreateQueue(ctx, &v1.CreateQueueRequest{Queue: b.o.Queue, Provider: b.o.Provider, Reason: reason})
	if err != nil {
		return fmt.Errorf("the queue of the benchmark: %w", err)
	}
	b.provider = res.GetQueue().GetProvider()
	stats, err := b.c.Monitoring.GetQueueStats(ctx, &v1.GetQueueStatsRequest{Queues: []string{b.o.Queue}})
	if err != nil {
		return err
	}
	for _, q := range stats.GetQueues() {
		if s := q.GetStats(); s.GetReady()+s.GetScheduled()+s.GetLeased()+s.GetDead() > 0 {
			return exit.Usagef("the queue %s has tasks, so it is somebody's: name another one with --on", b.o.Queue)
		}
	}
	return nil
}

// remove deletes the queue if the benchmark has made it. It empties one that was named, or that the
// provider cannot delete.
func (b *benchmark) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), removeTime)
	defer cancel()
	if !b.named {
		_, err := b.c.Admin.DeleteQueue(ctx, &v1.DeleteQueueRequest{Queue: b.o.Queue, WithTasks: true, Reason: reason})
		if connect.CodeOf(err) != connect.CodeUnimplemented {
			return b.about(err)
		}
	}
	_, err := b.c.Admin.PurgeQueue(ctx, &v1.PurgeQueueRequest{Queue: b.o.Queue, Reason: reason})
	return b.about(err)
}

// about says which queue an error is about.
func (b *benchmark) about(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("queue %s: %w", b.o.Queue, err)
}

// enqueue fills the queue, and returns how long that took.
func (b *benchmark) enqueue(ctx context.Context, run int) (time.Duration, error) {
	sizes := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	group.Go(func() error {
		defer close(sizes)
		for left := b.o.Tasks; left > 0; left -= b.o.Batch {
			select {
			case sizes <- min(left, b.o.Batch):
				b.o.Progress(fmt.Sprintf("run %d of %d: enqueue", run+1, b.o.Runs), int64(b.o.Tasks-left), int64(b.o.Tasks))
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range b.o.Producers {
		group.Go(func() error {
			for size := range sizes {
				if err := b.send(ctx, size); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}

// send enqueues some tasks with one call.
func (b *benchmark) send(ctx context.Context, n int) error {
	req := &v1.EnqueueBatchRequest{Tasks: make([]*v1.NewTask, n)}
	for i := range req.Tasks {
		req.Tasks[i] = &v1.NewTask{Type: b.o.Type, Payload: b.o.Payload, Queue: b.o.Queue}
	}
	res, err := b.c.Queues.EnqueueBatch(ctx, req)
	if err != nil {
		return err
	}
	for _, out := range res.GetOutcomes() {
		if e := out.GetError(); e != nil {
			return fmt.Errorf("a task was not enqueued: %s: %s", e.GetCode(), e.GetMessage())
		}
		if out.GetTask().GetDuplicate() {
			return exit.Usagef("the type %s has unique keys, so that tasks of the same payload are one: choose another one with --type", b.o.Type)
		}
	}
	return nil
}

// inFlight is how many tasks of the subscription have no outcome at a time.
const inFlight = 1000

// complete takes n tasks and completes them, and returns how long that took.
func (b *benchmark) complete(ctx context.Context, n, run int) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	stream, err := b.c.Queues.Subscribe(ctx, &v1.SubscribeRequest{Queue: b.o.Queue, MaxInFlight: inFlight})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	for done := 0; done < n; {
		if !stream.Receive() {
			return 0, cmp.Or(stream.Err(), errors.New("the subscription has ended early"))
		}
		settled, err := b.settle(ctx, stream.Msg().GetDeliveries())
		if err != nil {
			return 0, err
		}
		done += settled
		b.o.Progress(fmt.Sprintf("run %d of %d: complete", run+1, b.o.Runs), int64(done), int64(n))
	}
	return time.Since(began), nil
}

// settle completes deliveries, and returns how many.
func (b *benchmark) settle(ctx context.Context, ds []*v1.Delivery) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	req := &v1.CompleteRequest{Tasks: make([]*v1.CompletedTask, len(ds))}
	for i, d := range ds {
		req.Tasks[i] = &v1.CompletedTask{LeaseId: d.GetLeaseId()}
	}
	res, err := b.c.Queues.Complete(ctx, req)
	if err != nil {
		return 0, err
	}
	for _, out := range res.GetOutcomes() {
		if e := out.GetError(); e != nil {
			return 0, fmt.Errorf("a task was not completed: %s: %s", e.GetCode(), e.GetMessage())
		}
	}
	return len(ds), nil
}

// latency measures single tasks on the idle queue, in milliseconds.
func (b *benchmark) latency(ctx context.Context) ([]float64, error) {
	var all []float64
	for i := range singles {
		b.o.Progress("latency", int64(i), singles)
		group, both := errgroup.WithContext(ctx)
		var sent, arrived time.Time
		var ds []*v1.Delivery
		group.Go(func() error {
			res, err := b.c.Queues.Dequeue(both, &v1.DequeueRequest{Queue: b.o.Queue, Wait: durationpb.New(20 * time.Second)})
			arrived, ds = time.Now(), res.GetDeliveries()
			return err
		})
		group.Go(func() error {
			sent = time.Now()
			return b.send(both, 1)
		})
		if err := group.Wait(); err != nil {
			return nil, err
		}
		if len(ds) == 0 {
			return nil, errors.New("a task did not arrive within 20 s")
		}
		all = append(all, float64(arrived.Sub(sent))/float64(time.Millisecond))
		if _, err := b.settle(ctx, ds); err != nil {
			return nil, err
		}
	}
	return all, nil
}
