package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
)

// each changes a copy of every task on its way onto the queue.
func each(change func(t *runtime.Task)) fault {
	return fault{enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		copies := make([]*runtime.Task, len(ts))
		for i, t := range ts {
			copies[i] = t.Clone()
			change(copies[i])
		}
		return q.Enqueue(ctx, copies)
	}}
}

// delivered changes every delivery.
func delivered(change func(ds []*driver.Delivery)) fault {
	return fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		ds, err := q.Dequeue(ctx, limit, lease)
		change(ds)
		return ds, err
	}}
}

func counted(change func(s *driver.Stats)) fault {
	return fault{stats: func(_ referenceQueue, s driver.Stats) driver.Stats {
		change(&s)
		return s
	}}
}

// buriesCrashed buries by a count of deliveries, as a broker with a limit does.
var buriesCrashed, buriesAfterOne = buriesAt(3), buriesAt(1)

func buriesAt(most int) fault {
	return fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		ds, err := q.Dequeue(ctx, limit, lease)
		var kept []*driver.Delivery
		for _, d := range ds {
			if d.Crashes >= most {
				_ = q.DeadLetter(ctx, []*driver.Delivery{d})
				continue
			}
			kept = append(kept, d)
		}
		if err == nil && len(kept) == 0 {
			return nil, driver.ErrNoTasks
		}
		return kept, err
	}}
}

// skipsCompletes says that tasks are done and now and then leaves them to their leases.
func skipsCompletes(when func() bool) fault {
	return fault{complete: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		if when() {
			return nil
		}
		return q.Complete(ctx, ds)
	}}
}

// now and then: every nth call.
func every(n int64) func() bool {
	var calls atomic.Int64
	return func() bool { return calls.Add(1)%n == 0 }
}

// mutants are faults that real providers have had, each with the law that it
// breaks and that must find it.
var mutants = []struct {
	law   Law
	name  string
	fault fault
}{
	{Contract, "compacts payloads", each(func(t *runtime.Task) {
		var b bytes.Buffer
		if json.Compact(&b, t.Payload) == nil {
			t.Payload = b.Bytes()
		}
	})},
	{Contract, "cuts times to microseconds", each(func(t *runtime.Task) { t.CreatedAt = t.CreatedAt.Truncate(time.Microsecond) })},
	{Contract, "forgets the timeout", each(func(t *runtime.Task) { t.Timeout = 0 })},
	{Contract, "drops metadata with empty values", each(func(t *runtime.Task) { delete(t.Metadata, "k") })},
	{Contract, "fails a whole batch for one bad task", fault{enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		answers, err := q.Enqueue(ctx, ts)
		for range answers {
			err = runtime.ErrorAt(err, 1)
		}
		return answers, err
	}}},
	{Contract, "leaves it to the manager to refuse invalid tasks", each(func(t *runtime.Task) {
		if t.Validate() != nil {
			t.Type, t.Payload = "job", []byte("{}")
		}
	})},
	{Contract, "answers nothing there at once instead of waiting", fault{dequeue: func(q referenceQueue, _ context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if s, _ := q.Stats(context.Background()); s.Ready > 0 {
			return q.Dequeue(context.Background(), limit, lease)
		}
		return q.Dequeue(ended, limit, lease)
	}}},
	{Contract, "hands out more than asked for", fault{dequeue: func(q referenceQueue, ctx context.Context, _ int, lease time.Duration) ([]*driver.Delivery, error) {
		return q.Dequeue(ctx, 100, lease)
	}}},
	{Contract, "does not close", fault{close: func(referenceQueue) error { return nil }}},
	{Contract, "says it cannot do what it does", fault{caps: func(c driver.Capabilities) driver.Capabilities {
		c.Browse = false
		return c
	}}},
	{Contract, "says it purged more than it did", fault{purge: func(q referenceQueue, ctx context.Context) (int, error) {
		n, err := q.Purge(ctx)
		return n + 1, err
	}}},
	{Contract, "pauses nothing", fault{pause: func(q referenceQueue, ctx context.Context, _ time.Time) error {
		_, err := q.Paused(ctx)
		return err
	}}},
	{Contract, "pauses until it is resumed, whatever the end", fault{pause: func(q referenceQueue, ctx context.Context, _ time.Time) error {
		return q.Pause(ctx, time.Time{})
	}}},
	{Contract, "ends a pause a second early", fault{pause: func(q referenceQueue, ctx context.Context, until time.Time) error {
		if !until.IsZero() {
			until = until.Add(-time.Second)
		}
		return q.Pause(ctx, until)
	}}},
	{Contract, "ends a pause ten seconds late", fault{pause: func(q referenceQueue, ctx context.Context, until time.Time) error {
		if !until.IsZero() {
			until = until.Add(10 * time.Second)
		}
		return q.Pause(ctx, until)
	}}},
	{Contract, "keeps the pause that ends last", fault{pause: func(q referenceQueue, ctx context.Context, until time.Time) error {
		has, err := q.Paused(ctx)
		if err != nil || has.Paused && !until.IsZero() && (has.Until.IsZero() || has.Until.After(until)) {
			return err
		}
		return q.Pause(ctx, until)
	}}},
	{Contract, "keeps the pause that ends first", fault{pause: func(q referenceQueue, ctx context.Context, until time.Time) error {
		has, err := q.Paused(ctx)
		if err != nil || !has.Until.IsZero() && (until.IsZero() || has.Until.Before(until)) {
			return err
		}
		return q.Pause(ctx, until)
	}}},
	{Contract, "takes a time that has passed for no end", fault{pause: func(q referenceQueue, ctx context.Context, until time.Time) error {
		if err := q.Pause(ctx, until); err != nil {
			return err
		}
		if has, err := q.Paused(ctx); err != nil || has.Paused {
			return err
		}
		return q.Pause(ctx, time.Time{})
	}}},
	{Contract, "deletes nothing", deletesBy(func(q referenceQueue, _ context.Context) error { return q.Close() })},
	{Contract, "deletes what waits, and not what is leased or dead", deletesBy(func(q referenceQueue, ctx context.Context) error {
		_, err := q.Purge(ctx)
		return errors.Join(err, q.Close())
	})},
	{Contract, "cannot delete twice", fault{delete: func(q referenceQueue, ctx context.Context) error {
		if _, err := q.Stats(ctx); err != nil {
			return err
		}
		return q.Delete(ctx)
	}}},
	{Contract, "deletes a dead letter queue though others have it", deletesShared()},
	{Contract, "deletes what has taken the place of a deleted queue", deletesSuccessor()},
	{Contract, "cancels nothing", fault{cancel: func(q referenceQueue, ctx context.Context, ids []string) ([]string, error) {
		_, err := q.Cancel(ctx, nil)
		return ids[:min(len(ids), 2)], err
	}}},
	{Contract, "redrives everything when asked for nothing", fault{redrive: func(q referenceQueue, ctx context.Context, _ []string) ([]string, error) {
		return q.Redrive(ctx, nil)
	}}},
	{Contract, "redrives whatever death has the ID", fault{deaths: func(q referenceQueue, ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
		now, err := latestDeaths(q, ctx, deaths)
		if err != nil {
			return nil, err
		}
		return q.RedriveDeaths(ctx, now, edits)
	}}},
	{Contract, "redrives with the payload that it had", fault{deaths: func(q referenceQueue, ctx context.Context, deaths []driver.Death, _ []*driver.Edit) ([]driver.Death, error) {
		return q.RedriveDeaths(ctx, deaths, nil)
	}}},
	{Contract, "redrives another payload with the shape that the old one had", fault{deaths: func(q referenceQueue, ctx context.Context, deaths []driver.Death, edits []*driver.Edit) ([]driver.Death, error) {
		for i, edit := range edits {
			edits[i] = &driver.Edit{Payload: edit.Payload, Shape: sampleShape}
		}
		return q.RedriveDeaths(ctx, deaths, edits)
	}}},
	{Contract, "discards whatever death has the ID", fault{discard: func(q referenceQueue, ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
		now, err := latestDeaths(q, ctx, deaths)
		if err != nil {
			return nil, err
		}
		return q.DiscardDeaths(ctx, now)
	}}},
	{Contract, "drops what the worker wrote into a released task", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Task = d.Task.Clone()
			d.Task.Metadata = nil
		}
		return q.Release(ctx, ds)
	}}},

	{NothingIsLost, "loses one task of a hundred", fault{enqueue: func() func(referenceQueue, context.Context, []*runtime.Task) ([]runtime.Enqueued, error) {
		loses := every(100)
		return func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
			var kept []*runtime.Task
			answers := make([]runtime.Enqueued, len(ts))
			for i, t := range ts {
				answers[i] = runtime.Enqueued{ID: t.ID, Queue: t.Queue}
				if !loses() {
					kept = append(kept, t)
				}
			}
			_, err := q.Enqueue(ctx, kept)
			return answers, err
		}
	}()}},
	{NothingIsLost, "completes what is released", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		return q.Complete(ctx, ds)
	}}},
	{NothingIsLost, "takes tasks off when it hands them out", fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		ds, err := q.Dequeue(ctx, limit, lease)
		if err == nil {
			err = q.Complete(ctx, ds)
		}
		return ds, err
	}}},

	{LeasesHold, "leases for half the time", fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		return q.Dequeue(ctx, limit, lease/2)
	}}},
	{LeasesHold, "leases for the queue's time, not the worker's", fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, _ time.Duration) ([]*driver.Delivery, error) {
		return q.Dequeue(ctx, limit, q.Config().Visibility)
	}}},
	{LeasesHold, "leases for ever", fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, _ time.Duration) ([]*driver.Delivery, error) {
		return q.Dequeue(ctx, limit, 100*365*24*time.Hour)
	}}},
	{LeasesHold, "extends nothing", fault{extend: func(referenceQueue, context.Context, []*driver.Delivery, time.Duration) error { return nil }}},
	{LeasesHold, "hands out one task of twenty twice", fault{dequeue: func() func(referenceQueue, context.Context, int, time.Duration) ([]*driver.Delivery, error) {
		var last atomic.Pointer[driver.Delivery]
		again := every(20)
		return func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
			if d := last.Load(); d != nil && again() {
				return []*driver.Delivery{d}, nil
			}
			ds, err := q.Dequeue(ctx, limit, lease)
			if err == nil {
				last.Store(ds[0])
			}
			return ds, err
		}
	}()}},

	{StaleReceipts, "completes by ID", fault{complete: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		return lost(q.Complete(ctx, ds))
	}}},
	{StaleReceipts, "extends anything", fault{extend: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery, lease time.Duration) error {
		return lost(q.Extend(ctx, ds, lease))
	}}},
	{StaleReceipts, "releases anything", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		return lost(q.Release(ctx, ds))
	}}},
	{StaleReceipts, "buries anything", fault{deadLetter: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		return lost(q.DeadLetter(ctx, ds))
	}}},
	{StaleReceipts, "fails a batch at its first stale receipt", fault{complete: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for i, d := range ds {
			if err := q.Complete(ctx, ds[i:i+1]); err != nil {
				return &runtime.BatchError{Items: []driver.ItemError{{Index: i, ID: d.Task.ID, Err: runtime.ErrLeaseLost}}}
			}
		}
		return nil
	}}},

	{NeverEarly, "is a millisecond early", each(func(t *runtime.Task) {
		if !t.ScheduledFor.IsZero() {
			t.ScheduledFor = t.ScheduledFor.Add(-time.Millisecond)
		}
	})},
	{NeverEarly, "cuts delays to milliseconds", each(func(t *runtime.Task) {
		if !t.ScheduledFor.IsZero() {
			t.ScheduledFor = t.ScheduledFor.Truncate(time.Millisecond)
		}
	})},
	{NeverEarly, "is a second late", each(func(t *runtime.Task) {
		if !t.ScheduledFor.IsZero() {
			t.ScheduledFor = t.ScheduledFor.Add(time.Second)
		}
	})},
	{NeverEarly, "forgets the delay of a release", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Delay = 0
		}
		return q.Release(ctx, ds)
	}}},

	{PublishBeforeAck, "takes a task off the queue before it buries it, and forgets it in between", fault{deadLetter: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		return q.Complete(ctx, ds)
	}}},
	{PublishBeforeAck, "redrives a copy", fault{redrive: func(q referenceQueue, ctx context.Context, ids []string) ([]string, error) {
		page, _, err := q.Browse(ctx, driver.Dead, "", 1000)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			driver.ClearDeath(t, q.Config().DLQ)
			t.Queue = q.Config().Name
			if _, err := q.Enqueue(ctx, []*runtime.Task{t}); err != nil {
				return nil, err
			}
		}
		return ids, nil
	}}},

	{PoisonDoesNotLoop, "counts no crashes", delivered(func(ds []*driver.Delivery) {
		for _, d := range ds {
			d.Crashes = 0
		}
	})},
	{PoisonDoesNotLoop, "buries tasks without the reason", fault{deadLetter: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Task.Metadata = nil
		}
		return q.DeadLetter(ctx, ds)
	}}},

	{ADeployIsNoFault, "buries what comes back", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		return q.DeadLetter(ctx, ds)
	}}},
	{ADeployIsNoFault, "charges a release", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Task.RetryCount++
		}
		return q.Release(ctx, ds)
	}}},

	{DiesOfItsOwnRuns, "counts a release as a crash", func() fault {
		var mu sync.Mutex
		back := make(map[string]int)
		return fault{
			release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
				mu.Lock()
				for _, d := range ds {
					back[d.Task.ID]++
				}
				mu.Unlock()
				return q.Release(ctx, ds)
			},
			dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
				ds, err := q.Dequeue(ctx, limit, lease)
				mu.Lock()
				defer mu.Unlock()
				for _, d := range ds {
					d.Crashes += back[d.Task.ID]
				}
				return ds, err
			},
		}
	}()},
	{DiesOfItsOwnRuns, "buries by itself what was delivered MaxDeliveries times", buriesCrashed},
	{DiesOfItsOwnRuns, "forgets which leases ended", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		if err := q.Extend(ctx, ds, time.Hour); err != nil {
			return err
		}
		return q.Release(ctx, ds)
	}}},
	{DiesOfItsOwnRuns, "takes a crash back whenever it is asked to", func() fault {
		var mu sync.Mutex
		taken := make(map[string]int)
		return fault{
			release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
				err := q.Release(ctx, ds)
				mu.Lock()
				defer mu.Unlock()
				for i, d := range ds {
					if errors.Is(runtime.ErrorAt(err, i), runtime.ErrLeaseLost) {
						taken[d.Task.ID]++
					}
				}
				return err
			},
			dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
				ds, err := q.Dequeue(ctx, limit, lease)
				mu.Lock()
				defer mu.Unlock()
				for _, d := range ds {
					d.Crashes = max(0, d.Crashes-max(0, taken[d.Task.ID]-1))
				}
				return ds, err
			},
		}
	}()},

	{CrashesAreNotFailures, "charges a retry for a crash", delivered(func(ds []*driver.Delivery) {
		for _, d := range ds {
			d.Task.RetryCount += d.Crashes
		}
	})},
	{CrashesAreNotFailures, "counts a delivery as a crash", delivered(func(ds []*driver.Delivery) {
		for _, d := range ds {
			d.Crashes++
		}
	})},

	{OrderWherePromised, "hands out a batch in reverse", delivered(func(ds []*driver.Delivery) { slices.Reverse(ds) })},
	{OrderWherePromised, "puts all groups into one", each(func(t *runtime.Task) {
		if t.GroupKey != "" {
			t.GroupKey = "one"
		}
	})},
	{OrderWherePromised, "gives each task a group of its own", each(func(t *runtime.Task) {
		if t.GroupKey != "" {
			t.GroupKey = t.ID
		}
	})},
	{OrderWherePromised, "gives an empty group a name", each(func(t *runtime.Task) {
		if t.GroupKey == "" && t.Queue == "q" {
			t.GroupKey = "none"
		}
	})},
	{OrderWherePromised, "takes the highest levels for one", each(func(t *runtime.Task) { t.Priority = min(t.Priority, 2) })},
	{OrderWherePromised, "puts a released task at the end", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		if err := q.Complete(ctx, ds); err != nil {
			return err
		}
		for _, d := range ds {
			if _, err := q.Enqueue(ctx, []*runtime.Task{d.Task}); err != nil {
				return err
			}
		}
		return nil
	}}},

	{DuplicatesAreReported, "knows no unique keys", each(func(t *runtime.Task) { t.UniqueKey, t.UniqueFor = "", 0 })},
	{DuplicatesAreReported, "forgets the window", each(func(t *runtime.Task) { t.UniqueFor = 0 })},
	{DuplicatesAreReported, "holds a key for ever", each(func(t *runtime.Task) {
		if t.UniqueKey != "" {
			t.UniqueFor = 365 * 24 * time.Hour
		}
	})},
	{DuplicatesAreReported, "answers a duplicate with its own ID", fault{enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		answers, err := q.Enqueue(ctx, ts)
		for i := range answers {
			answers[i].ID = ts[i].ID
		}
		return answers, err
	}}},
	{DuplicatesAreReported, "does not say that it is a duplicate", fault{enqueue: func(q referenceQueue, ctx context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		answers, err := q.Enqueue(ctx, ts)
		for i := range answers {
			answers[i].Duplicate = false
		}
		return answers, err
	}}},

	{AcksSurviveTrouble, "acknowledges completions that it does not make", fault{complete: func(referenceQueue, context.Context, []*driver.Delivery) error { return nil }}},
	{AcksSurviveTrouble, "acknowledges burials that it does not make", fault{deadLetter: func(referenceQueue, context.Context, []*driver.Delivery) error { return nil }}},

	{StoppingIsClean, "acknowledges releases that it does not make", fault{release: func(referenceQueue, context.Context, []*driver.Delivery) error { return nil }}},
	{StoppingIsClean, "charges a retry for a release", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		for _, d := range ds {
			d.Task.RetryCount++
		}
		return q.Release(ctx, ds)
	}}},

	{DoneStaysDone, "forgets every third completion", skipsCompletes(every(3))},
	{StatsTellTheTruth, "counts leased tasks as ready", counted(func(s *driver.Stats) { s.Ready, s.Leased = s.Ready+s.Leased, 0 })},
	{StatsTellTheTruth, "counts retries that wait as ready", counted(func(s *driver.Stats) { s.Ready, s.Scheduled = s.Ready+s.Scheduled, 0 })},
	{StatsTellTheTruth, "does not count the dead", counted(func(s *driver.Stats) { s.Dead = 0 })},
	{StatsTellTheTruth, "stops counting at a thousand", counted(func(s *driver.Stats) { s.Ready = min(s.Ready, 1000) })},
	{StatsTellTheTruth, "knows no age", counted(func(s *driver.Stats) { s.OldestAge = 0 })},
	{StatsTellTheTruth, "counts the age from the beginning", counted(func(s *driver.Stats) { s.OldestAge += 30 * time.Second })},
}

// latestDeaths are those that the tasks of the given deaths have died since.
func latestDeaths(q referenceQueue, ctx context.Context, deaths []driver.Death) ([]driver.Death, error) {
	page, _, err := q.Browse(ctx, driver.Dead, "", 1000)
	now := slices.Clone(deaths)
	for _, t := range page {
		for i := range now {
			if now[i].ID == t.ID {
				now[i] = driver.DeathOf(t)
			}
		}
	}
	return now, err
}
