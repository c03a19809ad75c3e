package scheduletest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/sqlite"
)

// make soak runs it for two minutes and 10,000 firings.
var (
	soakFor  = flag.Duration("soak", 12*time.Second, "how long schedulers are killed and started again")
	soakJobs = flag.Int("soak-jobs", 100, "how many jobs they fire")
)

const (
	soakEvery = 1200 * time.Millisecond // the period of each job
	soakLease = 2 * time.Second
	soakEnv   = "TASKGEN_SOAK"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(soakEnv); addr != "" {
		if err := scheduler(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// A place has a queue and the store of jobs.
type place interface {
	runtime.Provider
	Jobs() schedule.Store
}

func openPlace(addr string) (place, error) {
	if strings.HasPrefix(addr, "redis") {
		return redis.Open(context.Background(), addr)
	}
	return sqlite.Open(context.Background(), addr)
}

// A steppedClock is one that somebody sets, by up to five minutes in either direction, now
// and then.
type steppedClock struct {
	driver.Clock
	mu   sync.Mutex
	off  time.Duration
	next time.Time
}

const mostStep = 5 * time.Minute

func newSteppedClock() *steppedClock { return &steppedClock{Clock: driver.SystemClock} }

func (c *steppedClock) Now() time.Time {
	now := c.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !now.Before(c.next) {
		c.off, c.next = rand.N(2*mostStep)-mostStep, now.Add(rand.N(500*time.Millisecond))
	}
	return now.Add(c.off)
}

func openService(addr string, clock driver.Clock) (place, *runtime.Manager, *schedule.Service, error) {
	p, err := openPlace(addr)
	if err != nil {
		return nil, nil, nil, err
	}
	m := runtime.NewManager(runtime.ManagerConfig{Clock: clock})
	if err := m.Open(context.Background(), p, runtime.QueueConfig{Name: "reports"}); err != nil {
		return nil, nil, nil, errors.Join(err, p.Close())
	}
	// That its clock is wrong it says often.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return p, m, schedule.New(p.Jobs(), m, schedule.Config{Lease: soakLease, Logger: log}), nil
}

// scheduler is what the processes run that are killed, and whose clocks are set at random.
func scheduler(addr string) error {
	_, _, s, err := openService(addr, newSteppedClock())
	if err != nil {
		return err
	}
	return s.Run(context.Background())
}

func TestKilledSchedulersFireEachFiringOnceAndNoneEarly(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills processes for many seconds")
	}
	t.Run("sqlite", func(t *testing.T) { soak(t, t.TempDir()+"/tasks.db") })
	t.Run("redis", func(t *testing.T) {
		s, err := testserver.Redis()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Stop()) })
		soak(t, s.URL)
	})
}

// A fired is one task of a firing, as it came.
type fired struct {
	job string
	due time.Time
	at  time.Time // when it was enqueued, by the store's clock
	ran time.Time // when it came, by the clock that nobody sets
}

func (f *fired) key() string { return f.job + " " + f.due.Format(time.RFC3339Nano) }

func soak(t *testing.T, addr string) {
	p, m, s, err := openService(addr, nil)
	require.NoError(t, err)
	// Jobs are scheduled by a machine whose clock is wrong as well.
	other, wrongly, byOther, err := openService(addr, newSteppedClock())
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(wrongly.Close(), other.Close())) }()
	defer func() { require.NoError(t, errors.Join(m.Close(), p.Close())) }()

	begun := time.Now()
	ids := make(map[string]bool)
	for i := range *soakJobs {
		// Spread over the period, as jobs of many users are.
		first := begun.Add(soakEvery * time.Duration(i) / time.Duration(*soakJobs))
		id, err := byOther.Schedule(ctx, schedule.Job{When: schedule.Every(soakEvery), Missed: schedule.FireAll, MaxMissed: 1000, Task: task()})
		require.NoError(t, err)
		ids[string(id)] = true
		if wait := time.Until(first); wait > 0 {
			<-time.After(wait)
		}
	}
	starts := make(map[string]time.Time)
	for id := range ids {
		st, err := s.Status(ctx, schedule.JobID(id))
		require.NoError(t, err)
		require.WithinRange(t, st.Next, begun, time.Now().Add(soakEvery), "by the store's clock")
		starts[id] = st.Next
	}

	w := startWorker(t, m)
	killed := killing(t, addr, *soakFor)
	end := time.Now()
	want := make(map[string]bool)
	for id, at := range starts {
		for ; !at.After(end); at = at.Add(soakEvery) {
			want[id+" "+at.UTC().Format(time.RFC3339Nano)] = true
		}
	}
	// Fires what the killed schedulers have left, when their leases have ended. On a busy
	// machine it may take longer than its own lease to write down what it has fired: that
	// is an error, and is fired once more, under the same IDs.
	require.Eventually(t, func() bool {
		if _, err := s.FireDue(ctx); err != nil {
			t.Logf("not all is written down, which is tried again: %.200v", err)
		}
		return w.has(want)
	}, 3*time.Minute, 50*time.Millisecond)
	report(t, w.stop(), want, killed)
}

// killing runs three schedulers, and kills and starts one or another until the
// time is over. It returns how often it did.
func killing(t *testing.T, addr string, d time.Duration) (kills int) {
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), soakEnv+"="+addr)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		return cmd
	}
	var running [3]*exec.Cmd
	for i := range running {
		running[i] = start()
	}
	over := time.After(d)
	for {
		i := rand.IntN(len(running))
		select {
		case <-time.After(200*time.Millisecond + rand.N(time.Second)):
			require.NoError(t, running[i].Process.Kill())
			_ = running[i].Wait() // it was killed
			running[i] = start()
			kills++
		case <-over:
			for _, cmd := range running {
				require.NoError(t, cmd.Process.Kill())
				_ = cmd.Wait()
			}
			return kills
		}
	}
}

// A worker completes what is fired, all the time, and remembers it.
type worker struct {
	*testing.T
	q    driver.Queue
	end  context.CancelFunc
	over chan struct{}

	mu  sync.Mutex
	got []fired
}

func startWorker(t *testing.T, m *runtime.Manager) *worker {
	q, err := m.Queue("reports")
	require.NoError(t, err)
	working, end := context.WithCancel(ctx)
	w := &worker{T: t, q: q, end: end, over: make(chan struct{})}
	go func() {
		defer close(w.over)
		for working.Err() == nil {
			ds, err := q.Dequeue(working, 1000, time.Minute)
			if err == nil {
				err = w.take(ds)
			}
			if err != nil && !errors.Is(err, driver.ErrNoTasks) {
				t.Errorf("the worker: %v", err)
				return
			}
		}
	}()
	return w
}

func (w *worker) take(ds []*driver.Delivery) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range ds {
		f := fired{job: d.Task.Metadata[schedule.MetaJob], at: d.Task.CreatedAt, ran: time.Now()}
		var err error
		if f.due, err = time.Parse(time.RFC3339Nano, d.Task.Metadata[schedule.MetaFiring]); err != nil {
			return err
		}
		w.got = append(w.got, f)
	}
	return w.q.Complete(context.WithoutCancel(ctx), ds)
}

// has reports whether every firing that is wanted has come.
func (w *worker) has(want map[string]bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	came := make(map[string]bool)
	for _, f := range w.got {
		if key := f.key(); want[key] {
			came[key] = true
		}
	}
	return len(came) == len(want)
}

func (w *worker) stop() []fired {
	w.end()
	<-w.over
	return w.got
}

func report(t *testing.T, got []fired, want map[string]bool, kills int) {
	times := make(map[string]int)
	var late []time.Duration
	for _, f := range got {
		key := f.key()
		times[key]++
		require.Equal(t, 1, times[key], "firing %s came %d times", key, times[key])
		require.False(t, f.at.Before(f.due), "firing %s was made at %s", key, f.at)
		require.False(t, f.ran.Before(f.due), "firing %s came at %s", key, f.ran)
		if want[key] {
			late = append(late, f.at.Sub(f.due))
		}
	}
	slices.Sort(late)
	at := func(p float64) time.Duration { return late[int(p*float64(len(late)-1))].Round(100 * time.Microsecond) }
	t.Logf("%d firings of %d jobs, %d schedulers killed: lateness p50 %s, p90 %s, p99 %s, max %s",
		len(want), *soakJobs, kills, at(0.5), at(0.9), at(0.99), at(1))
}
