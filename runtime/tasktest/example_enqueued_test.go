package tasktest_test

import (
	"context"
	"fmt"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// All payloads of a type that the code under test has enqueued, in their order.
func ExampleEnqueued() {
	t := &example{} // in a test of your own the *testing.T
	defer t.end()
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "mail"}})

	for _, user := range []string{"ann", "bob"} {
		if err := SignUp(context.Background(), env, user); err != nil {
			t.Fatalf("sign up: %v", err)
		}
	}
	for _, w := range tasktest.Enqueued(t, env, &WelcomeSpec) {
		fmt.Println(w.User)
	}
	fmt.Println(len(env.Tasks()), "tasks in all")
	// Output:
	// ann
	// bob
	// 2 tasks in all
}

// What handlers returned is awaited as in production.
func ExampleEnv() {
	type Quote struct{ Cents int }
	t := &example{} // in a test of your own the *testing.T
	defer t.end()
	env := tasktest.New(t, []runtime.QueueConfig{{Name: "prices"}})
	spec := &runtime.Spec[string]{Type: "quote", Queue: "prices"}
	runtime.RegisterWithResult(env.Router, spec, func(context.Context, string) (Quote, error) {
		return Quote{Cents: 4200}, nil
	})

	ctx, item := context.Background(), "lamp"
	sent, err := runtime.Enqueue(ctx, env, spec, &item)
	if err != nil {
		t.Fatalf("enqueue: %v", err)
	}
	for _, run := range env.RequireDrain() {
		fmt.Println(run.Task.Type, run.Outcome)
	}
	quote, err := runtime.Await[string, Quote](ctx, env.Results, spec, sent.ID)
	fmt.Println(quote.Cents, err)
	// Output:
	// quote completed
	// 4200 <nil>
}
