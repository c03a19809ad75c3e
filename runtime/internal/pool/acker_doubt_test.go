package pool

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

// loseReplies makes the first n answers to a call get lost, when its work is done.
func loseReplies(q *fakeQueue, call string, n int) {
	q.after = func(made string) error {
		if made != call || n == 0 {
			return nil
		}
		n--
		return errors.New("connection reset by peer")
	}
}

func TestARepeatedSettleWhoseFirstAnswerWasLostIsDone(t *testing.T) {
	for call, result := range map[string]error{
		"complete": nil, "release": Snooze(24 * time.Hour), "dead letter": errors.New("x"),
	} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				loseReplies(b.q(), call, 1)
				runs := 0
				b.handle(func(context.Context, *driver.Task) error { runs++; return result })
				p := b.pool(Config{})
				b.start(p)
				b.put("a")
				pass(5 * time.Second)
				assert.Equal(t, 1, runs)
				assert.Equal(t, 2, b.q().calls(call))
				assert.Zero(t, b.log.count("lease lost"), "nothing was lost: %q", b.log.lines)
				assert.Equal(t, 1, b.log.count("a call whose answer was lost"))
				b.stop(p)
			})
		})
	}
}

func TestTheLeaseExtenderIsNotAlarmedByATaskThatWasSettledUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		lost := false
		b.q().after = func(call string) error {
			if call == "complete" && !lost {
				lost = true
				return errors.New("connection reset by peer")
			}
			return nil
		}
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if call == "complete" && lost {
				return errors.New("still away") // so that the lease extender comes first
			}
			return nil
		}
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		pass(25 * time.Second)
		assert.Positive(t, b.q().calls("extend"))
		assert.Zero(t, b.log.count("lease lost"), "nothing was lost: %q", b.log.lines)
		b.stop(p)
	})
}

func TestTheLeaseExtenderIsNotAlarmedByATaskWhoseAnswerIsOnItsWay(t *testing.T) {
	for call, result := range map[string]error{
		"complete": nil, "release": Snooze(24 * time.Hour), "dead letter": errors.New("x"),
	} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				b.q().after = func(made string) error {
					if made == call {
						time.Sleep(b.q().cfg.Visibility * 2 / 3)
					}
					return nil
				}
				b.handle(func(context.Context, *driver.Task) error { return result })
				p := b.pool(Config{})
				b.start(p)
				b.put("a")
				pass(b.q().cfg.Visibility)
				b.stop(p)
				assert.Positive(t, b.q().calls("extend"), "the lease extender asks while the answer is on its way")
				assert.Equal(t, 1, b.q().calls(call))
				assert.Zero(t, b.log.count("lease lost"), "nothing was lost: %q", b.log.lines)
			})
		})
	}
}

func TestALeaseThatEndedWithItsConnectionIsToldAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.q().bound = true
		loseReplies(b.q(), "complete", 1)
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		pass(5 * time.Second)
		assert.Equal(t, 1, b.log.count("lease lost before the task was settled"))
		b.stop(p)
	})
}

func TestALostLeaseThatWasNeverInDoubtIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.q().before = func(call string, ds []*driver.Delivery) error {
			if call != "complete" {
				return nil
			}
			failed := new(driver.BatchError)
			for i, d := range ds {
				failed.Add(i, d.Task.ID, driver.ErrLeaseLost)
			}
			return failed
		}
		b.handle(func(context.Context, *driver.Task) error { return nil })
		p := b.pool(Config{})
		b.start(p)
		b.put("a")
		pass(5 * time.Second)
		assert.Equal(t, 1, b.log.count("lease lost before the task was settled"))
		b.stop(p)
	})
}

func TestATaskThatKillsItsWorkersDiesThoughCrashesAreCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 5})
		b.q().charge = true
		runs := new(sheet[int])
		b.handle(func(_ context.Context, t *driver.Task) error { runs.add(t.RetryCount); return nil })
		p := b.pool(Config{})
		// It is a suspect from 3 on, or where its retries are used up.
		b.putTask(&driver.Task{ID: "worn", RetryCount: 8, MaxRetries: 2})
		b.putTask(&driver.Task{ID: "within its deliveries", RetryCount: 7, MaxRetries: 2})
		b.putTask(&driver.Task{ID: "within its retries", RetryCount: 20, MaxRetries: 20})
		b.putTask(&driver.Task{ID: "not run since its retries were used up", RetryCount: 15, MaxRetries: 10})
		b.putTask(&driver.Task{ID: "worn, with many retries", RetryCount: 16, MaxRetries: 10})
		b.start(p)
		pass(time.Minute)
		b.stop(p)
		assert.ElementsMatch(t, []int{7, 15, 20}, runs.all())
		assert.Len(t, b.q().dead, 2)
		for _, d := range b.q().dead {
			assert.Contains(t, d.Metadata[driver.MetaFailureReason], driver.ErrMaxDeliveries.Error())
		}
	})
}
