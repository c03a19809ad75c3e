package sqlite

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/drivertest/jobstoretest"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

func TestJobsKeepTheContractOfAStore(t *testing.T) {
	jobstoretest.Run(t, func(tb testing.TB) jobstoretest.Place {
		path := tb.TempDir() + "/tasks.db"
		clock := tasktest.NewClock(time.Now())
		open := func() schedule.Store {
			p, err := Open(context.Background(), path, WithClock(clock))
			require.NoError(tb, err)
			tb.Cleanup(func() { require.NoError(tb, p.Close()) })
			return p.Jobs()
		}
		return jobstoretest.Place{Open: open, Now: clock.Now, Pass: clock.Advance}
	})
}

func anything(jobstore.Needs) bool { return true }

// TestASchedulerWaitsWithoutLooking has one look for whatever comes from elsewhere: what
// is due later, and what another process puts, wake it all the same.
func TestASchedulerWaitsWithoutLooking(t *testing.T) {
	path, clock := newFile(t), tasktest.NewClock(time.Now())
	p, other := openFile(t, path, WithClock(clock)), openFile(t, path, WithClock(clock))
	put := func(of *Provider, id schedule.JobID, in time.Duration) {
		e := &schedule.Entry{ID: id, Wake: clock.Now().Add(in), Body: jobstore.Body{When: schedule.Every(time.Hour), Task: task("a")}}
		require.NoError(t, of.Jobs().Put(within(t), e))
	}
	waits := func() chan struct{} {
		over := make(chan struct{})
		go func() {
			p.Jobs().Wait(within(t), anything, time.Hour)
			close(over)
		}()
		require.Eventually(t, func() bool {
			p.jobs.mu.Lock()
			defer p.jobs.mu.Unlock()
			for _, w := range p.jobs.waiting {
				return w.alarm >= 0
			}
			return false
		}, soon, time.Millisecond)
		return over
	}
	over := waits()
	reads := p.reader.c.steps.Load()
	for range 20 { // commits that are no news for it
		require.NoError(t, other.Results().PutResult(within(t), "a", nil, "", time.Hour))
	}
	require.Equal(t, reads, p.reader.c.steps.Load())
	put(other, "later", 40*time.Minute)
	<-over
	over = waits()
	put(other, "sooner", 20*time.Minute)
	<-over
	over = waits()
	for range 20 {
		clock.Advance(time.Minute)
	}
	<-over
}

func TestASchedulerThatCannotReadItsFileWaitsAllTheSame(t *testing.T) {
	path, clock := newFile(t), tasktest.NewClock(time.Now())
	p := openFile(t, path, WithClock(clock))
	require.NoError(t, os.Rename(path, path+".away"))
	over := make(chan struct{})
	go func() {
		p.Jobs().Wait(within(t), anything, time.Second)
		close(over)
	}()
	require.Eventually(t, p.jobs.hasWaiters, soon, time.Millisecond)
	select {
	case <-over:
		t.Fatal("it is over before its time")
	case <-time.After(50 * time.Millisecond):
	}
	clock.Advance(time.Second)
	<-over
	require.NoError(t, os.Rename(path+".away", path))
}
