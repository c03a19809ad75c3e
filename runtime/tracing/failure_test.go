package tracing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/generated"
	"github.com/taskgen/taskgen/runtime/observe"
)

type classified struct{ class string }

func (classified) Error() string       { return "classified" }
func (c classified) ErrorType() string { return c.class }

type hostile struct{}

func (*hostile) Error() string   { panic("Error") }
func (*hostile) Is(error) bool   { panic("Is") }
func (*hostile) Unwrap() []error { panic("Unwrap") }

type sly struct{}

func (sly) Error() string { return "sly" }
func (sly) Is(error) bool { panic("Is") }

func TestTheTypeOfAnErrorIsOneOfFew(t *testing.T) {
	for want, err := range map[string]error{
		"timeout":           fmt.Errorf("%w after 3s: %w", driver.ErrTimeout, classified{"x"}),
		"panic":             driver.Recovered("at the disco"),
		"lease_lost":        fmt.Errorf("x: %w", driver.ErrLeaseLost),
		"rate_limited":      fmt.Errorf("x: %w", classified{"rate_limited"}),
		"unavailable":       driver.Unavailable(io.ErrUnexpectedEOF),
		"deadline_exceeded": fmt.Errorf("x: %w", context.DeadlineExceeded),
		"canceled":          context.Canceled,
		"*fs.PathError":     runtime.Skip(fmt.Errorf("x: %w", &fs.PathError{Op: "open", Path: "/secret/7", Err: errors.New("y")})),
		"_OTHER":            runtime.RetryAfter(0, errors.Join(errors.New("mailbox 4711 is full"), errors.New("y"))),
		"duplicate":         (&driver.BatchError{Items: []driver.ItemError{{Err: driver.ErrDuplicate}}}).OrNil(),
	} {
		assert.Equal(t, want, errorType(err), "%v", err)
	}
	assert.Equal(t, "tracing.classified", errorType(classified{""}), "an empty name is none")
	assert.Equal(t, other, errorType(&driver.BatchError{}))
	assert.LessOrEqual(t, len(errorType(classified{strings.Repeat("é", 500)})), maxType)
}

func TestAnErrorWhoseMethodsPanicIsDescribedAsFarAsItGoes(t *testing.T) {
	class, text, _ := describe(&hostile{})
	assert.Equal(t, other, class)
	assert.Equal(t, "an error whose methods panic", text)
	class, text, _ = describe(sly{})
	assert.Equal(t, other, class)
	assert.Equal(t, "sly", text)
	class, _, _ = describe(nil)
	assert.Equal(t, other, class)
}

func TestTheTextOfAnErrorIsBoundedAndValid(t *testing.T) {
	for _, text := range []string{strings.Repeat("é", maxText), "a\xffb", strings.Repeat("\xff", maxText+1)} {
		_, got, _ := describe(errors.New(text))
		assert.LessOrEqual(t, len(got), maxText)
		assert.True(t, utf8.ValidString(got))
	}
}

func TestAPanicIsOnTheSpanWithItsStack(t *testing.T) {
	e := newEnv(t, setup{})
	e.handle(func(context.Context, int) error { panic("at the disco") })
	e.enqueue(t.Context(), runtime.WithMaxRetries(0))
	require.Equal(t, 1, e.drain())
	run := e.span("process")
	assert.Equal(t, "panic", attrs(run.Attributes)["error.type"])
	assert.Equal(t, codes.Error, run.Status.Code)
	exception := event(t, run)
	assert.Equal(t, "taskgen: the handler panicked: at the disco", exception["exception.message"])
	assert.Contains(t, exception["exception.stacktrace"], "TestAPanicIsOnTheSpanWithItsStack")
}

func TestARunWithoutAHandlerIsTracedUnderTheTypeOfTheTask(t *testing.T) {
	e := newEnv(t, setup{})
	e.handle(func(context.Context, int) error { return nil })
	e.replace(New(Config{TracerProvider: e.provider}).Listener(), runtime.QueueConfig{Unknown: driver.BuryUnknown})
	_, err := e.m.Enqueue(t.Context(), []*runtime.Task{sendTask("a", "unheard", "mail")})
	require.NoError(t, err)
	require.Equal(t, 1, e.drain())
	run := attrs(e.span("process").Attributes)
	assert.Equal(t, "unheard", run["taskgen.task.type"])
	assert.Equal(t, "unknown_type", run["error.type"])
	assert.Equal(t, "dead", run["taskgen.task.outcome"])
}

// A run whose lease is lost has not failed for good: another worker runs the task.
func TestAnAbandonedRunSaysThatItsLeaseWasLost(t *testing.T) {
	e := newEnv(t, setup{})
	q := &observe.Queue{Name: "mail", Provider: "redis"}
	l := &listener{Tracing: New(Config{TracerProvider: e.provider})}
	for _, err := range []error{nil, context.Canceled, fmt.Errorf("x: %w", driver.ErrLeaseLost)} {
		run := &observe.Run{Pool: &observe.Pool{}, Queue: q, Type: "welcome", Task: sendTask("a", "welcome", "mail"), Attempt: 1, Crashes: 2, Began: time.Now()}
		ctx := l.runStart(t.Context(), run)
		run.Outcome, run.Err = driver.Abandoned, err
		l.runEnd(ctx, run)
		assert.Empty(t, run.Task.Metadata, "the task is another worker's")
	}
	for _, run := range e.spans("process mail") {
		has := attrs(run.Attributes)
		assert.Equal(t, "lease_lost", has["error.type"])
		assert.Equal(t, "2", has["taskgen.task.crashes"])
		assert.Equal(t, "redis", has["messaging.system"])
		assert.Equal(t, codes.Unset, run.Status.Code)
	}
	assert.True(t, l.runs.empty(), "nothing is to be settled")
}

// A payment has the methods that the generator writes for a task with secrets.
type payment struct {
	Order string `json:"order"`
	Card  string `json:"card" task:"secret"`
}

func (p payment) Format(f fmt.State, verb rune) { generated.Format(f, verb, p) }
func (p payment) LogValue() slog.Value          { return generated.LogValue(p) }

func (p payment) MarshalJSON() ([]byte, error) {
	type plain payment
	return generated.MarshalJSON(p, plain(p))
}

func TestASecretIsInNoSpan(t *testing.T) {
	const canary = "canary-7Qx9"
	e := newEnv(t, setup{})
	payments := &runtime.Spec[payment]{Type: "pay", Queue: "mail", Secrets: []string{"card"}}
	runtime.Register(e.r, payments, func(_ context.Context, p payment) error {
		switch require.Contains(t, p.Card, canary); p.Order {
		case "panics":
			panic(p)
		case "fails":
			return fmt.Errorf("the bank refuses %+v", p)
		}
		return nil
	})
	for _, order := range []string{"panics", "fails", "succeeds"} {
		_, err := runtime.Enqueue(t.Context(), e.m, payments, &payment{order, canary})
		require.NoError(t, err)
	}
	tasks := []*runtime.Task{sendTask("a", "pay", "mail"), sendTask("b", "pay", "mail")}
	tasks[0].Payload = []byte(`{"card":["` + canary + `"]}`) // no handler can read it
	tasks[1].Payload = []byte(`{"card":"` + canary)          // no queue takes it
	_, err := e.m.Enqueue(t.Context(), tasks)
	require.ErrorIs(t, err, driver.ErrInvalidTask)
	require.Equal(t, 4, e.drain())
	text := fmt.Sprintf("%+v", e.exporter.GetSpans())
	for _, seen := range []string{"the bank refuses", "panicked", "not valid JSON", "invalid task"} {
		assert.Contains(t, text, seen)
	}
	assert.NotContains(t, text, canary)
}
