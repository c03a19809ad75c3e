package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// Welcome is a user's task. In a real package the generator writes WelcomeSpec
// and functions around it: EnqueueWelcome, RegisterWelcome, Queues.
type Welcome struct {
	User string `json:"user"`
}

var WelcomeSpec = runtime.Spec[Welcome]{
	Type: "welcome", Queue: "mail",
	Retry: runtime.RetryPolicy{Max: 1, Backoff: runtime.Constant, Base: time.Minute},
}

// SignUp is the code under test.
func SignUp(ctx context.Context, to runtime.Enqueuer, user string) error {
	_, err := runtime.Enqueue(ctx, to, &WelcomeSpec, &Welcome{User: user}, runtime.WithDelay(time.Hour))
	return err
}

// example stands in for the *testing.T of a test, which an Example has not.
type example struct {
	testing.TB
	cleanups []func()
}

func (e *example) Helper()             {}
func (e *example) Cleanup(f func())    { e.cleanups = append(e.cleanups, f) }
func (e *example) Logf(string, ...any) {}
func (e *example) Fatalf(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
}

func (e *example) end() {
	for _, f := range e.cleanups {
		f()
	}
}

// In a test of your own t is the *testing.T.
func ExampleRequireEnqueued() {
	t := &example{}
	defer t.end()
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "mail"}})

	if err := SignUp(context.Background(), env, "ann"); err != nil {
		t.Fatalf("sign up: %v", err)
	}

	task := tasktest.RequireEnqueued(t, env, &WelcomeSpec, func(w Welcome) bool { return w.User == "ann" })
	tasktest.RequireNotEnqueued(t, env, &WelcomeSpec, func(w Welcome) bool { return w.User == "eve" })
	fmt.Println(task.User)
	// Output: ann
}

// Handlers run when the test says so, at the time that the test sets.
func ExampleEnv_Drain() {
	t := &example{}
	defer t.end()
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "mail"}})
	down := true
	runtime.Register(env.Router, &WelcomeSpec, func(_ context.Context, w Welcome) error {
		if down {
			return errors.New("the mail server is down")
		}
		fmt.Println("welcome,", w.User)
		return nil
	})
	if err := SignUp(context.Background(), env, "ann"); err != nil {
		t.Fatalf("sign up: %v", err)
	}

	fmt.Println("now:", len(env.Drain()), "runs")
	env.Clock.Advance(time.Hour)
	for _, run := range env.Drain() {
		fmt.Printf("attempt %d: %s: %v\n", run.Attempt, run.Outcome, run.Err)
	}
	down = false
	env.Clock.Advance(time.Minute)
	env.RequireDrain()
	fmt.Println("dead:", len(env.Dead()))
	// Output:
	// now: 0 runs
	// attempt 1: retried: the mail server is down
	// welcome, ann
	// dead: 0
}

func ExampleClock() {
	clock := tasktest.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	clock.AfterFunc(time.Hour, func() { fmt.Println("it is", clock.Now().Format(time.TimeOnly)) })
	clock.Advance(24 * time.Hour)
	fmt.Println("it is", clock.Now().Format(time.DateTime))
	// Output:
	// it is 01:00:00
	// it is 2030-01-02 00:00:00
}
