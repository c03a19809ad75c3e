package sqs

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// kill enqueues tasks and has them die.
func kill(t *testing.T, b *bench, q *Queue, ids ...string) {
	t.Helper()
	put(t, q, ids...)
	for range ids {
		ds := take(t, q, 1)
		driver.RecordDeath(ds[0].Task, q.cfg.Name, b.clock.Now(), driver.ErrTimeout)
		require.NoError(t, q.DeadLetter(within(t), ds))
	}
}

func TestAWalkFindsWhatAReceiveHidWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	walks := map[string]func(context.Context, *Queue) ([]string, error){
		"redrive all":  func(ctx context.Context, q *Queue) ([]string, error) { return q.Redrive(ctx, nil) },
		"redrive some": func(ctx context.Context, q *Queue) ([]string, error) { return q.Redrive(ctx, []string{"a", "b"}) },
		"discard":      func(ctx context.Context, q *Queue) ([]string, error) { return q.Discard(ctx, []string{"a", "b"}) },
	}
	for _, kind := range []driver.QueueType{driver.Standard, driver.FIFO, driver.Priority} {
		for name, walk := range walks {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				t.Parallel()
				b := briefBench(t)
				q := openQueue(t, b.p, driver.QueueConfig{Type: kind})
				kill(t, b, q, "a", "b")
				looks := 0
				b.SetHook(func(c sqstest.Call) sqstest.Fault {
					if c.Operation != "ReceiveMessage" || !strings.HasPrefix(c.Queue, "q-dlq") {
						return sqstest.Fault{} // a poll of the queue may still be on its way
					}
					if looks++; looks == 3 { // the second one was the SDK's, which tries again and finds nothing
						b.clock.Advance(defaultWalkLease)
					}
					return sqstest.Fault{DropReply: looks == 1}
				})
				found, err := walk(within(t), q)
				b.SetHook(nil)
				require.NoError(t, err)
				require.ElementsMatch(t, []string{"a", "b"}, found)
			})
		}
	}
}

func TestAWalkWaitsForWhatIsInUseElsewhereNoLongerThanItsLease(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	b.LongestPoll = 20 * time.Millisecond // the clock stands still
	b.p.walkLease = 2 * time.Second
	q := openQueue(t, b.p, driver.QueueConfig{})
	kill(t, b, q, "a")
	take(t, openQueue(t, b.p, driver.QueueConfig{Name: q.cfg.DLQ}), 1)
	before := b.p.Requests()["ReceiveMessage"]
	moved, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	require.Empty(t, moved)
	require.Greater(t, b.p.Requests()["ReceiveMessage"]-before, int64(2), "it looked once more than SQS's servers need")
}

// What has just died is in no count yet, and a receive that does not wait may have asked
// other servers than the one that has it.
func TestAWalkFindsWhatIsInNoCountYet(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	release := b.HoldCounts()
	defer release()
	kill(t, b, q, "a")
	b.SetHook(func(c sqstest.Call) sqstest.Fault { return sqstest.Fault{Empty: c.Operation == "ReceiveMessage"} })
	moved, err := q.Redrive(within(t), nil)
	b.SetHook(nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, moved)
}

func TestAWalkKeepsItsLeases(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	kill(t, b, q, numbered(12)...)
	dead := openQueue(t, b.p, driver.QueueConfig{Name: q.cfg.DLQ})
	w := newWalk(q.state)
	for len(w.held) < 12 {
		ms, err := w.next(within(t))
		require.NoError(t, err)
		require.NotEmpty(t, ms)
		w.held = append(w.held, ms...)
	}
	for range 3 {
		b.clock.Advance(defaultWalkLease * 2 / 3)
		w.renewed = time.Now().Add(-defaultWalkLease * 2 / 3)
		ms, err := w.next(within(t))
		require.NoError(t, err)
		require.Empty(t, ms)
	}
	require.Equal(t, driver.Stats{Leased: 12}, stats(t, dead))
	w.end(within(t))
	require.Equal(t, driver.Stats{Ready: 12}, stats(t, dead))
}

func TestAWalkThatCannotKeepItsLeasesSaysSo(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	kill(t, b, q, "a")
	w := newWalk(q.state)
	defer w.end(context.Background())
	ms, err := w.next(within(t))
	require.NoError(t, err)
	w.held = ms
	w.renewed = time.Now().Add(-defaultWalkLease)
	b.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation != "ChangeMessageVisibilityBatch" {
			return sqstest.Fault{}
		}
		return sqstest.Fault{Error: &sqstest.Error{Type: "AccessDeniedException", Status: 403, Message: "no"}}
	})
	_, err = w.next(within(t))
	b.SetHook(nil)
	require.ErrorContains(t, err, "extend the leases of the messages received")
}
