package drivertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/taskgen/taskgen/runtime/driver"
)

// shareCases: law 8, groups among processes.
func shareCases() []testCase {
	return []testCase{
		{law: OrderWherePromised, name: testShares, requires: []requirement{ordering}, run: orderShares},
	}
}

const testShares = "a second process gets its share of the groups"

// orderShares has one process at work on an endless backlog of many groups, and lets
// another join.
func orderShares(w *env) {
	const groups, enough = 50, 20
	handles := []driver.Queue{w.open(fifo), w.openOther(fifo)}
	for g := range groups {
		w.put(handles[0], 4, group(fmt.Sprint(g)))
	}
	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var done [2]atomic.Int64
	work := func(i int) {
		q := handles[i]
		for ctx.Err() == nil {
			ds, err := q.Dequeue(ctx, 1, long)
			if errors.Is(err, driver.ErrNoTasks) {
				continue
			}
			if err == nil {
				_, err = q.Enqueue(w.ctx, w.tasks(q, 1, group(ds[0].Task.GroupKey)))
			}
			if err == nil {
				err = q.Complete(w.ctx, ds)
			}
			if err != nil {
				w.Errorf("process %d at work: %v", i, err)
				return
			}
			done[i].Add(1)
		}
	}
	wg.Go(func() { work(0) })
	w.eventually(func() bool { return done[0].Load() >= enough }, "the first process does nothing")
	wg.Go(func() { work(1) })
	first := done[0].Load()
	w.eventually(func() bool { return done[1].Load() >= enough }, "a second process gets nothing of %d groups while the first is at work", groups)
	w.eventually(func() bool { return done[0].Load() >= first+enough }, "the first process gets nothing more once there is a second one")
}
