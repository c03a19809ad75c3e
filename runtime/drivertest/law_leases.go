package drivertest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// leaseCases: law 2.
func leaseCases() []testCase {
	return []testCase{
		{law: LeasesHold, name: "no other worker receives a task before its lease ends, and one does afterwards", run: leaseEnds},
		{law: LeasesHold, name: "the end of a lease wakes a waiting worker", run: leaseWakes},
		{law: LeasesHold, name: "each task is leased for the time its worker asked for", run: leaseAsked},
		{law: LeasesHold, name: "Extend postpones the end of a lease", run: leaseExtend},
		{law: LeasesHold, name: "Extend at the end of the lease either holds or is refused", requires: []requirement{fencing}, run: leaseRace},
		{law: LeasesHold, name: "no two workers hold the same task at the same time", run: leaseCrowd},
		{law: LeasesHold, name: "a released task is available at once", run: leaseRelease},
		{law: LeasesHold, name: "leases hold between processes in real time", real: true, run: leaseReal},
	}
}

func leaseEnds(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	w.put(q, 2)
	lease := 2 * w.lease()
	ds := w.take(q, 2, lease)
	w.nothing(q, "right after leasing")
	w.nothing(other, "another handle, right after leasing")
	if w.clock != nil {
		w.advance(lease - time.Millisecond)
		w.nothing(q, "a millisecond before the leases end")
		w.nothing(other, "another handle, a millisecond before the leases end")
		w.counts(q, "a millisecond before the leases end", 0, 0, 2, 0)
		w.advance(time.Millisecond)
	}
	again := w.take(other, 2, long)
	w.check(!w.now().Before(ds[0].LeaseUntil.Add(-10*time.Millisecond)), "handed out again at %s, but the lease ran until %s", w.now(), ds[0].LeaseUntil)
	w.same(deliveredIDs(again), deliveredIDs(ds), "tasks handed out again")
	w.nothing(q, "leased again")
}

func leaseWakes(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 1)
	w.takeOne(q, w.lease())
	got := w.waiter(q)
	w.expire()
	got.wants(1)
}

func leaseAsked(w *env) {
	q := w.open(runtime.QueueConfig{Visibility: 7 * time.Minute})
	w.put(q, 2)
	before := w.now()
	far, short := w.takeOne(q, long), w.takeOne(q, w.lease())
	for d, lease := range map[*driver.Delivery]time.Duration{short: w.lease(), far: long} {
		min, max := before.Add(lease-10*time.Millisecond), w.now().Add(lease+10*time.Millisecond)
		w.check(!d.LeaseUntil.Before(min) && !d.LeaseUntil.After(max), "a lease of %s taken at %s ends at %s", lease, before, d.LeaseUntil)
	}
	w.expire()
	w.equal(deliveredIDs(w.take(q, 1, long)), deliveredIDs([]*driver.Delivery{short}), "only the short lease has ended")
	w.nothing(q, "the long lease")
}

func leaseExtend(w *env) {
	q := w.open(runtime.QueueConfig{})
	ds := w.extended(q, 3)
	w.advance(w.lease()/2 + 5*time.Millisecond)
	w.equal(deliveredIDs(w.take(q, 1, long)), []string{ds[2].Task.ID}, "the one that was not extended comes back")
	w.nothing(q, "the two that were")
	w.advance(3 * w.lease())
	w.same(deliveredIDs(w.take(q, 2, long)), deliveredIDs(ds[:2]), "after the extended lease")
}

// extended leases three tasks and extends two of them at half time. On the machine's
// clock this may be too late, and is then tried again.
func (w *env) extended(q driver.Queue, tries int) []*driver.Delivery {
	w.Helper()
	w.put(q, 3)
	ds := w.take(q, 3, w.lease())
	before := ds[0].LeaseUntil
	w.advance(w.lease() / 2)
	err := q.Extend(w.ctx, ds[:2], 3*w.lease())
	if w.clock == nil && tries > 0 && time.Now().After(before) {
		w.expire()
		w.drain(q)
		return w.extended(q, tries-1)
	}
	w.ok(err, "extend")
	w.check(ds[0].LeaseUntil.After(before), "LeaseUntil was %s and is %s after Extend", before, ds[0].LeaseUntil)
	return ds
}

// leaseRace extends while the leases end. Whichever comes first for a task, only one
// side has it.
func leaseRace(w *env) {
	q := w.open(runtime.QueueConfig{})
	w.put(q, 60)
	ds := w.take(q, 60, w.lease())
	var wg sync.WaitGroup
	held := make([]bool, len(ds))
	for i, d := range ds {
		wg.Go(func() {
			if i%3 > 0 && w.clock == nil {
				<-time.After(time.Until(d.LeaseUntil) + time.Duration(i-30)*time.Millisecond)
			}
			held[i] = q.Extend(w.ctx, []*driver.Delivery{d}, long) == nil
		})
	}
	wg.Go(w.expire)
	seen := make(map[string]bool)
	w.gather(q, seen)
	wg.Wait()
	w.gather(q, seen)
	w.expire()
	w.gather(q, seen)
	for i, d := range ds {
		w.check(held[i] != seen[d.Task.ID], "task %s: Extend succeeded: %t, handed out to somebody else: %t", d.Task.ID, held[i], seen[d.Task.ID])
	}
}

// gather leases the ready tasks and records them.
func (w *env) gather(q driver.Queue, seen map[string]bool) {
	w.Helper()
	for {
		ctx, cancel := context.WithTimeout(w.ctx, 3*w.quietWait())
		got, err := q.Dequeue(ctx, 100, long)
		cancel()
		if errors.Is(err, driver.ErrNoTasks) {
			return
		}
		w.ok(err, "dequeue")
		for _, d := range got {
			w.check(!seen[d.Task.ID], "task %s was handed out twice within its lease", d.Task.ID)
			seen[d.Task.ID] = true
		}
	}
}

// leaseCrowd has workers of two handles take and complete tasks at the same time; the
// ledger sees each task once.
func leaseCrowd(w *env) {
	const workers, tasks = 8, 600
	handles := []driver.Queue{w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})}
	want := ids(w.put(handles[0], tasks))
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = make(map[string]int)
	)
	ctx, stop := context.WithTimeout(w.ctx, w.patience)
	defer stop()
	for i := range workers {
		q := handles[i%2]
		wg.Go(func() {
			for {
				ds, err := q.Dequeue(ctx, 1+i, long)
				if err != nil {
					if !errors.Is(err, driver.ErrNoTasks) {
						w.Errorf("dequeue among %d workers: %v", workers, err)
					}
					return
				}
				mu.Lock()
				for _, d := range ds {
					seen[d.Task.ID]++
				}
				if len(seen) == tasks {
					stop()
				}
				mu.Unlock()
				if err := q.Complete(w.ctx, ds); err != nil {
					w.Errorf("complete among %d workers: %v", workers, err)
				}
			}
		})
	}
	wg.Wait()
	for _, id := range want {
		w.check(seen[id] == 1, "task %s was handed out %d times", id, seen[id])
	}
	w.counts(handles[1], "after the crowd", 0, 0, 0, 0)
}

func leaseRelease(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	w.put(q, 1)
	d := w.takeOne(q, long)
	w.ok(q.Release(w.ctx, []*driver.Delivery{d}), "release")
	again := w.takeOne(other, long)
	w.check(again.Task.ID == d.Task.ID && again.Receipt != d.Receipt, "the second delivery has the receipt %q of the first", again.Receipt)
}

// leaseReal measures on the machine's clock that a lease is not cut short.
func leaseReal(w *env) {
	q, other := w.open(runtime.QueueConfig{}), w.openOther(runtime.QueueConfig{})
	w.put(q, 1)
	lease := w.brief()
	asked := time.Now()
	w.takeOne(q, lease)
	w.takeOne(other, long)
	w.check(time.Since(asked) >= lease, "a lease of %s was over after %s", lease, time.Since(asked))
}
