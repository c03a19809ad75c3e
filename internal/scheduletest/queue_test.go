package scheduletest

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/nats"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/runtime/sqs"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// server stops a server with its test.
func server(t *testing.T) func(*testserver.Server, error) string {
	return func(s *testserver.Server, err error) string {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Stop()) })
		return s.URL
	}
}

func onFake(t *testing.T, clock driver.Clock) runtime.Provider {
	s := sqstest.New(clock)
	s.LongestPoll = 50 * time.Millisecond // the clock may stand still
	require.NoError(t, s.Start())
	t.Cleanup(s.Stop)
	p, err := sqs.New(awssqs.New(awssqs.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(s.URL()), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}), sqs.WithClock(clock), sqs.WithWait(time.Second))
	require.NoError(t, err)
	return p
}

// openReports opens the queue of the tests on a provider.
func openReports(t *testing.T, p runtime.Provider, clock driver.Clock) (*runtime.Manager, driver.Queue) {
	m := runtime.NewManager(runtime.ManagerConfig{Clock: clock})
	require.NoError(t, m.Open(ctx, p, runtime.QueueConfig{Name: "reports"}))
	t.Cleanup(func() {
		require.NoError(t, m.Close())
		require.NoError(t, p.Close())
	})
	q, err := m.Queue("reports")
	require.NoError(t, err)
	return m, q
}

// later is a task that is due once, and has no ID of its own.
func later(d time.Duration) schedule.Job {
	job := schedule.Job{When: schedule.In(d), Task: task()}
	job.Task.ID, job.Task.CreatedAt = "", time.Now()
	return job
}

func TestOnQueueCancelsAndMovesWhatTheBrokerCan(t *testing.T) {
	for name, c := range map[string]struct {
		open          func(t *testing.T) (runtime.Provider, error)
		cancel, moves bool
	}{
		"memory": {func(*testing.T) (runtime.Provider, error) { return memory.New(), nil }, true, true},
		"sqlite": {func(t *testing.T) (runtime.Provider, error) { return sqlite.Open(t.Context(), t.TempDir()+"/tasks.db") }, true, true},
		"redis":  {func(t *testing.T) (runtime.Provider, error) { return redis.Open(ctx, server(t)(testserver.Redis())) }, true, true},
		"nats":   {func(t *testing.T) (runtime.Provider, error) { return nats.Open(ctx, server(t)(testserver.NATS())) }, true, true},
		"sqs":    {func(t *testing.T) (runtime.Provider, error) { return onFake(t, driver.SystemClock), nil }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.open(t)
			require.NoError(t, err)
			m, q := openReports(t, p, nil)
			in := schedule.OnQueue(m)

			never := later(0)
			never.When = schedule.At(time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC))
			_, err = in.Schedule(ctx, never)
			require.NoError(t, err)
			never.When = schedule.At(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))
			_, err = in.Schedule(ctx, never)
			require.ErrorIs(t, err, schedule.ErrInvalidJob)

			id, err := in.Schedule(ctx, later(time.Hour))
			require.NoError(t, err)
			if err := in.Cancel(ctx, id); c.cancel {
				require.NoError(t, err)
				require.ErrorIs(t, in.Cancel(ctx, id), schedule.ErrJobEnded)
				require.ErrorIs(t, in.Modify(ctx, id, schedule.Change{When: schedule.In(time.Second)}), schedule.ErrJobEnded)
			} else {
				require.ErrorIs(t, err, runtime.ErrUnsupported)
				require.ErrorContains(t, err, "use schedule.New with the store of memory, sqlite or redis")
			}

			id, err = in.Schedule(ctx, later(time.Hour))
			require.NoError(t, err)
			if err := in.Modify(ctx, id, schedule.Change{When: schedule.In(100 * time.Millisecond)}); !c.moves {
				require.ErrorIs(t, err, runtime.ErrUnsupported)
				require.ErrorContains(t, err, "use schedule.New with the store of memory, sqlite or redis")
				return
			}
			moved := time.Now()
			ds, err := q.Dequeue(ctx, 10, time.Minute)
			require.NoError(t, err)
			require.Len(t, ds, 1, "neither the cancelled one comes nor that of the year 9999")
			require.False(t, time.Now().Before(ds[0].Task.ScheduledFor), "not early")
			require.Less(t, time.Since(moved), 10*time.Minute, "by its new time")
			require.NoError(t, q.Complete(ctx, ds))
			require.ErrorIs(t, in.Modify(ctx, id, schedule.Change{When: schedule.In(time.Second)}), schedule.ErrJobEnded, "it is done")
		})
	}
}

func TestOnQueueRunsNowWhatWaits(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	d.handle(func(context.Context, *runtime.Task) error { return nil })
	in := schedule.OnQueue(d.env.Manager)
	id, err := in.Schedule(ctx, later(time.Hour))
	require.NoError(t, err)
	require.Empty(t, d.env.Drain())
	taskID, err := in.RunNow(ctx, id)
	require.NoError(t, err)
	require.Equal(t, "reports/"+taskID, string(id))
	require.Len(t, d.env.RequireDrain(), 1)
}

// TestOnQueueHopsWhereTheBrokerCannotWaitThatLong has a delay that is longer than the
// 15 minutes of SQS.
func TestOnQueueHopsWhereTheBrokerCannotWaitThatLong(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a broker")
	}
	clock := tasktest.NewClock(noon)
	m, q := openReports(t, onFake(t, clock), clock)
	_, err := schedule.OnQueue(m).Schedule(ctx, later(2*time.Hour))
	require.NoError(t, err)
	look := func() []*driver.Delivery {
		waiting, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		ds, err := q.Dequeue(waiting, 10, time.Minute)
		if err != nil {
			require.ErrorIs(t, err, driver.ErrNoTasks)
		}
		return ds
	}
	for clock.Now().Before(noon.Add(2*time.Hour - 10*time.Minute)) {
		require.Empty(t, look(), "at %s", clock.Now())
		clock.Advance(10 * time.Minute)
	}
	clock.Advance(10*time.Minute - 1)
	require.Empty(t, look(), "a nanosecond before its time")
	clock.Advance(time.Second) // delays of SQS are whole seconds
	var ds []*driver.Delivery
	require.Eventually(t, func() bool { ds = look(); return len(ds) > 0 }, time.Minute, time.Millisecond)
	require.Len(t, ds, 1)
	require.Equal(t, noon.Add(2*time.Hour), ds[0].Task.ScheduledFor.UTC())
	require.NoError(t, q.Complete(ctx, ds))
}

func TestOnQueueSendsToAStoreForTheRest(t *testing.T) {
	d := newDesk(t, schedule.Config{})
	in := schedule.OnQueue(d.env.Manager)
	id, err := in.Schedule(ctx, later(time.Hour))
	require.NoError(t, err)
	recurring := later(time.Hour)
	recurring.When = schedule.Every(time.Hour)
	for what, call := range map[string]func() error{
		"a recurring job": func() error { _, err := in.Schedule(ctx, recurring); return err },
		"another payload": func() error { return in.Modify(ctx, id, schedule.Change{Task: task()}) },
		"to recur":        func() error { return in.Modify(ctx, id, schedule.Change{When: recurring.When}) },
		"status":          func() error { _, err := in.Status(ctx, id); return err },
		"list":            func() error { _, _, err := in.List(ctx, schedule.Filter{}, "", 1); return err },
		"pause":           func() error { return in.Pause(ctx, id) },
		"resume":          func() error { return in.Resume(ctx, id) },
	} {
		err := call()
		require.ErrorIs(t, err, runtime.ErrUnsupported, what)
		require.ErrorContains(t, err, "schedule.New", what)
	}
	require.ErrorIs(t, in.Cancel(ctx, "nonsense"), schedule.ErrJobNotFound)
	require.ErrorIs(t, in.Cancel(ctx, "nowhere/x"), runtime.ErrUnknownQueue)
}
