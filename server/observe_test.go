package server_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// An ear writes down what a manager's listeners hear of deliveries.
type ear struct {
	mu     sync.Mutex
	lines  []string
	runs   []observe.Run
	failed int // calls that settle tasks
	more   chan struct{}
}

func newEar() *ear { return &ear{more: make(chan struct{})} }

func (e *ear) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.more)
	e.more = make(chan struct{})
}

func (e *ear) hear(format string, args ...any) {
	e.change(func() { e.lines = append(e.lines, fmt.Sprintf(format, args...)) })
}

func (e *ear) listener() *observe.Listener {
	return &observe.Listener{
		Dequeued: func(_ *observe.Queue, ds []*observe.Delivery) {
			for _, d := range ds {
				e.hear("dequeued %s", d.Task.ID)
			}
		},
		RunStart: func(ctx context.Context, r *observe.Run) context.Context {
			e.hear("start %s %s %d", r.Type, r.Task.ID, r.Attempt)
			return context.WithValue(ctx, e, r.Task.ID)
		},
		RunEnd: func(ctx context.Context, r *observe.Run) {
			driver.SetMeta(r.Task, "heard", fmt.Sprint(r.Attempt))
			e.change(func() { e.runs = append(e.runs, *r) })
			e.hear("end %v %s", ctx.Value(e), r.Outcome)
		},
		Settled: func(s *observe.Settlement) {
			for _, it := range s.Items {
				e.hear("settled %s %s %t %v", it.Task.ID, it.Outcome, it.Ran, it.Err)
			}
		},
		LeaseLost: func(q *observe.Queue, t *observe.Task) { e.hear("lost %s of %s", t.ID, q.Name) },
		Called: func(c *observe.Call) {
			if c.Err != nil && c.Op != observe.OpDequeue && c.Op != observe.OpExtend {
				e.change(func() { e.failed++ })
			}
		},
	}
}

// await waits until something was heard.
func (e *ear) await(t *testing.T, until func() bool) {
	t.Helper()
	ctx := soonEnough(t)
	for {
		e.mu.Lock()
		ok, more := until(), e.more
		all := slices.Clone(e.lines)
		e.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			require.Fail(t, "it was not heard", "%q", all)
		}
	}
}

// first are the first n lines, once they are there.
func (e *ear) first(t *testing.T, n int) []string {
	t.Helper()
	e.await(t, func() bool { return len(e.lines) >= n })
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines[:n])
}

// heardQueues serves a store in memory to callers, and hears of it. The queues have faults, or
// can find and cancel tasks.
func heardQueues(t *testing.T, finds bool) (*queueServer, *faults, *ear) {
	t.Helper()
	store, f := cutMemory(t)
	if finds {
		store, f = inMemory(t), nil
	}
	e := newEar()
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{e.listener()}})
	require.NoError(t, m.Open(t.Context(), store.provider, append(slices.Clone(queues), runtime.QueueConfig{Name: "fresh", Retention: time.Minute})...))
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return serveManager(t, m, store), f, e
}

// A heardCase is what befalls the task "a", of a queue and with its retries, in a pool and with a
// worker of the API.
type heardCase struct {
	queue   string // "mails" if empty
	finds   bool   // the queue can find tasks
	retries int
	age     time.Duration
	handle  func(ctx context.Context, f *faults) error
	pooled  func(t *testing.T, p *runtime.Pool, f *faults, e *ear) // while the pool works
	remote  func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient, f *faults, e *ear)
	want    []string
}

func waitsForItsEnd(ctx context.Context, _ *faults) error { <-ctx.Done(); return ctx.Err() }

// settlesTwice calls settle while no call reaches the queue, or no answer comes back, and again.
func settlesTwice(cut func(*faults) interface{ Store(bool) }, want string, settle func(t *testing.T, c connectv1.QueueServiceClient, lease string) string) func(*testing.T, *queueServer, connectv1.QueueServiceClient, *faults, *ear) {
	return func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, f *faults, _ *ear) {
		lease := dequeued(t, c, "mails").GetLeaseId()
		cut(f).Store(true)
		assert.Equal(t, want, settle(t, c, lease))
		cut(f).Store(false)
		assert.Empty(t, settle(t, c, lease))
	}
}

func completesOne(t *testing.T, c connectv1.QueueServiceClient, lease string) string {
	t.Helper()
	return completed(t, c, lease)[0]
}

func failsOne(t *testing.T, c connectv1.QueueServiceClient, lease string) string {
	t.Helper()
	res, err := c.Fail(soonEnough(t), &v1.FailRequest{Tasks: []*v1.FailedTask{{LeaseId: lease, Error: "no", RetryAfter: durationpb.New(time.Hour)}}})
	require.NoError(t, err)
	return res.GetOutcomes()[0].GetError().GetCode()
}

func cutBefore(f *faults) interface{ Store(bool) } { return &f.before }
func cutBehind(f *faults) interface{ Store(bool) } { return &f.behind }

// stops stops the pool once it runs the task.
func stops(t *testing.T, p *runtime.Pool, _ *faults, e *ear) {
	e.first(t, 2)
	require.NoError(t, p.Stop(soonEnough(t)))
}

// heals ends the faults once a call that settles the task has failed.
func heals(t *testing.T, _ *runtime.Pool, f *faults, e *ear) {
	e.await(t, func() bool { return e.failed > 0 })
	f.before.Store(false)
	f.behind.Store(false)
}

var heardCases = map[string]heardCase{
	"it is completed": {
		handle: func(context.Context, *faults) error { return nil },
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			completesOne(t, c, dequeued(t, c, "mails").GetLeaseId())
		},
		want: []string{"dequeued a", "start mail a 1", "end a completed", "settled a completed true <nil>"},
	},
	"its lease is extended": {
		handle: func(context.Context, *faults) error { return nil },
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			lease := dequeued(t, c, "mails").GetLeaseId()
			res, err := c.Extend(soonEnough(t), &v1.ExtendRequest{LeaseIds: []string{lease}})
			require.NoError(t, err)
			assert.Equal(t, []string{""}, codesOf(t, []string{lease}, res.GetOutcomes()))
			completesOne(t, c, lease)
		},
		want: []string{"dequeued a", "start mail a 1", "end a completed", "settled a completed true <nil>"},
	},
	"it fails and is tried again": {
		retries: 1,
		handle: func(ctx context.Context, _ *faults) error {
			if info, _ := runtime.TaskFromContext(ctx); info.Attempt == 1 {
				return runtime.RetryAfter(0, errors.New("no"))
			}
			return nil
		},
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			failed(t, c, &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "no", RetryAfter: durationpb.New(0)})
			completesOne(t, c, dequeued(t, c, "mails").GetLeaseId())
		},
		want: []string{
			"dequeued a", "start mail a 1", "end a retried", "settled a retried true <nil>",
			"dequeued a", "start mail a 2", "end a completed", "settled a completed true <nil>",
		},
	},
	"it dies of its last failure": {
		handle: func(context.Context, *faults) error { return errors.New("no") },
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			failed(t, c, &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "no"})
		},
		want: []string{"dequeued a", "start mail a 1", "end a dead", "settled a dead true <nil>"},
	},
	"it dies of a final failure": {
		retries: 5,
		handle:  func(context.Context, *faults) error { return runtime.Skip(errors.New("no")) },
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			_, err := c.DeadLetter(soonEnough(t), &v1.DeadLetterRequest{LeaseIds: []string{dequeued(t, c, "mails").GetLeaseId()}, Reason: "no"})
			require.NoError(t, err)
		},
		want: []string{"dequeued a", "start mail a 1", "end a dead", "settled a dead true <nil>"},
	},
	"it is too old to be run": {
		queue: "fresh", age: time.Hour,
		handle: func(context.Context, *faults) error { return nil },
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			res, err := c.Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "fresh", Wait: durationpb.New(0)})
			require.NoError(t, err)
			assert.Empty(t, res.GetDeliveries())
		},
		want: []string{"dequeued a", "start mail a 1", "end a dead", "settled a dead true <nil>"},
	},
	"it is put off": {
		handle: func(context.Context, *faults) error { return runtime.Snooze(time.Hour) },
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			_, err := c.Release(soonEnough(t), &v1.ReleaseRequest{LeaseIds: []string{dequeued(t, c, "mails").GetLeaseId()}, Delay: durationpb.New(time.Hour)})
			require.NoError(t, err)
		},
		want: []string{"dequeued a", "start mail a 1", "end a snoozed", "settled a snoozed true <nil>"},
	},
	"it goes back": {
		handle: waitsForItsEnd, pooled: stops,
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			_, err := c.Release(soonEnough(t), &v1.ReleaseRequest{LeaseIds: []string{dequeued(t, c, "mails").GetLeaseId()}})
			require.NoError(t, err)
		},
		want: []string{"dequeued a", "start mail a 1", "end a released", "settled a released true <nil>"},
	},
	"who runs it stops": {
		handle: waitsForItsEnd, pooled: stops,
		remote: func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			dequeued(t, c, "mails")
			require.NoError(t, q.Close())
		},
		want: []string{"dequeued a", "start mail a 1", "end a released", "settled a released true <nil>"},
	},
	"its stream ends": {
		handle: waitsForItsEnd, pooled: stops,
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			box, cancel := subscribed(t, c, "mails", 1)
			box.next()
			cancel()
		},
		want: []string{"dequeued a", "start mail a 1", "end a released", "settled a released true <nil>"},
	},
	"an operator cancels it": {
		finds: true, handle: waitsForItsEnd,
		pooled: func(t *testing.T, p *runtime.Pool, _ *faults, e *ear) { e.first(t, 2); require.True(t, p.Cancel("a")) },
		remote: func(t *testing.T, q *queueServer, c connectv1.QueueServiceClient, _ *faults, _ *ear) {
			dequeued(t, c, "mails")
			admin := connectv1.NewQueueAdminServiceClient(q.http, q.url, connect.WithInterceptors(queueToken(firstToken)))
			_, err := admin.CancelTask(soonEnough(t), &v1.CancelTaskRequest{Id: "a", Reason: "not wanted"})
			require.NoError(t, err)
		},
		want: []string{"dequeued a", "start mail a 1", "end a cancelled", "settled a cancelled true <nil>"},
	},
	"its lease is lost": {
		queue:  "short",
		handle: waitsForItsEnd,
		pooled: func(t *testing.T, _ *runtime.Pool, f *faults, e *ear) {
			e.first(t, 2)
			f.lost.Store(true)
			e.first(t, 4)
		},
		remote: func(t *testing.T, _ *queueServer, c connectv1.QueueServiceClient, f *faults, e *ear) {
			box, cancel := subscribed(t, c, "short", 1)
			defer cancel()
			lease := box.next().GetLeaseId()
			f.lost.Store(true)
			e.first(t, 4)
			assert.Equal(t, "aborted", completesOne(t, c, lease))
		},
		want: []string{"dequeued a", "start mail a 1", "lost a of short", "end a abandoned"},
	},
	"no call that completes it reaches its queue at first": {
		handle: func(_ context.Context, f *faults) error { f.before.Store(true); return nil },
		pooled: heals, remote: settlesTwice(cutBefore, "unavailable", completesOne),
		want: []string{"dequeued a", "start mail a 1", "end a completed", "settled a completed true <nil>"},
	},
	"the answer that it is completed is lost": {
		handle: func(_ context.Context, f *faults) error { f.behind.Store(true); return nil },
		pooled: heals, remote: settlesTwice(cutBehind, "unavailable", completesOne),
		want: []string{"dequeued a", "start mail a 1", "end a completed", "settled a completed true <nil>"},
	},
	"no call that puts it back reaches its queue at first": {
		retries: 1,
		handle: func(_ context.Context, f *faults) error {
			f.before.Store(true)
			return runtime.RetryAfter(time.Hour, errors.New("no"))
		},
		pooled: heals, remote: settlesTwice(cutBefore, "unavailable", failsOne),
		want: []string{"dequeued a", "start mail a 1", "end a retried", "settled a retried true <nil>"},
	},
}

// put enqueues the task of a case.
func (c *heardCase) put(t *testing.T, m *runtime.Manager) {
	t.Helper()
	at := time.Now().Add(-c.age)
	_, err := m.Enqueue(t.Context(), []*runtime.Task{{
		ID: "a", Type: "old-mail", Queue: c.on(), Payload: []byte(`{"to":"ada"}`), MaxRetries: c.retries, CreatedAt: at, ScheduledFor: at,
	}})
	require.NoError(t, err)
}

func (c *heardCase) on() string {
	if c.queue != "" {
		return c.queue
	}
	return "mails"
}

func TestListenersHearTheSameOfAPoolAndOfAWorkerOfTheAPI(t *testing.T) {
	for name, c := range heardCases {
		t.Run(name+", in a pool", func(t *testing.T) {
			t.Parallel()
			q, f, e := heardQueues(t, c.finds)
			r := runtime.NewRouter()
			policy := mailSpec.Policy()
			policy.Queue = ""
			r.Handle(policy, runtime.HandlerFunc(func(ctx context.Context, _ *runtime.Task) error { return c.handle(ctx, f) }))
			p, err := runtime.NewPool(q.m, r, runtime.PoolConfig{Name: "pool", Workers: 1, Grace: time.Millisecond, Queues: []runtime.PoolQueue{{Name: c.on()}}})
			require.NoError(t, err)
			c.put(t, q.m)
			require.NoError(t, p.Start(t.Context()))
			if c.pooled != nil {
				c.pooled(t, p, f, e)
			}
			same := assert.Equal
			if c.queue == "short" { // the handler returns while others hear of the loss
				same = assert.ElementsMatch
			}
			same(t, c.want, e.first(t, len(c.want)))
			require.NoError(t, p.Stop(soonEnough(t)))
			assert.Equal(t, "pool", e.runs[0].Worker)
			if c.queue != "short" { // where it runs again
				assert.Len(t, e.lines, len(c.want))
			}
		})
		t.Run(name+", with a worker of the API", func(t *testing.T) {
			t.Parallel()
			q, f, e := heardQueues(t, c.finds)
			c.put(t, q.m)
			c.remote(t, q, q.as(firstToken, connect.WithGRPC()), f, e)
			assert.Equal(t, c.want, e.first(t, len(c.want)))
			require.NoError(t, q.Close())
			assert.Equal(t, "first", e.runs[0].Worker)
			assert.Nil(t, e.runs[0].Pool)
			if c.queue != "short" {
				assert.Len(t, e.lines, len(c.want))
			}
		})
	}
}

func TestATaskThatDoesNotFitIntoAnAnswerIsHeardToGoBackUnrun(t *testing.T) {
	q, _, e := heardQueues(t, false)
	for _, id := range []string{"a", "b"} {
		_, err := q.m.Enqueue(t.Context(), []*runtime.Task{{ID: id, Type: "mail", Queue: "mails", Payload: make([]byte, 2<<20), Encoding: "zeros"}})
		require.NoError(t, err)
	}
	res, err := q.as(firstToken, connect.WithGRPC()).Dequeue(soonEnough(t), &v1.DequeueRequest{Queue: "mails", Limit: 2})
	require.NoError(t, err)
	require.Len(t, res.GetDeliveries(), 1)
	assert.Equal(t, []string{"dequeued a", "dequeued b", "settled b released false <nil>", "start mail a 1"}, e.first(t, 4))
}

func TestALeaseThatEndsUnnoticedIsHeardToBeLostOnce(t *testing.T) {
	t.Parallel() // the sweep takes its time
	q, _, e := heardQueues(t, false)
	c := q.as(firstToken, connect.WithGRPC())
	task := aMail("ada")
	task.Queue, task.Id = "short", "a"
	enqueued(t, c, task)
	lease := dequeued(t, c, "short").GetLeaseId()
	dequeued(t, c, "short") // once the first lease has ended
	assert.Equal(t, "aborted", completesOne(t, c, lease))
	once := []string{"dequeued a", "start mail a 1", "lost a of short", "end a abandoned"}
	assert.ElementsMatch(t, append(slices.Clone(once[:2]), once...), e.first(t, 6))
	assert.ElementsMatch(t, append(slices.Clone(once), once...), e.first(t, 8), "no call is about the second")
	require.NoError(t, q.Close())
	assert.Len(t, e.lines, 8)
}

func TestWhatAListenerWritesIntoATaskTravelsWithIt(t *testing.T) {
	q, f, _ := heardQueues(t, false)
	c := q.as(firstToken, connect.WithGRPC())
	(&heardCase{retries: 1}).put(t, q.m)
	again := &v1.FailedTask{LeaseId: dequeued(t, c, "mails").GetLeaseId(), Error: "no", RetryAfter: durationpb.New(0)}
	f.before.Store(true)
	_, err := c.Fail(soonEnough(t), &v1.FailRequest{Tasks: []*v1.FailedTask{again}})
	require.NoError(t, err)
	f.before.Store(false)
	failed(t, c, again)
	d := dequeued(t, c, "mails")
	assert.Equal(t, "1", d.GetTask().GetMetadata()["heard"], "also with a call that is repeated")
	assert.EqualValues(t, 2, d.GetAttempt())
}

func TestTheRunOfAWorkerHasItsTimesAndItsError(t *testing.T) {
	q, _, e := heardQueues(t, false)
	c := q.as(firstToken, connect.WithGRPC())
	(&heardCase{retries: 1}).put(t, q.m)
	before := time.Now()
	failsOne(t, c, dequeued(t, c, "mails").GetLeaseId())
	require.Len(t, e.runs, 1)
	r := e.runs[0]
	assert.Equal(t, "mails", r.Queue.Name)
	assert.EqualError(t, r.Err, "no")
	assert.Equal(t, time.Hour, r.Delay)
	assert.False(t, r.Began.Before(before))
	assert.False(t, r.At.IsZero())
	assert.GreaterOrEqual(t, r.Took, time.Duration(0))
	assert.Equal(t, 1, r.Task.RetryCount, "the task is the one that goes back")
}
