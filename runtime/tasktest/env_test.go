package tasktest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/generated"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// mail stands for a user's task, as generated code describes it.
type mail struct {
	To    string `json:"to"`
	Token string `json:"token" task:"secret"`
}

var mailSpec = runtime.Spec[mail]{
	Type: "mail", Aliases: []string{"email"}, Queue: "mails",
	Retry:     runtime.RetryPolicy{Max: 2, Backoff: runtime.Constant, Base: time.Minute},
	UniqueKey: func(m *mail) string { return m.To },
	Validate: func(m *mail) error {
		if m.To == "" {
			return generated.Missing("mail", "to")
		}
		return nil
	},
}

var mails = []runtime.QueueConfig{{Name: "mails"}}

func send(t *testing.T, to runtime.Enqueuer, m mail, opts ...runtime.EnqueueOption) runtime.Enqueued {
	t.Helper()
	answer, err := runtime.Enqueue(t.Context(), to, &mailSpec, &m, opts...)
	require.NoError(t, err)
	return answer
}

func handle(env *tasktest.Env, f func(context.Context, mail) error) {
	runtime.Register(env.Router, &mailSpec, f)
}

func TestRequireEnqueuedReturnsTheOnePayloadThatMatches(t *testing.T) {
	env := tasktest.New(t, mails)
	send(t, env, mail{To: "ann@example.org"})
	send(t, env, mail{To: "bob@example.org"})
	got := tasktest.RequireEnqueued(t, env, &mailSpec, func(m mail) bool { return m.To == "bob@example.org" })
	assert.Equal(t, mail{To: "bob@example.org"}, got)
	assert.Len(t, tasktest.Enqueued(t, env, &mailSpec), 2)
}

func TestRequireEnqueuedFailsWithoutAMatchAndShowsWhatThereIsButNoSecret(t *testing.T) {
	env := tasktest.New(t, mails)
	send(t, env, mail{To: "ann@example.org", Token: "hush"})
	r := recorder.Run(t, func(tb testing.TB) {
		tasktest.RequireEnqueued(tb, env, &mailSpec, func(m mail) bool { return m.To == "eve@example.org" })
		tb.Log("not reached")
	})
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), `want one task of type "mail" that matches, but 0 were enqueued`)
	assert.Contains(t, r.Text(), "ann@example.org")
	assert.Contains(t, r.Text(), "enqueued in all: 1 mail")
	assert.NotContains(t, r.Text(), "hush")
	assert.NotContains(t, r.Text(), "not reached")
}

func TestRequireEnqueuedFailsForTwoMatches(t *testing.T) {
	env := tasktest.New(t, mails)
	send(t, env, mail{To: "ann@example.org"})
	send(t, env, mail{To: "bob@example.org"})
	r := recorder.Run(t, func(tb testing.TB) { tasktest.RequireEnqueued(tb, env, &mailSpec, nil) })
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "but 2 were enqueued")
}

func TestRequireNotEnqueuedFailsForAMatchAlone(t *testing.T) {
	env := tasktest.New(t, mails)
	tasktest.RequireNotEnqueued(t, env, &mailSpec, nil)
	send(t, env, mail{To: "ann@example.org"})
	tasktest.RequireNotEnqueued(t, env, &mailSpec, func(m mail) bool { return m.To == "eve@example.org" })
	r := recorder.Run(t, func(tb testing.TB) { tasktest.RequireNotEnqueued(tb, env, &mailSpec, nil) })
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), `want no task of type "mail", but 1 were enqueued`)
}

func TestOnlyWhatTheQueueTookCountsAsEnqueued(t *testing.T) {
	env := tasktest.New(t, mails)
	send(t, env, mail{To: "ann@example.org"})
	assert.True(t, send(t, env, mail{To: "ann@example.org"}).Duplicate)
	_, err := runtime.Enqueue(t.Context(), env, &mailSpec, &mail{})
	require.ErrorIs(t, err, runtime.ErrInvalidTask)
	_, err = runtime.Enqueue(t.Context(), env, &mailSpec, &mail{To: "x"}, runtime.WithQueue("nowhere"))
	require.ErrorIs(t, err, runtime.ErrUnknownQueue)
	tasktest.RequireEnqueued(t, env, &mailSpec, nil)
	assert.Len(t, env.Tasks(), 1)
}

func TestATaskUnderAnOldNameCountsAsEnqueued(t *testing.T) {
	env := tasktest.New(t, mails)
	_, err := env.Enqueue(t.Context(), []*runtime.Task{{Type: "email", Queue: "mails", Payload: []byte(`{"to":"ann@example.org"}`)}})
	require.NoError(t, err)
	assert.Equal(t, "ann@example.org", tasktest.RequireEnqueued(t, env, &mailSpec, nil).To)
}

func TestDrainRunsWhatIsDueAndWhatHandlersEnqueue(t *testing.T) {
	env := tasktest.New(t, mails)
	var got []string
	handle(env, func(ctx context.Context, m mail) error {
		got = append(got, m.To)
		if m.To == "ann@example.org" {
			_, err := runtime.Enqueue(ctx, env, &mailSpec, &mail{To: "bob@example.org"})
			return err
		}
		return nil
	})
	send(t, env, mail{To: "ann@example.org"})
	send(t, env, mail{To: "later@example.org"}, runtime.WithDelay(time.Hour))
	runs := env.RequireDrain()
	assert.Equal(t, []string{"ann@example.org", "bob@example.org"}, got)
	require.Len(t, runs, 2)
	assert.Equal(t, runtime.Completed, runs[0].Outcome)
	assert.Empty(t, env.Drain())
	env.Clock.Advance(time.Hour)
	assert.Len(t, env.RequireDrain(), 1)
}

func TestDrainTakesRetriesAsTheClockMoves(t *testing.T) {
	env := tasktest.New(t, mails)
	boom := errors.New("boom")
	handle(env, func(context.Context, mail) error { return boom })
	send(t, env, mail{To: "ann@example.org"})
	for attempt := 1; attempt <= 3; attempt++ {
		runs := env.Drain()
		require.Len(t, runs, 1)
		assert.Equal(t, attempt, runs[0].Attempt)
		assert.ErrorIs(t, runs[0].Err, boom)
		if attempt < 3 {
			assert.Equal(t, runtime.Retried, runs[0].Outcome)
			assert.Empty(t, env.Drain(), "the retry is not due")
			assert.Empty(t, env.Dead())
		} else {
			assert.Equal(t, runtime.Died, runs[0].Outcome)
		}
		env.Clock.Advance(time.Minute)
	}
	dead := env.Dead()
	require.Len(t, dead, 1)
	assert.Equal(t, "boom", dead[0].Metadata[driver.MetaFailureReason])
	assert.Equal(t, "3", dead[0].Metadata[driver.MetaAttempts])
}

func TestRequireDrainFailsForARunThatDidNotComplete(t *testing.T) {
	r := recorder.Run(t, func(tb testing.TB) {
		env := tasktest.New(tb, mails)
		handle(env, func(_ context.Context, m mail) error {
			switch m.To {
			case "panic":
				panic("a bug")
			case "skip":
				return runtime.Skip(errors.New("no such person"))
			}
			return nil
		})
		for _, to := range []string{"fine", "panic", "skip"} {
			_, err := runtime.Enqueue(context.Background(), env, &mailSpec, &mail{To: to})
			require.NoError(t, err)
		}
		env.RequireDrain()
	})
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "2 of 3 runs did not complete")
	assert.Contains(t, r.Text(), "a bug")
	assert.Contains(t, r.Text(), "no such person")
}

func TestFailNowInAHandlerFailsTheTestAndLetsDrainGoOn(t *testing.T) {
	ran := 0
	r := recorder.Run(t, func(tb testing.TB) {
		env := tasktest.New(tb, mails)
		handle(env, func(_ context.Context, m mail) error {
			ran++
			if m.To == "first" {
				tb.FailNow()
			}
			return nil
		})
		for _, to := range []string{"first", "second"} {
			_, err := runtime.Enqueue(context.Background(), env, &mailSpec, &mail{To: to})
			require.NoError(t, err)
		}
		env.Drain()
	})
	assert.True(t, r.Failed())
	assert.Equal(t, 2, ran)
}

func TestATypeWithoutAHandlerDies(t *testing.T) {
	env := tasktest.New(t, mails)
	send(t, env, mail{To: "ann@example.org"})
	runs := env.Drain()
	require.Len(t, runs, 1, "no other program has the handler")
	require.ErrorIs(t, runs[0].Err, driver.ErrUnknownType)
	assert.Equal(t, runtime.Died, runs[0].Outcome)
	assert.Len(t, env.Dead(), 1)
}

func TestATestNeedsHandlersForWhatItIsAboutOnly(t *testing.T) {
	queues := []runtime.QueueConfig{{Name: "mails", Types: []string{"mail", "other"}}}
	env := tasktest.New(t, queues)
	require.Empty(t, env.Drain())
	handle(env, func(context.Context, mail) error { return nil })
	send(t, env, mail{To: "ann@example.org"})
	require.Len(t, env.RequireDrain(), 1)

	seen := 0
	env.Router.Use(func(next runtime.Handler) runtime.Handler {
		return runtime.HandlerFunc(func(ctx context.Context, task *runtime.Task) error {
			seen++
			return next.Handle(ctx, task)
		})
	})
	send(t, env, mail{To: "bob@example.org"})
	require.Len(t, env.RequireDrain(), 1)
	assert.Equal(t, 1, seen, "a Drain has all that was registered before it")
}

func TestResultsCanBeAwaited(t *testing.T) {
	env := tasktest.New(t, mails)
	runtime.RegisterWithResult(env.Router, &mailSpec, func(_ context.Context, m mail) (string, error) { return "sent to " + m.To, nil })
	id := send(t, env, mail{To: "ann@example.org"}).ID
	env.RequireDrain()
	got, err := runtime.Await[mail, string](t.Context(), env.Results, &mailSpec, id)
	require.NoError(t, err)
	assert.Equal(t, "sent to ann@example.org", got)
}

func TestWhatIsWrongWithAnEnvFailsTheTest(t *testing.T) {
	r := recorder.Run(t, func(tb testing.TB) { tasktest.New(tb, []runtime.QueueConfig{{Name: "q", Levels: 3}}) })
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "levels are for queues of type priority")

	r = recorder.Run(t, func(tb testing.TB) {
		env := tasktest.New(tb, mails)
		for range 2 {
			handle(env, func(context.Context, mail) error { return nil })
		}
		env.Drain()
	})
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "registered twice")

	r = recorder.Run(t, func(tb testing.TB) {
		env := tasktest.New(tb, mails)
		_, err := env.Enqueue(context.Background(), []*runtime.Task{{Type: "mail", Queue: "mails", Payload: []byte(`[]`)}})
		require.NoError(t, err)
		tasktest.Enqueued(tb, env, &mailSpec)
	})
	assert.True(t, r.Failed())
	assert.Contains(t, r.Text(), "array stands where")
}

func TestTheEnvStampsTasksByItsClock(t *testing.T) {
	env := tasktest.New(t, mails)
	env.Clock.Advance(48 * time.Hour)
	answer := send(t, env, mail{To: "ann@example.org"}, runtime.WithDelay(time.Minute))
	assert.True(t, answer.DueAt.Equal(env.Clock.Now().Add(time.Minute)))
	assert.True(t, env.Tasks()[0].CreatedAt.Equal(env.Now()))
}
