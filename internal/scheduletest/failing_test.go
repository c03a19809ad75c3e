package scheduletest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/schedule/jobstore"
)

var errFull = errors.New("the disk is full")

// A failingStore has a job that is always due, so that nobody waits on it.
type failingStore struct {
	schedule.Store
	job          schedule.JobID
	claim, write error         // of every Claim and Settle; nil: none
	well         int           // the Claim that goes well all the same, counted from 1
	in           time.Duration // from which on the job is due in truth
	tries        []time.Time
}

func (s *failingStore) Claim(ctx context.Context, _ func(jobstore.Needs) bool, _ int, _ time.Duration) ([]*schedule.Entry, time.Time, time.Duration, error) {
	s.tries = append(s.tries, time.Now())
	if len(s.tries) > 100 {
		time.Sleep(time.Hour) // a service that spins is to come to its end
	}
	if s.claim != nil && len(s.tries) != s.well {
		return nil, time.Time{}, 0, s.claim
	}
	e, err := s.Get(ctx, s.job)
	return []*schedule.Entry{e}, time.Now(), 0, err
}

func (s *failingStore) Settle(context.Context, []*schedule.Entry) error { return s.write }

func (*failingStore) Wait(context.Context, func(jobstore.Needs) bool, time.Duration) {}

// runFailing runs a service on a store for a time, and returns what it logged.
func runFailing(t *testing.T, s *failingStore, d time.Duration) (lines []string) {
	m := runtime.NewManager(runtime.ManagerConfig{})
	require.NoError(t, m.Open(t.Context(), memory.New(), runtime.QueueConfig{Name: "reports"}))
	defer func() { require.NoError(t, m.Close()) }()
	s.Store = memory.NewJobs()
	var said strings.Builder
	service := schedule.New(s, m, schedule.Config{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	template := task()
	template.CreatedAt = time.Now()
	id, err := service.Schedule(t.Context(), schedule.Job{When: schedule.At(time.Now().Add(s.in)), Task: template})
	require.NoError(t, err)
	s.job = id
	running, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	require.NoError(t, service.Run(running))
	return strings.Split(strings.TrimSpace(said.String()), "\n")
}

func TestServicePausesAfterEveryFailureOfItsStore(t *testing.T) {
	for name, s := range map[string]*failingStore{
		"claims fail while a job is due":      {claim: errFull},
		"what became of a job is not kept":    {write: errFull},
		"a job is given out that is not due":  {in: time.Hour},
		"a queue is closed and not the store": {write: fmt.Errorf("take back: %w", runtime.ErrClosed)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				lines := runFailing(t, s, time.Minute+time.Millisecond)
				var at []time.Duration
				for _, try := range s.tries {
					at = append(at, try.Sub(began))
				}
				const ms = time.Millisecond
				require.Equal(t, []time.Duration{
					0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3100 * ms, 6300 * ms, 12700 * ms,
					22700 * ms, 32700 * ms, 42700 * ms, 52700 * ms,
				}, at)
				require.Len(t, lines, len(at), "one line for each try")
				require.Equal(t, time.Minute+ms, time.Since(began), "the pause ends with the context")
			})
		})
	}
}

func TestServicePausesAnewAfterAFailureThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, s := time.Now(), &failingStore{claim: errFull, well: 5}
		runFailing(t, s, 2*time.Second)
		require.Len(t, s.tries, 8)
		require.Equal(t, 1500*time.Millisecond, s.tries[5].Sub(began), "at once after the claim that went well")
		require.Equal(t, 100*time.Millisecond, s.tries[6].Sub(s.tries[5]))
		require.Equal(t, 200*time.Millisecond, s.tries[7].Sub(s.tries[6]))
	})
}

func TestServiceEndsWithItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &failingStore{claim: fmt.Errorf("sqlite: %w", runtime.ErrClosed)}
		began := time.Now()
		lines := runFailing(t, s, time.Hour)
		require.Len(t, s.tries, 1)
		require.Len(t, lines, 1)
		require.Contains(t, lines[0], "the job store is closed")
		require.Zero(t, time.Since(began))
	})
}
