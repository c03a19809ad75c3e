package drivertest

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// faultCases: operations whose connection is cut in the middle, on the real backend.
func faultCases() []testCase {
	cut := func(law Law, operation, then string, run func(w *env), more ...requirement) testCase {
		return testCase{
			law: law, name: "a connection cut in the middle of " + operation + " " + then,
			requires: append([]requirement{meddling}, more...), real: true, run: run,
		}
	}
	return []testCase{
		cut(NothingIsLost, "Enqueue", "loses no acknowledged task", cutEnqueue),
		cut(NothingIsLost, "Dequeue", "loses no task", cutDequeue),
		cut(AcksSurviveTrouble, "Complete", "leaves a call that can be repeated", cutComplete, confirming),
		cut(AcksSurviveTrouble, "Extend", "leaves a call that can be repeated", cutExtend, freeLeases),
		cut(PublishBeforeAck, "Release", "loses no task", cutRelease),
		cut(PublishBeforeAck, "DeadLetter", "loses no task", cutDeadLetter),
		cut(PublishBeforeAck, "Redrive", "loses no task", cutRedrive, redriving),
	}
}

const (
	// cuts is how often an operation is cut, at another byte each time.
	cuts = 6
	// cutBatch is the number of tasks of an operation that is cut.
	cutBatch = 20
	// callLimit bounds each try of a call on a bad network. The test's own bound finds
	// a call that outlasts its context.
	callLimit = 3 * time.Second
)

// network is the way to the test's backend. It is healed at the end of the test.
func (w *env) network() Network {
	w.Helper()
	n := w.h.Network(w, w.addr)
	w.Cleanup(n.Heal)
	return n
}

// randomCut is a number of bytes after which a connection is cut: as often within the
// first few bytes of a request as far into it, or beyond it.
func randomCut() int { return int(math.Exp(rand.Float64() * math.Log(8192))) }

// disturb makes the next operation fail half way: by turns on its way to the backend,
// and on the way back, when it is done.
func (w *env) disturb(net Network, round int) {
	if round%2 == 0 {
		net.Sever(randomCut())
		return
	}
	net.Mute()
	time.AfterFunc(muteTime, net.Heal)
}

// settled waits until the network is undisturbed again. A test that enqueues in each
// round calls it at the end of each: else a cut for which the operation was too short
// hits the next Enqueue, which leaves tasks there twice if the broker does not refuse
// IDs.
func (w *env) settled(net Network) {
	<-time.After(2 * muteTime)
	net.Heal()
}

// muteTime is how long replies are lost: the first reply, and not for much longer.
const muteTime = 200 * time.Millisecond

// try makes one call, and fails the test if it outlasts its context, or does not say that
// its outcome is unknown.
func (w *env) try(call func(ctx context.Context) error) error {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.scaled(callLimit))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call(ctx) }()
	select {
	case err := <-done:
		w.check(known(err) || ctx.Err() != nil && errors.Is(err, ctx.Err()), "a call on a bad network fails with an error that is neither of the contract nor ErrUnavailable: %v", err)
		return err
	case <-time.After(w.scaled(callLimit) + w.patience):
		w.Fatalf("a call has not returned %s after its context had ended", w.patience)
		return nil
	}
}

// settleRepeatedly settles deliveries, and repeats the call for those whose outcome is unknown,
// as a pool does. It returns the IDs of these.
func (w *env) settleRepeatedly(q driver.Queue, ds []*driver.Delivery, call func(ctx context.Context, ds []*driver.Delivery) error) (doubt map[string]bool) {
	w.Helper()
	doubt = make(map[string]bool)
	for deadline := time.Now().Add(w.patience); len(ds) > 0; {
		err := w.try(func(ctx context.Context) error { return call(ctx, ds) })
		var again []*driver.Delivery
		for i, d := range ds {
			switch e := runtime.ErrorAt(err, i); {
			case e == nil:
			case errors.Is(e, runtime.ErrLeaseLost):
				w.check(doubt[d.Task.ID] || !q.Capabilities().FreeLeases,
					"task %s: the first call answers %v, and the lease holds: a provider that repeats a request takes this as the success of the first one", d.Task.ID, e)
				doubt[d.Task.ID] = true
			default:
				doubt[d.Task.ID] = true
				again = append(again, d)
			}
		}
		w.check(len(again) == 0 || time.Now().Before(deadline), "still not settled after %s: %v", w.patience, err)
		if ds = again; len(ds) > 0 {
			<-time.After(5 * minPoll)
		}
	}
	return doubt
}

// enqueueRepeatedly enqueues tasks, and repeats the call for those that may not be on the queue.
func (w *env) enqueueRepeatedly(q runtime.Enqueuer, ts []*runtime.Task) {
	w.Helper()
	for deadline := time.Now().Add(w.patience); len(ts) > 0; {
		err := w.try(func(ctx context.Context) error {
			_, err := q.Enqueue(ctx, ts)
			return err
		})
		var again []*runtime.Task
		for i, t := range ts {
			if e := runtime.ErrorAt(err, i); e != nil && !errors.Is(e, runtime.ErrDuplicate) {
				again = append(again, t)
			}
		}
		w.check(len(again) == 0 || time.Now().Before(deadline), "still not enqueued after %s: %v", w.patience, err)
		if ts = again; len(ts) > 0 {
			<-time.After(5 * minPoll)
		}
	}
}

// leaseRepeatedly leases n tasks over a connection that may have been cut.
func (w *env) leaseRepeatedly(q driver.Queue, n int, lease time.Duration) []*driver.Delivery {
	w.Helper()
	var got []*driver.Delivery
	for deadline := time.Now().Add(w.patience); len(got) < n; {
		var ds []*driver.Delivery
		err := w.try(func(ctx context.Context) (err error) {
			ds, err = q.Dequeue(ctx, n-len(got), lease)
			return err
		})
		got = append(got, ds...)
		w.check(err == nil || time.Now().Before(deadline), "%d of %d tasks came: %v", len(got), n, err)
		if err != nil {
			<-time.After(minPoll)
		}
	}
	return got
}

// drainExpected leases and completes tasks until everything wanted has come and no more
// comes, and returns how often each came.
func (w *env) drainExpected(q driver.Queue, want ...string) map[string]int {
	w.Helper()
	came := make(map[string]int)
	missing := func() bool {
		return slices.ContainsFunc(want, func(id string) bool { return came[id] == 0 })
	}
	for deadline := time.Now().Add(w.patience); ; {
		var ds []*driver.Delivery
		err := w.try(func(ctx context.Context) (err error) {
			if !missing() {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 4*w.quietWait())
				defer cancel()
			}
			ds, err = q.Dequeue(ctx, 100, long)
			return err
		})
		for _, d := range ds {
			came[d.Task.ID]++
		}
		w.settleRepeatedly(q, ds, q.Complete)
		switch {
		case errors.Is(err, driver.ErrNoTasks) && !missing() && (w.none(q) || time.Now().After(deadline)):
			return came
		case err != nil:
			w.check(time.Now().Before(deadline), "of %d tasks %d came, and the last answer is: %v", len(want), len(came), err)
		}
	}
}

// none reports whether nothing is ready: a queue that hands out nothing for a moment
// may be busy with its connection.
func (w *env) none(q driver.Queue) bool {
	var s driver.Stats
	err := w.try(func(ctx context.Context) (err error) {
		s, err = q.Stats(ctx)
		return err
	})
	return err == nil && s.Ready == 0
}

// once checks that no task came twice, except those that may.
func (w *env) once(came map[string]int, may func(id string) bool, format string, args ...any) {
	w.Helper()
	for id, n := range came {
		w.check(n == 1 || may(id), "%s: task %s is there %d times", at(format, args...), id, n)
	}
}

func cutEnqueue(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	var want []string
	for round := range cuts {
		ts := w.tasks(q, cutBatch)
		w.disturb(net, round)
		w.enqueueRepeatedly(q, ts)
		want = append(want, ids(ts)...)
	}
	w.settled(net)
	came := w.drainExpected(q, want...)
	w.once(came, func(string) bool { return !q.Capabilities().RefusesIDs }, "enqueued again where the answer was lost")
}

func cutDequeue(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	ts := w.tasks(q, cuts*cutBatch)
	w.enqueueRepeatedly(q, ts)
	lease := w.ample()
	seen, doubt := make(map[string]bool), make(map[string]bool)
	once := func(id string) {
		w.Helper()
		// Its lease has ended with its connection, or its ack was lost.
		again := doubt[id] && !q.Capabilities().FreeLeases || !q.Capabilities().ConfirmsAcks
		w.check(!seen[id] || again, "task %s was completed and is handed out again", id)
	}
	for round := range cuts {
		w.disturb(net, round)
		var ds []*driver.Delivery
		_ = w.try(func(ctx context.Context) (err error) {
			ds, err = q.Dequeue(ctx, cutBatch, lease)
			return err
		})
		w.settled(net)
		for _, d := range ds {
			once(d.Task.ID)
			seen[d.Task.ID] = true
		}
		maps.Copy(doubt, w.settleRepeatedly(q, ds, q.Complete))
	}
	w.settled(net)
	for id := range w.drainExpected(q, slices.DeleteFunc(ids(ts), func(id string) bool { return seen[id] })...) {
		once(id)
	}
}

func cutComplete(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	lease := 5 * w.lease()
	doubt := make(map[string]bool)
	for round := range cuts {
		w.enqueueRepeatedly(q, w.tasks(q, cutBatch))
		ds := w.leaseRepeatedly(q, cutBatch, lease)
		w.disturb(net, round)
		maps.Copy(doubt, w.settleRepeatedly(q, ds, q.Complete))
		w.settled(net)
	}
	w.advance(lease)
	for id := range w.drainExpected(q) {
		w.check(doubt[id] && !q.Capabilities().FreeLeases, "task %s was completed and is handed out again", id)
	}
}

func cutExtend(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	lease := 5 * w.lease()
	var all []*driver.Delivery
	for round := range cuts {
		w.enqueueRepeatedly(q, w.tasks(q, cutBatch))
		ds := w.leaseRepeatedly(q, cutBatch, lease)
		w.disturb(net, round)
		w.eventually(func() bool {
			err := w.try(func(ctx context.Context) error { return q.Extend(ctx, ds, long) })
			w.check(!errors.Is(err, runtime.ErrLeaseLost), "a lease was lost with a connection: %v", err)
			return err == nil
		}, "the leases are extended")
		all = append(all, ds...)
		w.settled(net)
	}
	w.advance(lease)
	w.check(len(w.drainExpected(q)) == 0, "tasks were handed out although their leases were extended")
	w.settleRepeatedly(q, all, q.Complete)
}

func cutRelease(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	ts := w.tasks(q, cutBatch)
	w.enqueueRepeatedly(q, ts)
	doubt := make(map[string]bool)
	for round := range cuts {
		ds := w.leaseRepeatedly(q, cutBatch, long)
		w.disturb(net, round)
		maps.Copy(doubt, w.settleRepeatedly(q, ds, q.Release))
		// A cut for which the call was too short would hit the next Dequeue. If its
		// answer is lost, its tasks stay leased for long.
		net.Heal()
	}
	w.settled(net)
	came := w.drainExpected(q, ids(ts)...)
	w.once(came, func(id string) bool { return doubt[id] || !q.Capabilities().RefusesIDs }, "released over connections that were cut")
}

func cutDeadLetter(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	dead := w.dead(q)
	doubt := make(map[string]bool)
	var want []string
	for round := range cuts {
		ts := w.tasks(q, cutBatch)
		w.enqueueRepeatedly(q, ts)
		want = append(want, ids(ts)...)
		ds := w.leaseRepeatedly(q, cutBatch, long)
		for _, d := range ds {
			driver.RecordDeath(d.Task, q.Config().Name, w.now(), errBoom)
		}
		w.disturb(net, round)
		maps.Copy(doubt, w.settleRepeatedly(q, ds, q.DeadLetter))
		w.settled(net)
	}
	back := w.drainExpected(q)
	for id := range back {
		again := doubt[id] && !q.Capabilities().FreeLeases || !q.Capabilities().ConfirmsAcks
		w.check(again, "task %s is dead and is handed out again", id)
	}
	want = slices.DeleteFunc(want, func(id string) bool { return back[id] > 0 })
	came := w.drainExpected(dead, want...)
	w.once(came, func(id string) bool { return doubt[id] || !q.Capabilities().RefusesIDs }, "dead lettered over connections that were cut")
}

func cutRedrive(w *env) {
	q, net := w.open(runtime.QueueConfig{}), w.network()
	dead := w.dead(q)
	var want []string
	found := make(map[string]int)
	for round := range cuts {
		ts := w.tasks(q, cutBatch)
		w.enqueueRepeatedly(q, ts)
		want = append(want, ids(ts)...)
		ds := w.leaseRepeatedly(q, cutBatch, long)
		for _, d := range ds {
			driver.RecordDeath(d.Task, q.Config().Name, w.now(), errBoom)
		}
		w.settleRepeatedly(q, ds, q.DeadLetter)
		w.disturb(net, round)
		w.redriveAll(q)
		net.Heal() // as in cutRelease
		came := w.drainExpected(q)
		maps.Copy(found, came)
		w.once(came, func(string) bool { return !q.Capabilities().RefusesIDs }, "redriven over a connection that was cut")
	}
	w.settled(net)
	// Tasks that a redrive was moving when it was cut may come back on either queue,
	// after as long as a lease.
	w.eventually(func() bool {
		maps.Copy(found, w.drainExpected(q))
		maps.Copy(found, w.drainExpected(dead))
		return !slices.ContainsFunc(want, func(id string) bool { return found[id] == 0 })
	}, "all that was redriven over connections that were cut is there")
}

// redriveAll redrives until nothing is in doubt. A task moved by a call whose answer
// was lost may still be dead as well, and then stays so.
func (w *env) redriveAll(q driver.Queue) {
	w.Helper()
	w.eventually(func() bool {
		err := w.try(func(ctx context.Context) error {
			_, err := q.(driver.Redriver).Redrive(ctx, nil)
			return err
		})
		return err == nil || errors.Is(err, runtime.ErrDuplicate)
	}, "the dead are redriven")
}
