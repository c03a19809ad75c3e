package pool

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/observe"
)

// hears makes a bench's listener write down the events of its pools.
func hears(b *poolBench) *sheet[string] {
	var heard sheet[string]
	b.m.listener = &observe.Listener{
		RunStart: func(ctx context.Context, r *observe.Run) context.Context {
			heard.add(fmt.Sprintf("start %s %d", r.Task.ID, r.Attempt))
			return ctx
		},
		RunEnd: func(_ context.Context, r *observe.Run) { heard.add(fmt.Sprintf("end %s %s", r.Task.ID, r.Outcome)) },
		Settled: func(s *observe.Settlement) {
			for _, it := range s.Items {
				heard.add(fmt.Sprintf("settled %s %s %t %v", it.Task.ID, it.Outcome, it.Ran, it.Err))
			}
		},
		LeaseLost: func(q *observe.Queue, t *driver.Task) { heard.add(fmt.Sprintf("lost %s of %s", t.ID, q.Name)) },
	}
	return &heard
}

func TestARunEndsForListenersInItsSettlement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		heard := hears(b)
		b.handle(func(ctx context.Context, task *driver.Task) error {
			switch info, _ := TaskFromContext(ctx); {
			case task.ID == "fails" && info.Attempt == 1:
				return RetryAfter(time.Second, errors.New("no"))
			case task.ID == "dies":
				return Skip(errors.New("never"))
			case task.ID == "snoozes" && task.Metadata["again"] == "":
				driver.SetMeta(task, "again", "1")
				return Snooze(time.Second)
			}
			return nil
		})
		p := b.pool(Config{Workers: 1})
		b.put("done", "dies", "snoozes")
		b.putTask(&driver.Task{ID: "fails", MaxRetries: 1})
		b.start(p)
		pass(time.Minute)
		b.stop(p)
		assert.ElementsMatch(t, []string{
			"start done 1", "end done completed", "settled done completed true <nil>",
			"start fails 1", "end fails retried", "settled fails retried true <nil>",
			"start fails 2", "end fails completed", "settled fails completed true <nil>",
			"start dies 1", "end dies dead", "settled dies dead true <nil>",
			"start snoozes 1", "end snoozes snoozed", "settled snoozes snoozed true <nil>",
			"start snoozes 1", "end snoozes completed", "settled snoozes completed true <nil>",
		}, heard.all())
	})
}

func TestAnAnswerThatComesLateIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		heard := hears(b)
		var away atomic.Bool
		away.Store(true)
		b.q().before = failing(&away, "complete")
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		pass(20 * time.Second)
		assert.Equal(t, []string{"start a 1", "end a completed"}, heard.all(), "it is not settled yet")
		away.Store(false)
		pass(maxAckPause)
		b.stop(p)
		assert.Equal(t, []string{"start a 1", "end a completed", "settled a completed true <nil>"}, heard.all())
	})
}

// A settling call may do its work without its answer arriving. The next try, or the lease
// extender, then learns that the lease is gone.
func TestATaskThatWasSettledByACallWhoseAnswerWasLostIsToldAsSettled(t *testing.T) {
	for name, refused := range map[string][]string{"the next try says so": nil, "the lease extender says so": {"complete"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				heard := hears(b)
				var lost, away atomic.Bool
				lost.Store(true)
				b.q().before = failing(&away, refused...)
				b.q().after = func(call string) error {
					if call == "complete" && lost.Swap(false) {
						away.Store(len(refused) > 0)
						return driver.Unavailable(errAway)
					}
					return nil
				}
				b.handle(func(context.Context, *driver.Task) error { return nil })
				p := b.pool(Config{})
				b.start(p)
				b.put("a")
				pass(25 * time.Second)
				away.Store(false)
				pass(time.Minute)
				b.stop(p)
				assert.Equal(t, []string{"start a 1", "end a completed", "settled a completed true <nil>"}, heard.all())
			})
		})
	}
}

func TestALostLeaseIsToldOnceAndInPlaceOfASettlement(t *testing.T) {
	for name, handler := range map[string]func(ctx context.Context) error{
		"while the task runs":     func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"while it is not settled": func(context.Context) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				heard := hears(b)
				var away atomic.Bool
				away.Store(true)
				b.q().before = failing(&away, "complete", "extend")
				var runs atomic.Int32
				b.handle(func(ctx context.Context, _ *driver.Task) error {
					if runs.Add(1) > 1 {
						return nil
					}
					return handler(ctx)
				})
				p := b.pool(Config{})
				b.start(p)
				b.put("a")
				pass(31 * time.Second)
				away.Store(false)
				pass(time.Minute)
				b.stop(p)
				all := heard.all()
				assert.Equal(t, 1, count(all, "lost a of q"), "%v", all)
				assert.Equal(t, 2, count(all, "start a 1"), "%v", all)
				assert.Equal(t, 1, count(all, "settled a completed true <nil>"), "%v", all)
				assert.Equal(t, "settled a completed true <nil>", all[len(all)-1])
			})
		})
	}
}

func TestATaskThatGoesBackUnrunIsToldAsSettledAndNotAsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		heard := hears(b)
		b.handle(func(ctx context.Context, task *driver.Task) error {
			if task.ID != "runs" {
				return nil // fast, so that the pool fetches ahead
			}
			<-ctx.Done()
			return ctx.Err()
		})
		p := b.pool(Config{Workers: 1, Grace: time.Second})
		b.start(p)
		for i := range 20 {
			b.put(fmt.Sprint("first ", i))
		}
		pass(time.Second)
		b.put("runs", "waits", "waits too")
		pass(time.Second)
		b.stop(p)
		all := heard.all()
		for _, line := range []string{
			"start runs 1", "end runs released", "settled runs released true <nil>",
			"settled waits released false <nil>", "settled waits too released false <nil>",
		} {
			assert.Equal(t, 1, count(all, line), "%s: %v", line, all)
		}
		assert.Zero(t, count(all, "start waits 1")+count(all, "start waits too 1"))
	})
}

func count(all []string, s string) (n int) {
	for _, other := range all {
		if other == s {
			n++
		}
	}
	return n
}
