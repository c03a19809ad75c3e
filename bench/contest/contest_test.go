package contest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/bench/report"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inMemory is taskgen on a queue of its own in memory.
func inMemory(name string) Contender {
	c := Taskgen("in memory", func(context.Context, string) (runtime.Provider, error) { return memory.New(), nil })
	c.Name = name
	return c
}

// one has nothing but what every queue has.
func one(c Contender) Contender {
	open := c.Open
	c.Open = func(ctx context.Context, url string) (Queue, error) {
		q, err := open(ctx, url)
		return struct{ Queue }{q}, err
	}
	return c
}

// example is a contest in memory. Its broker is there to be reached through the
// proxy, and counts what it is asked.
func example(t *testing.T) Contest {
	var asked float64
	return Contest{
		Broker: "example",
		Start: func(context.Context) (*Broker, error) {
			server := httptest.NewServer(http.NotFoundHandler())
			return &Broker{
				URL:   server.URL,
				About: "nothing",
				Clear: func(context.Context) error { return nil },
				Counters: func(context.Context) (map[string]float64, error) {
					asked++
					return map[string]float64{Requests: asked}, nil
				},
				Memory: func(context.Context) (float64, error) { asked++; return asked, nil },
				Probe: func(_ context.Context, url string) (Probe, error) {
					res, err := http.Get(url)
					if err == nil {
						err = res.Body.Close()
					}
					http.DefaultClient.CloseIdleConnections()
					return Probe{RoundTripMS: 1, PerSecond: 1, InFlight: 1, Connections: 1}, err
				},
				Stop: func() error { server.Close(); return nil },
			}, nil
		},
		Contenders: []Contender{inMemory("taskgen"), one(inMemory("peer"))},
		Goals:      func(r *Result) []report.Goal { return r.Times(0.001, Loopback, "peer", Drain) },
		Missing:    []string{"another peer: it could not be had"},
	}
}

func TestARunFillsTheWholeResult(t *testing.T) {
	out := filepath.Join(t.TempDir(), "example.json")
	var shown bytes.Buffer
	require.NoError(t, example(t).main(t.Context(), []string{
		"-tasks", "300", "-idle", "1", "-delayed", "2", "-links", "0s,1ms", "-quiet", "-more", "0", "-out", out,
		"-limit", "1m", "-link-limit", "1m", // all of them are done, however busy the machine is
	}, &shown))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(data, &r))
	require.Len(t, r.Links, 2)
	for _, l := range r.Links {
		require.Len(t, l.Cases, 2)
		require.NotNil(t, l.Probe)
		for _, c := range l.Cases {
			for _, stage := range Stages {
				if c.Name == "peer" && stage == Batches {
					require.Nil(t, c.Rates[stage], "the peer has no batches")
					continue
				}
				rate := c.Rates[stage]
				require.Positive(t, rate.Min, "%s, %s", c.Name, stage)
				require.GreaterOrEqual(t, rate.Tasks, 300)
				require.Positive(t, rate.Times.Min)
				require.InDelta(t, 1.0/300, rate.PerTask[Requests].Median, 0.001, "one look before and one after")
			}
			require.Equal(t, 3, c.Idle.Samples)
			if c.Name == "peer" {
				require.Nil(t, c.Late, "the peer does not delay")
				continue
			}
			require.Equal(t, 6, c.Late.Samples)
			require.GreaterOrEqual(t, c.Late.Min, 0.0, "never early")
		}
	}
	require.Equal(t, 1.0, r.Rate(Loopback, "taskgen", Drain).Times.Median, "taskgen is what the others are compared with")
	require.Len(t, r.Goals, 1)
	require.True(t, r.Goals[0].Met)
	for _, s := range []string{"taskgen", "peer", "enqueue, batches of 200", "1ms of round trip", "it could not be had", "drain beside peer"} {
		require.Contains(t, shown.String(), s)
	}
}

func TestOnlyTheWantedContendersRunBesideTaskgen(t *testing.T) {
	c, out := example(t), filepath.Join(t.TempDir(), "example.json")
	require.NoError(t, c.main(t.Context(), []string{
		"-tasks", "1", "-idle", "0", "-delayed", "0", "-links", "0s", "-quiet", "-only", "nobody", "-out", out,
	}, &bytes.Buffer{}))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(data, &r))
	require.Len(t, r.Links[0].Cases, 1)
	require.Equal(t, "taskgen", r.Links[0].Cases[0].Name)
	require.Empty(t, r.Goals, "no goal without the one it is about")
}

func TestTooFewRoundsAreRefused(t *testing.T) {
	require.ErrorContains(t, example(t).main(t.Context(), []string{"-rounds", "2"}, nil), "at least 3 rounds")
}

// A leaky queue hands tasks out and does not take them off.
type leaky struct{ Queue }

func (leaky) Left(context.Context) (int64, error) { return 7, errors.New("7 are left") }

func TestARateOfUnacknowledgedTasksIsAnError(t *testing.T) {
	q, err := inMemory("leaky").Open(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, q.Enqueue(t.Context()))
	_, err = drain(t.Context(), leaky{q}, 1, time.Minute)
	require.ErrorContains(t, err, "7 are left")
	require.NoError(t, q.Close(t.Context()))
}

func TestEnqueueingEndsWithItsTime(t *testing.T) {
	q, err := inMemory("endless").Open(t.Context(), "")
	require.NoError(t, err)
	l, err := enqueue(t.Context(), q, 2, 1, Size{Tasks: 1 << 40, Limit: 10 * time.Millisecond})
	require.NoError(t, err)
	require.Positive(t, l.tasks)
	require.NoError(t, q.Close(t.Context()))
}

func TestADrainEndsWithItsTimeWhenTasksDoNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := inMemory("short of one").Open(t.Context(), "")
		require.NoError(t, err)
		for range 5 {
			require.NoError(t, q.Enqueue(t.Context()))
		}
		done, err := drain(t.Context(), q, 6, 200*time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, 5, done.tasks)
		require.Equal(t, 200*time.Millisecond, done.took)
		require.NoError(t, q.Close(t.Context()))
	})
}

// A slower queue takes its time with the first tasks that it is given.
func TestARateThatDiffersBetweenRoundsIsMeasuredAgainAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		c := Contender{Name: "taskgen", Open: func(context.Context, string) (Queue, error) {
			opened++
			return steps{d: time.Duration(opened) * time.Millisecond}, nil
		}}
		broker := &Broker{Clear: func(context.Context) error { return nil }}
		r := run{cfg: Config{Rounds: 3, More: 2, Tasks: 10, Limit: time.Minute, Stages: []Stage{One}, Quiet: true}, broker: broker, say: func(string, ...any) {}}
		samples, err := r.rounds(t.Context(), []Contender{c}, &link{}, 1)
		require.NoError(t, err)
		require.Len(t, samples[0], 5, "three rounds and two more")
		require.True(t, summarizeRate(One, samples[0], samples[0]).Unsteady())
		r.cfg.Rounds = 3
		c.Open = func(context.Context, string) (Queue, error) { return steps{d: time.Millisecond}, nil }
		samples, err = r.rounds(t.Context(), []Contender{c}, &link{}, 1)
		require.NoError(t, err)
		require.Len(t, samples[0], 3)
	})
}

// steps takes so long for each task.
type steps struct{ d time.Duration }

func (s steps) Enqueue(context.Context) error {
	time.Sleep(s.d)
	return nil
}

func (steps) Work(context.Context, func(int64)) (func(context.Context) error, error) {
	return func(context.Context) error { return nil }, nil
}
func (steps) Close(context.Context) error { return nil }

// A most is a queue that is slow to work off, and notes how many tasks were on it.
type most struct {
	held, seen atomic.Int64
	tasks      chan struct{}
}

func (q *most) Enqueue(context.Context) error {
	if n := q.held.Add(1); n > q.seen.Load() {
		q.seen.Store(n)
	}
	q.tasks <- struct{}{}
	return nil
}

func (q *most) Work(_ context.Context, handle func(int64)) (func(context.Context) error, error) {
	done := make(chan struct{})
	var worker sync.WaitGroup
	worker.Go(func() {
		for {
			select {
			case <-q.tasks:
				time.Sleep(time.Millisecond)
				q.held.Add(-1)
				handle(0)
			case <-done:
				return
			}
		}
	})
	return func(context.Context) error {
		close(done)
		worker.Wait()
		return nil
	}, nil
}

func (*most) Close(context.Context) error { return nil }

func TestTasksUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &most{tasks: make(chan struct{}, 1<<20)}
		l, err := flow(t.Context(), q, Size{Tasks: 5 * UnderWay, Limit: time.Minute})
		require.NoError(t, err)
		require.Equal(t, 5*UnderWay+1, l.tasks)
		require.LessOrEqual(t, q.seen.Load(), int64(UnderWay+1+Callers), "those that are handled and not yet told are few")
		l, err = flow(t.Context(), q, Size{Tasks: 1 << 40, Limit: time.Second})
		require.NoError(t, err)
		require.LessOrEqual(t, l.took, 2*time.Second, "who waits to enqueue is called back")
	})
}

func TestEveryPayloadHasItsSizeAndItsTime(t *testing.T) {
	for _, due := range []time.Time{time.Unix(1_000_000_000, 0), time.Now(), time.Unix(9_000_000_000, 999_999_999)} {
		payload := Payload(due)
		require.Len(t, payload, PayloadSize)
		require.Equal(t, due.UnixNano(), Due(payload))
	}
}
