package drivertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// A remoteFault is what a provider does wrong on its way to a broker.
type remoteFault struct {
	enqueue    func(q *remoteQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error)
	settle     func(q *remoteQueue, ctx context.Context, call string, ds []*driver.Delivery) error
	redrive    func(q *remoteQueue, ctx context.Context) ([]string, error)
	lease      func(lease time.Duration) time.Duration
	deafExtend bool
	most       int  // tasks of one Dequeue; 0: as many as it is asked for
	endless    bool // calls wait for an answer, whatever their contexts say
	nameless   bool // the errors of connections are those of the client alone
	trusting   bool // Dequeue waits on one connection for as long as its context lasts
}

// settles makes a fault of one settling call.
func settling(which string, do func(q *remoteQueue, ctx context.Context, ds []*driver.Delivery) error) remoteFault {
	return remoteFault{settle: func(q *remoteQueue, ctx context.Context, call string, ds []*driver.Delivery) error {
		if call == which {
			return do(q, ctx, ds)
		}
		_, err := q.call(ctx, remoteRequest{Call: call, Ds: ds})
		return err
	}}
}

func sent(ts []*runtime.Task) []runtime.Enqueued {
	answers := make([]runtime.Enqueued, len(ts))
	for i, t := range ts {
		answers[i] = runtime.Enqueued{ID: t.ID, Queue: t.Queue}
	}
	return answers
}

// unheard drops the errors of connections and keeps those of the broker.
func unheard(a *remoteReply, err error) error {
	if a == nil {
		return nil
	}
	return err
}

const inTheMiddleOf = "a connection cut in the middle of "

// networkMutants are faults that show only on a network that is bad, or far.
var networkMutants = []struct {
	name  string
	test  string
	fault remoteFault
}{
	{"waits for answers beyond its contexts", "each call returns when its context ends, even if the backend does not answer", remoteFault{endless: true}},
	{"waits for answers beyond Close", "Close returns even if the backend does not answer", remoteFault{endless: true}},
	{"waits on a connection that is dead", "tasks are handed out soon after connections have died silently", remoteFault{trusting: true}},
	{"does not say that the backend is away", testAway, remoteFault{nameless: true}},
	{"does not say that a call is in doubt", inTheMiddleOf + "Complete leaves a call that can be repeated", remoteFault{nameless: true}},
	{"does not say that nobody answers", "each call returns when its context ends, even if the backend does not answer", remoteFault{nameless: true}},
	{"acknowledges what it has sent", inTheMiddleOf + "Enqueue loses no acknowledged task", remoteFault{
		enqueue: func(q *remoteQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			return sent(ts), unheard(q.call(ctx, remoteRequest{Call: "enqueue", Tasks: ts}))
		},
	}},
	{"leases for ever what it does not hear of", inTheMiddleOf + "Dequeue loses no task", remoteFault{
		lease: func(time.Duration) time.Duration { return 24 * time.Hour },
	}},
	{"completes what it has sent", inTheMiddleOf + "Complete leaves a call that can be repeated", settling("complete",
		func(q *remoteQueue, ctx context.Context, ds []*driver.Delivery) error {
			return unheard(q.call(ctx, remoteRequest{Call: "complete", Ds: ds}))
		})},
	{"repeats a request and tells the lease as lost", "a task whose ack arrived without an answer does not run again, and its lease is not reported as lost", settling("complete",
		func(q *remoteQueue, ctx context.Context, ds []*driver.Delivery) error {
			a, err := q.call(ctx, remoteRequest{Call: "complete", Ds: ds})
			for a == nil && ctx.Err() == nil {
				a, err = q.call(ctx, remoteRequest{Call: "complete", Ds: ds})
			}
			return err
		})},
	{"extends what it has sent", inTheMiddleOf + "Extend leaves a call that can be repeated", remoteFault{deafExtend: true}},
	{"takes a task off before it puts it back", inTheMiddleOf + "Release loses no task", settling("release", leavesFirst)},
	{"takes a task off before it buries it", inTheMiddleOf + "DeadLetter loses no task", settling("dead letter", leavesFirst)},
	{"takes the dead away before it puts them back", inTheMiddleOf + "Redrive loses no task", remoteFault{
		redrive: func(q *remoteQueue, ctx context.Context) ([]string, error) {
			a, err := q.call(ctx, remoteRequest{Call: "list the dead"})
			if err != nil {
				return nil, err
			}
			ids := deliveredIDs(a.Ds)
			if _, err := q.call(ctx, remoteRequest{Call: "discard", IDs: ids}); err != nil {
				return nil, err
			}
			ts := make([]*runtime.Task, len(a.Ds))
			for i, d := range a.Ds {
				driver.ClearDeath(d.Task, q.cfg.DLQ)
				ts[i] = d.Task
			}
			_, err = q.call(ctx, remoteRequest{Call: "enqueue", Tasks: ts})
			return ids, err
		},
	}},
	{"takes silence for success", "an enqueue whose reply is lost reports no success, and can be repeated", remoteFault{
		enqueue: func(q *remoteQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			return sent(ts), unheard(q.call(ctx, remoteRequest{Call: "enqueue", Tasks: ts}))
		},
	}},
	{"enqueues under another ID when it is asked again", "an enqueue with a unique key whose reply is lost can be repeated, and its task is there once", remoteFault{
		enqueue: func(q *remoteQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			a, err := q.call(ctx, remoteRequest{Call: "enqueue", Tasks: ts})
			if a == nil {
				return nil, err
			}
			for i := range a.Answers {
				if a.Answers[i].Duplicate {
					a.Answers[i].ID = "another"
				}
			}
			return a.Answers, err
		},
	}},
	{"gives up an ack", "tasks that are completed while replies are lost end up completed", settling("complete",
		func(*remoteQueue, context.Context, []*driver.Delivery) error { return runtime.ErrClosed })},
	{"tells every ack that was not answered as a lost lease", "a task whose ack arrived without an answer does not run again, and its lease is not reported as lost", settling("complete",
		func(q *remoteQueue, ctx context.Context, ds []*driver.Delivery) error {
			a, err := q.call(ctx, remoteRequest{Call: "complete", Ds: ds})
			if a == nil {
				return runtime.ErrLeaseLost
			}
			return err
		})},
	{"buries twice", "tasks that are retried and buried while replies are lost are each in one place", settling("dead letter",
		func(q *remoteQueue, ctx context.Context, ds []*driver.Delivery) error {
			for _, d := range ds {
				c := *d.Task
				c.ID += "-copy"
				if _, err := q.call(ctx, remoteRequest{Call: "enqueue", Tasks: []*runtime.Task{&c}}); err != nil {
					return err
				}
			}
			_, err := q.call(ctx, remoteRequest{Call: "dead letter", Ds: ds})
			return err
		})},
	{"acks one by one", "over a 20 ms link a pool makes a round trip for each batch, not for each task", settling("complete",
		func(q *remoteQueue, ctx context.Context, ds []*driver.Delivery) error {
			var err error
			for d := range slices.Chunk(ds, 1) {
				_, e := q.call(ctx, remoteRequest{Call: "complete", Ds: d})
				err = errors.Join(err, e)
			}
			return err
		})},
	{"enqueues one by one", "over a 20 ms link concurrent enqueues share round trips", remoteFault{
		enqueue: func(q *remoteQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			for one := range slices.Chunk(ts, 1) {
				if _, err := q.call(ctx, remoteRequest{Call: "enqueue", Tasks: one}); err != nil {
					return nil, err
				}
			}
			return sent(ts), nil
		},
	}},
	{"does not come back when the backend does", "a task runs again if the backend is away for longer than its lease", remoteFault{
		lease: func(time.Duration) time.Duration { return 24 * time.Hour },
	}},
}

// leavesFirst takes tasks off the queue, and then puts them where they belong.
func leavesFirst(q *remoteQueue, ctx context.Context, ds []*driver.Delivery) error {
	if _, err := q.call(ctx, remoteRequest{Call: "complete", Ds: ds}); err != nil {
		return err
	}
	ts := make([]*runtime.Task, len(ds))
	for i, d := range ds {
		ts[i] = d.Task
	}
	_, err := q.call(ctx, remoteRequest{Call: "enqueue", Tasks: ts})
	return err
}

func TestABadNetworkFindsWhatItIsFor(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for networks and processes")
	}
	t.Parallel()
	for _, m := range networkMutants {
		t.Run(m.test+"/"+m.name, func(t *testing.T) {
			t.Parallel()
			h := remoteHarness(m.fault)
			for range 12 { // where a cut falls is left to chance
				if r := runTestCase(t, h, m.test, 2*time.Second); r.Failed() {
					t.Log(r.Text())
					return
				}
			}
			assert.Fail(t, "not found", "a provider that %s passes %q", m.name, m.test)
		})
	}
}

// TestAProviderOverANetworkKeepsTheLaws runs all that needs a network, a cut
// included, on a provider without a fault.
func TestAProviderOverANetworkKeepsTheLaws(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for networks and processes")
	}
	t.Parallel()
	runAllCases(t, remoteHarness(remoteFault{}), func(c testCase) bool {
		return !slices.Contains(c.requires, meddling) && !slices.Contains(c.requires, cutting) && !slices.Contains(c.requires, swallowing)
	})
}
