package pool

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The shapes of three forms of one payload.
const (
	olderShape = "000000000001"
	ownShape   = "000000000002"
	newerShape = "000000000003"
)

// reading is the policy of a build that wrote the own shape and reads the older one.
func reading() Policy {
	return Policy{Type: "job", Queue: "q", Shape: ownShape, Reads: []string{olderShape}}
}

func TestATaskOfAnUnknownShapeWaitsForAWorkerThatReadsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(reading(), HandlerFunc(noop))
		old := b.pool(Config{})
		b.start(old)
		b.putTask(&driver.Task{ID: "a", Shape: newerShape, MaxRetries: 1})
		pass(9 * time.Minute)
		assert.Empty(t, b.q().buried())
		assert.InDelta(t, 14, b.q().calls("release"), 4, "delays grow from 1 s to 1 min")
		b.stop(old)
		assert.Empty(t, b.q().completed())

		b.r = NewRouter()
		var runs sheet[string]
		b.r.Handle(Policy{Type: "job", Queue: "q", Shape: newerShape}, HandlerFunc(func(ctx context.Context, task *driver.Task) error {
			info, _ := TaskFromContext(ctx)
			runs.add(fmt.Sprint(task.ID, " attempt ", info.Attempt, " ", task.Metadata[driver.MetaUnknown]))
			return nil
		}))
		now := b.pool(Config{})
		b.start(now)
		pass(90 * time.Second)
		b.stop(now)
		assert.Equal(t, []string{"a attempt 1 "}, runs.all())
		assert.Equal(t, []string{"a"}, b.q().completed())
	})
}

func TestAHandlerGetsItsOwnShapeThoseThatItReadsAndTasksWithoutOne(t *testing.T) {
	for name, c := range map[string]struct {
		policy Policy
		want   []string
	}{
		"a shape and one that it reads": {reading(), []string{"none", "older", "own"}},
		"a shape alone":                 {Policy{Type: "job", Queue: "q", Shape: ownShape}, []string{"none", "own"}},
		"no shape":                      {Policy{Type: "job", Queue: "q"}, []string{"newer", "none", "older", "own"}},
		"no shape, and one that it reads": {
			Policy{Type: "job", Queue: "q", Reads: []string{olderShape}}, []string{"newer", "none", "older", "own"},
		},
		"a shape, and a task by an alias": {
			Policy{Type: "work", Aliases: []string{"job"}, Queue: "q", Shape: ownShape, Reads: []string{olderShape}}, []string{"none", "older", "own"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t)
				var ran sheet[string]
				b.r.Handle(c.policy, HandlerFunc(func(_ context.Context, task *driver.Task) error {
					ran.add(task.ID)
					return nil
				}))
				p := b.pool(Config{})
				b.start(p)
				b.putTasks(
					&driver.Task{ID: "newer", Shape: newerShape}, &driver.Task{ID: "older", Shape: olderShape},
					&driver.Task{ID: "own", Shape: ownShape}, &driver.Task{ID: "none"},
				)
				pass(time.Hour)
				b.stop(p)
				assert.ElementsMatch(t, c.want, ran.all())
				assert.ElementsMatch(t, c.want, b.q().completed())
				assert.Len(t, b.q().buried(), 4-len(c.want))
			})
		})
	}
}

func TestATaskOfAnUnknownShapeDiesOnceThePatienceIsOver(t *testing.T) {
	for name, forgets := range map[string]bool{"a queue that keeps released tasks": false, "one that does not": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPoolBench(t, driver.QueueConfig{Name: "q", Unknown: 5 * time.Minute})
				b.q().charge, b.q().forgets = forgets, forgets
				b.r.Handle(reading(), HandlerFunc(noop))
				var hooked sheet[error]
				b.r.OnDead("job", func(_ context.Context, _ *driver.Task, cause error) error {
					hooked.add(cause)
					return nil
				})
				p := b.pool(Config{})
				b.start(p)
				b.putTask(&driver.Task{ID: "a", Shape: newerShape, CreatedAt: time.Now().Add(-time.Hour)})
				pass(5*time.Minute - time.Second)
				assert.Empty(t, b.q().buried(), "patience is counted from when the task was met, not from when it was due")
				pass(2 * time.Second)
				require.Len(t, b.q().buried(), 1)
				dead := b.q().buried()[0]
				assert.Equal(t, `taskgen: unknown payload shape: the payload of the type "job" has the shape 000000000003, and the handler reads 000000000002, 000000000001; `+
					`no worker that reads it took the task within 5m0s: deploy the build that enqueued the task, or one that reads its shape, then redrive the task`,
					dead.Metadata[driver.MetaFailureReason])
				assert.Equal(t, "0", dead.Metadata[driver.MetaAttempts])
				assert.Equal(t, newerShape, dead.Shape)
				require.Len(t, hooked.all(), 1)
				require.ErrorIs(t, hooked.all()[0], driver.ErrUnknownShape)

				driver.ClearDeath(dead, "q-dlq")
				b.putTask(dead)
				pass(4 * time.Minute)
				assert.Len(t, b.q().buried(), 1, "a redriven task begins anew")
				b.stop(p)
			})
		})
	}
}

func TestATaskOfAnUnknownShapeDiesAtOnceIfTheQueueSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t, driver.QueueConfig{Name: "q", Types: []string{"job", "report"}, Unknown: driver.BuryUnknown})
		many := reading()
		for i := range 20 {
			many.Reads = append(many.Reads, fmt.Sprintf("%012d", 100+i))
		}
		b.r.Handle(many, HandlerFunc(noop))
		results := new(heldResults)
		p := b.pool(Config{Types: []string{"job"}, Results: results})
		b.start(p)
		b.putTask(&driver.Task{ID: "a", Shape: newerShape})
		pass(time.Second)
		require.Len(t, b.q().buried(), 1, "that the pool is for this type does not make the task another pool's")
		reason := b.q().buried()[0].Metadata[driver.MetaFailureReason]
		assert.Contains(t, reason, `and the handler reads 000000000002, 000000000001, 000000000100,`)
		assert.Contains(t, reason, `000000000106 and 13 more; the queue lets such tasks die at once: deploy`)
		assert.Equal(t, []string{reason}, results.failures.all(), "whoever awaits the task is told")
		assert.Zero(t, b.q().calls("release"))
		b.stop(p)
	})
}

func TestTheLogNamesEachUnknownShapeOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPoolBench(t)
		b.r.Handle(reading(), HandlerFunc(noop))
		for i := range 50 {
			b.putTask(&driver.Task{ID: fmt.Sprint("n", i), Shape: newerShape})
			b.putTask(&driver.Task{ID: fmt.Sprint("o", i), Shape: fmt.Sprintf("%012d", 100+i%2)})
			b.putTask(&driver.Task{ID: fmt.Sprint("t", i), Type: "new", Shape: fmt.Sprintf("%012d", 200+i)})
		}
		b.put("known")
		p := b.pool(Config{Workers: 10})
		b.start(p)
		pass(5 * time.Second)
		assert.Equal(t, []string{"known"}, b.q().completed())
		pass(3 * time.Minute)
		for _, shape := range []string{newerShape, "000000000100", "000000000101"} {
			assert.InDelta(t, 4, b.log.count("WARN a handler does not read a shape: its tasks are handed on to other workers type=job shape="+shape+" queue=q "), 1, shape)
		}
		assert.InDelta(t, 4, b.log.count("WARN no handler for a type: its tasks are handed on to other workers type=new queue=q "), 1, "whatever its shapes")
		b.stop(p)
		assert.Empty(t, b.q().buried())
	})
}

func TestAShapeThatNoTaskCanHaveIsRefused(t *testing.T) {
	for _, policy := range []Policy{
		{Type: "job", Queue: "q", Shape: "00000000000"},
		{Type: "job", Queue: "q", Shape: ownShape, Reads: []string{olderShape, "ABCDEF000000"}},
	} {
		b := newPoolBench(t)
		b.r.Handle(policy, HandlerFunc(noop))
		_, err := newPool(b.m, b.r, Config{})
		assert.ErrorContains(t, err, `type "job" has or reads the shape "`)
		assert.ErrorContains(t, err, "12 hexadecimal digits in lower case")
	}
}
