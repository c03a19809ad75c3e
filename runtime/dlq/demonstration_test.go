package dlq_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/redis"
	"github.com/taskgen/taskgen/runtime/sqlite"
	"github.com/taskgen/taskgen/runtime/sqs"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// childEnv makes the test binary a process that works until it is killed. It holds
// a role and the address of the provider.
const childEnv = "TASKGEN_DLQ_CHILD"

// openProvider opens what an address names, in this process or in a child.
func openProvider(ctx context.Context, address string) (runtime.Provider, error) {
	switch kind, rest, _ := strings.Cut(address, "|"); kind {
	case "sqlite":
		return sqlite.Open(ctx, rest)
	case "redis":
		return redis.Open(ctx, rest)
	case "sqs":
		return sqs.New(awssqs.New(awssqs.Options{
			Region: "eu-central-1", BaseEndpoint: aws.String(rest), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		}), sqs.WithWait(time.Second))
	}
	return nil, fmt.Errorf("no provider has the address %q", address)
}

// speed is how fast letters go back in the demonstration.
var speed = runtime.Rate{Limit: 1000, Per: time.Second}

// roles are what child processes do.
var roles = map[string]func(ctx context.Context, p runtime.Provider) error{"redrive": redriveAll, "process": processAll}

// work does what a role says until it is killed. It does not return.
func work(orders string) {
	role, address, _ := strings.Cut(orders, "|")
	go func() { // the parent holds the other end as long as it lives
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	err := func() error {
		ctx := context.Background()
		p, err := openProvider(ctx, address)
		if err != nil {
			return err
		}
		return errors.Join(roles[role](ctx, p), p.Close())
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// redriveAll redrives everything, and says after each batch how many were moved.
func redriveAll(ctx context.Context, p runtime.Provider) error {
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "q"}); err != nil {
		return err
	}
	box, err := dlq.Open(m, "q", dlq.Config{Provider: p})
	if err != nil {
		return err
	}
	_, err = box.Redrive(ctx, dlq.Redrive{Rate: speed, Progress: func(n int) { fmt.Println(n) }})
	return errors.Join(err, m.Close())
}

// killInTheMiddle has another process do its role, kills it once it has moved some,
// and returns how many it said it had moved.
func killInTheMiddle(t *testing.T, role, address string, some int) (moved int) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+role+"|"+address)
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = in.Close() })
	for lines := bufio.NewScanner(out); moved < some && lines.Scan(); {
		_, err := fmt.Sscan(lines.Text(), &moved)
		require.NoError(t, err)
	}
	_ = cmd.Process.Kill()
	require.Error(t, cmd.Wait(), "it was killed")
	require.GreaterOrEqual(t, moved, some, "it ended too early: %s", errs.String())
	return moved
}

// TestRedriveOfThousandsSurvivesAKill buries thousands of tasks, lists, groups and
// redrives them at 1,000 a second, kills the process that does so with SIGKILL in
// the middle, and goes on in another.
func TestRedriveOfThousandsSurvivesAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts brokers and redrives for many seconds")
	}
	for name, c := range map[string]struct {
		n, some int
		address func(t *testing.T, clock *skewedClock) string
	}{
		"sqlite": {5000, 2000, func(t *testing.T, _ *skewedClock) string { return "sqlite|" + filepath.Join(t.TempDir(), "tasks.db") }},
		"redis": {5000, 2000, func(t *testing.T, _ *skewedClock) string {
			s, err := testserver.Redis()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Stop()) })
			return "redis|" + s.URL
		}},
		"our fake of SQS": {5000, 2000, func(t *testing.T, clock *skewedClock) string {
			s := sqstest.New(clock)
			require.NoError(t, s.Start())
			t.Cleanup(s.Stop)
			return "sqs|" + s.URL()
		}},
		"the SQS emulator": {2000, 800, func(t *testing.T, _ *skewedClock) string {
			s, err := testserver.SQS()
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Stop()) })
			return "sqs|" + s.URL
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var clock skewedClock
			n, at := c.n, c.address(t, &clock)
			p, err := openProvider(t.Context(), at)
			require.NoError(t, err)
			d := newEnv(t, p, runtime.QueueConfig{})
			lap := stopwatch(t)
			buryMany(d, n)
			lap("buried %d", n)
			page, _, err := d.box.List(d.ctx, dlq.Filter{}, "", 50)
			require.NoError(t, err)
			require.Len(t, page, 50)
			lap("listed the first 50")
			groups, err := d.box.Groups(d.ctx, dlq.Filter{})
			require.NoError(t, err)
			require.Len(t, groups, 2)
			require.Equal(t, n, groups[0].Count+groups[1].Count)
			lap("grouped %d", n)

			moved := killInTheMiddle(t, "redrive", at, c.some)
			clock.ahead.Store(int64(time.Minute)) // what the killed process had received is back
			lap("killed a redrive that had moved %d", moved)
			rest, err := redriveRest(d)
			require.NoError(t, err)
			lap("moved the other %d", rest)
			once, again := count(d, n)
			lap("took them all")
			assert.Len(t, once, n, "none is lost")
			t.Logf("%d tasks dead, %d said to be moved before the kill, %d after it, %d twice on the queue", n, moved, rest, again)
			if d.queue.Capabilities().RefusesIDs {
				assert.Zero(t, again, "a queue that refuses IDs has each task once")
			}
		})
	}
}

// A skewedClock is a clock that can be put forward.
type skewedClock struct{ ahead atomic.Int64 }

func (c *skewedClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *skewedClock) AfterFunc(d time.Duration, f func()) driver.Timer {
	return driver.SystemClock.AfterFunc(d, f)
}

// redriveRest redrives until nothing is left.
func redriveRest(d *env) (moved int, err error) {
	for {
		done, err := d.box.Redrive(d.ctx, dlq.Redrive{Rate: speed})
		moved += done.Moved
		if err != nil || len(done.Kept) > 0 {
			return moved, errors.Join(err, fmt.Errorf("kept: %v", done.Kept))
		}
		st, err := d.queue.Stats(d.ctx)
		if err != nil || st.Dead == 0 {
			return moved, err
		}
	}
}

// buryMany buries n tasks, of two kinds of failure.
func buryMany(d *env, n int) {
	d.Helper()
	for first := 0; first < n; first += 500 {
		tasks := make([]*runtime.Task, 500)
		for i := range tasks {
			tasks[i] = mail(fmt.Sprintf("m%05d", first+i))
		}
		d.bury(func(i int) error {
			return fmt.Errorf("%s after %d s", [...]string{"timeout", "refused"}[i%2], first+i)
		}, tasks...)
	}
}

// count takes everything from the queue. It returns how often each task came, and
// how many came more than once.
func count(d *env, n int) (times map[string]int, again int) {
	d.Helper()
	times = make(map[string]int, n)
	for quiet := false; !quiet || len(times) < n; {
		ctx, cancel := context.WithTimeout(d.ctx, 2*time.Second)
		ds, err := d.queue.Dequeue(ctx, 1000, time.Minute)
		cancel()
		if quiet = errors.Is(err, driver.ErrNoTasks); !quiet {
			require.NoError(d, err)
		}
		require.NoError(d, d.ctx.Err(), "%d of %d tasks are on their queue", len(times), n)
		for _, x := range ds {
			if times[x.Task.ID]++; times[x.Task.ID] == 2 {
				again++
			}
		}
		if len(ds) > 0 {
			require.NoError(d, d.queue.Complete(d.ctx, ds))
		}
	}
	return times, again
}

// stopwatch logs how long each part of a test takes.
func stopwatch(t *testing.T) func(format string, args ...any) {
	last := time.Now()
	return func(format string, args ...any) {
		t.Logf("%8s  %s", time.Since(last).Round(time.Millisecond), fmt.Sprintf(format, args...))
		last = time.Now()
	}
}
