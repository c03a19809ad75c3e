package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

// fileMutants are faults that show only when a process is killed, the data
// opened again or the backend cut off. They are set in a provider whose data
// outlive it.
var fileMutants = []struct {
	law   Law
	name  string
	test  string // that must find it
	fault fault
}{
	{NothingIsLost, "acknowledges before it writes", "kill -9 of producers loses no acknowledged task", fault{enqueue: func(q referenceQueue, _ context.Context, ts []*runtime.Task) ([]runtime.Enqueued, error) {
		answers := make([]runtime.Enqueued, len(ts))
		for i, t := range ts {
			answers[i] = runtime.Enqueued{ID: t.ID, Queue: t.Queue}
		}
		go func() { _, _ = q.Enqueue(context.Background(), ts) }()
		return answers, nil
	}}},
	{NothingIsLost, "takes tasks off when a worker has them", "kill -9 of workers at 20 random moments loses nothing", fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		ds, err := q.Dequeue(ctx, limit, lease)
		if err == nil {
			err = q.Complete(context.Background(), ds)
		}
		return ds, err
	}}},
	{NothingIsLost, "forgets what waits when it is closed", "closing and reopening the provider keeps everything", fault{close: func(q referenceQueue) error {
		_, _ = q.Purge(context.Background())
		return q.Close()
	}}},
	{DiesOfItsOwnRuns, "buries by itself what was delivered MaxDeliveries times", "a task that a killed worker had not begun does not die of it", buriesAfterOne},
	{DiesOfItsOwnRuns, "buries by itself what was delivered twice, and counts inexactly", "few tasks die of killed workers that had not begun them", fault{
		dequeue: buriesAfterOne.dequeue,
		caps: func(c driver.Capabilities) driver.Capabilities {
			c.ExactCrashes = false
			return c
		},
	}},
	{PublishBeforeAck, "takes a task off before it puts it back", "kill -9 between release, dead letter and redrive loses nothing", fault{release: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		if err := q.Complete(ctx, ds); err != nil {
			return err
		}
		<-time.After(100 * time.Millisecond)
		for _, d := range ds {
			d.Task.ScheduledFor = time.Now().Add(d.Delay)
			if _, err := q.Enqueue(ctx, []*runtime.Task{d.Task}); err != nil {
				return err
			}
		}
		return nil
	}}},
	{PublishBeforeAck, "takes the dead away before it puts them back", "kill -9 halfway through Redrive loses nothing", fault{redrive: func(q referenceQueue, ctx context.Context, _ []string) ([]string, error) {
		page, _, err := q.Browse(ctx, driver.Dead, "", 1000)
		if err != nil {
			return nil, err
		}
		if _, err := q.Discard(ctx, ids(page)); err != nil {
			return nil, err
		}
		for i, t := range page {
			if i == len(page)/2 { // so that it can be killed half way, however slow the machine is
				<-ctx.Done()
			}
			driver.ClearDeath(t, q.Config().DLQ)
			if _, err := q.Enqueue(ctx, []*runtime.Task{t}); err != nil {
				return nil, err
			}
		}
		return ids(page), nil
	}}},
	{Contract, "takes an empty queue for one that is deleted", "a Delete that was killed at any moment is completed by the next", fault{delete: func(q referenceQueue, ctx context.Context) error {
		n, err := q.Purge(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return q.Close()
		}
		<-time.After(100 * time.Millisecond)
		return q.Delete(ctx)
	}}},
	{PoisonDoesNotLoop, "counts no crashes", "a handler that kills its process MaxDeliveries times is stopped", fault{dequeue: func(q referenceQueue, ctx context.Context, limit int, lease time.Duration) ([]*driver.Delivery, error) {
		ds, err := q.Dequeue(ctx, limit, lease)
		for _, d := range ds {
			d.Crashes = 0
		}
		return ds, err
	}}},
	{AcksSurviveTrouble, "swallows the errors of its backend", "a task completes once even if the backend is away for 2 s when it is done", fault{complete: func(q referenceQueue, ctx context.Context, ds []*driver.Delivery) error {
		brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_ = q.Complete(brief, ds)
		return nil
	}}},
}

// faultyFiles are the harnesses of fileMutants, for this process and its
// children.
func faultyFiles() []Harness {
	hs := make([]Harness, len(fileMutants))
	for i, m := range fileMutants {
		hs[i] = Harness{
			Name: m.name, Home: InFile, UsesClock: true, Cut: lock,
			Data: func(tb testing.TB) string { return fileIn(tb) },
			Open: func(addr string, clock driver.Clock) (runtime.Provider, error) {
				p, err := sqlite.Open(context.Background(), addr, sqlite.WithClock(clock))
				if err != nil {
					return nil, err
				}
				return &faultyProvider{Provider: p, fault: m.fault}, nil
			},
		}
	}
	return hs
}

// fileIn is set by the test: a recorder has no folder to give away.
var fileIn func(tb testing.TB) string

// lock takes a file away from everybody else.
func lock(tb testing.TB, addr string) (restore func()) {
	conn, err := zombie.OpenConn(addr, zombie.OpenReadWrite)
	require.NoError(tb, err)
	conn.SetBusyTimeout(5 * time.Second)
	require.NoError(tb, sqlitex.ExecuteTransient(conn, "BEGIN IMMEDIATE", nil))
	return func() {
		require.NoError(tb, sqlitex.ExecuteTransient(conn, "ROLLBACK", nil))
		require.NoError(tb, conn.Close())
	}
}

func TestKillsCutsAndReopeningFindWhatTheyAreFor(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for networks and processes")
	}
	t.Parallel()
	fileIn = func(testing.TB) string { return t.TempDir() + "/tasks.db" }
	for i, m := range fileMutants {
		h := faultyFiles()[i]
		t.Run(m.law.String()+"/"+m.name, func(t *testing.T) {
			t.Parallel()
			// Kills come at random: now and then one run of a test hits nothing.
			r := runTestCase(t, &h, m.test, 8*time.Second)
			for more := 2; !r.Failed() && more > 0; more-- {
				r = runTestCase(t, &h, m.test, 8*time.Second)
			}
			assert.True(t, r.Failed(), "a provider that %s passes %q", m.name, m.test)
			t.Log(r.Text())
		})
	}
}
