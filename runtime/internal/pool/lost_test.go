package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
)

func TestNoTaskDiesOfLeasesThatWereLostWhileItsPoolLived(t *testing.T) {
	for name, bound := range map[string]bool{"leases of their own": false, "leases bound to a connection": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 2, Visibility: 9 * time.Second})
				b.q().bound = bound
				var begun, done atomic.Int32
				b.handle(func(ctx context.Context, task *driver.Task) error {
					begun.Add(1)
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(time.Minute):
						done.Add(1)
						return nil
					}
				})
				var frozen atomic.Bool
				b.q().before = func(call string, _ []*driver.Delivery) error {
					switch {
					case !frozen.Load():
						return nil
					case strings.HasPrefix(call, "dequeue"):
						return errAway
					}
					return errHangs
				}
				p := b.pool(Config{Workers: 1})
				b.start(p)
				b.put("a", "b")
				for range 20 { // far more often than any limit
					frozen.Store(true)
					pass(15 * time.Second)
					frozen.Store(false)
					pass(5 * time.Second)
				}
				assert.Greater(t, begun.Load(), int32(10))
				pass(10 * time.Minute)
				b.stop(p)
				assert.Empty(t, b.q().buried())
				assert.ElementsMatch(t, []string{"a", "b"}, b.q().completed())
				if !bound {
					assert.Positive(t, b.q().calls("release"), "lost leases are given back")
				}
			})
		})
	}
}

func TestNoTaskDiesOfAcksThatItsQueueRefusedBecauseTheLeaseWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 2, Visibility: 9 * time.Second})
		b.handle(noop)
		b.crashed(1, "a")
		refused := 0
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if call != "complete" || refused == 10 { // far more often than the limit
				return nil
			}
			refused++
			var be driver.BatchError
			be.Add(0, "a", driver.ErrLeaseLost)
			return &be
		}
		p := b.pool(Config{Workers: 1})
		b.start(p)
		pass(10 * time.Minute)
		b.stop(p)
		assert.Equal(t, 10, refused)
		assert.Empty(t, b.q().buried())
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestAHandlerIsToldOfTheEndOfItsLeaseWhileACallHangsForEver(t *testing.T) {
	for name, calls := range map[string]string{"Extend": "extend", "every call": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t, driver.QueueConfig{Name: "q", Visibility: 9 * time.Second})
				let := make(chan struct{})
				var on atomic.Bool
				b.q().before = func(call string, _ []*driver.Delivery) error {
					if on.Load() && len(call) >= len(calls) && call[:len(calls)] == calls {
						<-let // whatever becomes of its context
						return errAway
					}
					return nil
				}
				began := time.Now()
				var told sheet[string]
				b.handle(func(ctx context.Context, _ *driver.Task) error {
					<-ctx.Done()
					told.add(fmt.Sprint(time.Since(began), " ", errors.Is(context.Cause(ctx), driver.ErrLeaseLost)))
					return ctx.Err()
				})
				p := b.pool(Config{Workers: 1})
				b.put("a")
				b.start(p)
				pass(time.Second)
				on.Store(true)
				pass(9 * time.Second)
				assert.Equal(t, []string{"9s true"}, told.all())
				on.Store(false)
				close(let)
				b.stop(p)
			})
		})
	}
}

func TestOneExtendThatHangsCostsTheOthersNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Visibility: 9 * time.Second})
		let := make(chan struct{})
		var hung atomic.Bool
		b.q().before = func(call string, _ []*driver.Delivery) error {
			if call == "extend" && hung.CompareAndSwap(false, true) {
				<-let
				return errAway
			}
			return nil
		}
		b.handle(func(ctx context.Context, _ *driver.Task) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		})
		p := b.pool(Config{})
		b.put("a")
		b.start(p)
		pass(2 * time.Minute)
		close(let)
		b.stop(p)
		assert.Equal(t, []string{"a"}, b.q().completed())
		assert.Zero(t, b.log.count("lease lost"))
	})
}

func TestASuspectThatNoWorkerIsFreeForGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 4, Visibility: time.Minute}, driver.QueueConfig{Name: "r"})
		b.handle(func(context.Context, *driver.Task) error { time.Sleep(20 * time.Second); return nil })
		b.crashed(2, "suspect")
		p := b.pool(Config{Workers: 1, Queues: []Share{{Name: "q"}, {Name: "r"}}})
		b.putTask(&driver.Task{ID: "long", Queue: "r"})
		b.start(p)
		for range 3 {
			b.putTask(&driver.Task{ID: fmt.Sprint("long", time.Now()), Queue: "r"})
		}
		for range 60 {
			pass(time.Second)
		}
		pass(5 * time.Minute)
		b.stop(p)
		assert.Equal(t, []string{"suspect"}, b.q().completed())
	})
}

func TestATaskDiesOfMaxDeliveriesRunsThatItBeganAsASuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", MaxDeliveries: 3, Visibility: 10 * time.Second})
		b.handle(noop)
		for id, crashes := range map[string]int{"innocent": 4, "guilty": 5} {
			b.q().ready = append(b.q().ready, &fakeTask{task: &driver.Task{ID: id, Type: "job", Queue: "q", Payload: []byte("{}")}, crashes: crashes})
		}
		p := b.pool(Config{})
		b.start(p)
		pass(time.Second)
		b.stop(p)
		assert.Equal(t, []string{"innocent"}, b.q().completed())
		assert.Len(t, b.q().dead, 1)
		assert.Contains(t, b.q().dead[0].Metadata[driver.MetaFailureReason], `5 deliveries ended without an outcome from their worker, the last 3 of them while the task ran alone, and queue "q" allows max_deliveries=3 of those`)
	})
}
