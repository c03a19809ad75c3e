package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/server"
)

// requireProblems checks the problems of a queue: each is a kind and what its sentence has.
func requireProblems(t *testing.T, h *v1.QueueHealth, want ...any) {
	t.Helper()
	require.Len(t, h.GetProblems(), len(want)/2, "%v", h.GetProblems())
	for i, p := range h.GetProblems() {
		assert.Equal(t, want[2*i], p.GetKind(), p.GetMessage())
		assert.Contains(t, p.GetMessage(), want[2*i+1])
	}
}

// A healthCase is a queue "payments" with the numbers stats, and what is wrong with it.
type healthCase struct {
	stats   driver.Stats
	paused  bool
	workers []*fleet.Worker // nil: the server reads no fleet
	want    []any
}

// kind is a QueueProblemKind by the end of its name.
func kind(name string) v1.QueueProblemKind {
	return v1.QueueProblemKind(v1.QueueProblemKind_value["QUEUE_PROBLEM_KIND_"+name])
}

func TestHealthSaysWhatIsWrongWithItsEvidence(t *testing.T) {
	takes := []fleet.Queue{{Name: "payments", Provider: "memory"}}
	both := []string{"payment", "refund"}
	good := &fleet.Worker{ID: "1", Name: "good", Queues: takes, Types: both}
	for name, c := range map[string]healthCase{
		"nothing":             {stats: driver.Stats{Ready: 5, Leased: 2, Scheduled: 3, OldestAge: 5 * time.Minute}, workers: []*fleet.Worker{good}},
		"nothing is known":    {stats: driver.Stats{Ready: 5}},
		"it is paused":        {stats: driver.Stats{Ready: 1}, paused: true, want: []any{kind("PAUSED"), "the queue is paused, 1 task is ready"}},
		"it is behind":        {stats: driver.Stats{Ready: 12, OldestAge: 6*time.Minute + 3*time.Second}, want: []any{kind("BEHIND"), "the oldest ready task has waited for 6m3s, 12 tasks are ready"}},
		"there are dead ones": {stats: driver.Stats{Dead: 2}, want: []any{kind("DEAD_LETTERS"), `2 tasks are on the dead letter queue "payments-dlq"`}},
		"nobody works": {
			stats: driver.Stats{Ready: 3}, workers: []*fleet.Worker{},
			want: []any{
				kind("NO_WORKERS"), "3 tasks are ready, and no worker takes from the queue: the fleet has 0",
				kind("UNHANDLED_TYPE"), `the type "payment" is declared for the queue, and none of the workers that take from it (0)`, kind("UNHANDLED_TYPE"), `"refund"`,
			},
		},
		"they work elsewhere": {
			stats: driver.Stats{Ready: 3}, workers: []*fleet.Worker{{ID: "1", Queues: []fleet.Queue{{Name: "payments", Provider: "redis"}, {Name: "mail", Provider: "memory"}}, Types: both}},
			want: []any{kind("NO_WORKERS"), "the fleet has 1", kind("UNHANDLED_TYPE"), `"payment"`, kind("UNHANDLED_TYPE"), `"refund"`},
		},
		"those that work are quiet": {
			stats: driver.Stats{Ready: 3}, workers: []*fleet.Worker{{ID: "1", Name: "a", Queues: takes, Types: both, Quiet: true}, {ID: "2", Name: "b", Queues: takes, Quiet: true}},
			want: []any{kind("NO_WORKERS"), "every worker that takes from the queue is quiet: a, b"},
		},
		"one of two is quiet": {stats: driver.Stats{Ready: 3}, workers: []*fleet.Worker{good, {ID: "2", Queues: takes, Quiet: true}}},
		"nobody works, and nothing waits": {
			stats: driver.Stats{Scheduled: 3}, workers: []*fleet.Worker{{ID: "1", Queues: takes, Types: both, Quiet: true}},
		},
		"a type has no handler": {
			workers: []*fleet.Worker{{ID: "1", Queues: takes, Types: []string{"payment"}}},
			want:    []any{kind("UNHANDLED_TYPE"), `the type "refund" is declared for the queue, and none of the workers that take from it (1) has a handler for it`},
		},
		"all at once": {
			stats: driver.Stats{Ready: 3, Dead: 1, OldestAge: time.Hour}, paused: true, workers: []*fleet.Worker{{ID: "1", Name: "a", Queues: takes, Types: both, Quiet: true}},
			want: []any{kind("PAUSED"), "3 tasks", kind("NO_WORKERS"), "quiet: a", kind("BEHIND"), "1h0m0s", kind("DEAD_LETTERS"), "1 task is on"},
		},
	} {
		t.Run(name, func(t *testing.T) { c.run(t) })
	}
}

func (c healthCase) run(t *testing.T) {
	m := managerOn(t, &brokenProvider{memory.New(), func(context.Context, string, driver.Stats) (driver.Stats, error) { return c.stats, nil }}, runtime.QueueConfig{Name: "payments", Types: []string{"payment"}})
	if c.paused {
		q, err := m.Queue("payments")
		require.NoError(t, err)
		require.NoError(t, q.(driver.Pauser).Pause(t.Context(), time.Time{}))
	}
	refund := &runtime.Spec[payment]{Type: "refund", Queue: "payments"} // declared by its spec alone
	cfg := server.Config{Manager: m, Types: []server.Type{paymentSpec, refund}}
	if c.workers != nil {
		store := memory.NewFleet()
		heartbeat(t, store, c.workers...)
		cfg.Fleet = fleet.New(store, fleet.Config{})
	}
	res, err := start(t, cfg).monitoring().GetQueueHealth(bounded(t), &v1.GetQueueHealthRequest{})
	require.NoError(t, err)
	require.Len(t, res.GetQueues(), 1)
	requireProblems(t, res.GetQueues()[0], c.want...)
}

// A darkStore is a fleet's store whose workers cannot be listed, or not be read.
type darkStore struct {
	fleet.Store
	workers []*fleet.Worker
	err     error
}

func (s darkStore) List(context.Context) ([]*fleet.Worker, error) { return s.workers, s.err }

func TestWhatCannotBeReadOfAFleetIsNotTakenForItsAbsence(t *testing.T) {
	m := managerOf(t, runtime.QueueConfig{Name: "payments", Types: []string{"payment"}})
	enqueue(t, m, 1, "payments")
	var log logBuffer
	for _, store := range []darkStore{{err: errors.New("no route")}, {workers: []*fleet.Worker{{ID: "1", Err: errors.New("a later version")}}}} {
		store.Store = memory.NewFleet()
		res, err := start(t, server.Config{Manager: m, Fleet: fleet.New(store, fleet.Config{}), Logger: log.logger()}).monitoring().GetQueueHealth(bounded(t), &v1.GetQueueHealthRequest{})
		require.NoError(t, err)
		requireProblems(t, res.GetQueues()[0])
	}
	assert.Contains(t, log.String(), "no route")
}
