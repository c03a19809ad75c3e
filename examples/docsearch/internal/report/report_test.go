package report

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
)

func TestEnqueuedCountsWhatIsNewAndTaken(t *testing.T) {
	s := NewStats(time.Now)
	full := &runtime.BatchError{}
	full.Add(2, "c", runtime.ErrQueueFull)
	enqueuer := s.Enqueue(runtime.EnqueuerFunc(func(_ context.Context, tasks []*runtime.Task) ([]runtime.Enqueued, error) {
		return []runtime.Enqueued{{ID: "a"}, {ID: "x", Duplicate: true}, {}, {ID: "d"}}, full
	}))
	_, err := enqueuer.Enqueue(context.Background(), []*runtime.Task{{Type: "one"}, {Type: "one"}, {Type: "one"}, {Type: "two"}})
	require.ErrorIs(t, err, runtime.ErrQueueFull)
	assert.Equal(t, 1, s.types["one"].enqueued)
	assert.Equal(t, 1, s.types["two"].enqueued)

	away := errors.New("the broker is away")
	_, err = s.Enqueue(runtime.EnqueuerFunc(func(context.Context, []*runtime.Task) ([]runtime.Enqueued, error) {
		return nil, away
	})).Enqueue(context.Background(), []*runtime.Task{{Type: "one"}})
	require.ErrorIs(t, err, away)
	assert.Equal(t, 1, s.types["one"].enqueued)
}

func TestHandlePassesTheErrorOn(t *testing.T) {
	s, failure := NewStats(time.Now), runtime.Skip(errors.New("no"))
	h := s.Handle(runtime.HandlerFunc(func(context.Context, *runtime.Task) error { return failure }))
	assert.Equal(t, failure, h.Handle(context.Background(), &runtime.Task{Type: "one"}))
	assert.Equal(t, 1, s.types["one"].dead)
	assert.Zero(t, s.Done())
}

func TestRunTimesAreMeasured(t *testing.T) {
	now := time.Unix(0, 0)
	s := NewStats(func() time.Time { return now })
	h := s.Handle(runtime.HandlerFunc(func(context.Context, *runtime.Task) error {
		now = now.Add(3 * time.Second)
		return nil
	}))
	require.NoError(t, h.Handle(context.Background(), &runtime.Task{Type: "one", CreatedAt: now}))
	assert.Equal(t, []time.Duration{3 * time.Second}, s.types["one"].runs)
	assert.Equal(t, 1, s.Done())
}

func TestPercentilesAreNearestRanks(t *testing.T) {
	var ds []time.Duration
	for i := range 200 {
		ds = append(ds, time.Duration(200-i)*time.Second)
	}
	assert.Equal(t, "1m40s", percentile(ds, 50))
	assert.Equal(t, "3m18s", percentile(ds, 99))
	assert.Equal(t, "7s", percentile([]time.Duration{7 * time.Second}, 99))
	assert.Equal(t, "-", percentile(nil, 50))
}

func TestTableHasALineForEachTypeInTheOrderGiven(t *testing.T) {
	s := NewStats(time.Now)
	s.of("b").completed = 12
	var out bytes.Buffer
	require.NoError(t, s.WriteTable(&out, "b", "a"))
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	require.Len(t, lines, 3)
	assert.Equal(t, []string{"b", "0", "12", "0", "0", "-", "-", "-", "-"}, strings.Fields(lines[1]))
	assert.Equal(t, "a", strings.Fields(lines[2])[0])
}

func TestShortKeepsWhatMeansSomething(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234567 * time.Nanosecond: "1.2ms", 1234 * time.Nanosecond: "1µs", 1234 * time.Millisecond: "1.23s", 0: "0s",
	} {
		assert.Equal(t, want, short(d))
	}
}

func TestTheBarGoesOnWhenTasksBringForthTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &Progress{out: &out, bar: newBar(&out)}
		for _, n := range [][2]int{{0, 10}, {10, 10}, {12, 30}, {12, 30}} {
			p.Show(n[0], n[1])
			time.Sleep(drawEvery)
		}
		assert.Contains(t, out.String(), "(12/30)")
		assert.NotContains(t, out.String(), "100%")
		_, err := p.Write([]byte("a line of the log\n"))
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(out.String(), " \ra line of the log\n"), "%q", out.String())
		p.Show(13, 30)
		time.Sleep(drawEvery)
		p.Clear()
		assert.True(t, strings.HasSuffix(out.String(), " \r"), "%q", out.String())
	})
}

func TestProgressWithoutATerminalIsALineNowAndThen(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	for i := range 1000 {
		p.Show(i, 1000)
	}
	assert.True(t, strings.HasPrefix(out.String(), "0 of 1000 tasks done\n"))
	assert.Less(t, strings.Count(out.String(), "\n"), 10)
	assert.NotContains(t, out.String(), "\r")
}
