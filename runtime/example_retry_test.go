package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
)

// The delays of retries grow up to a cap. A policy with jitter spreads them, so that what
// failed together is not tried again together.
func ExampleRetryPolicy() {
	for _, policy := range []runtime.RetryPolicy{
		{Max: 4, Backoff: runtime.Constant, Base: 10 * time.Second},
		{Max: 4, Backoff: runtime.Linear, Base: 10 * time.Second},
		{Max: 4, Backoff: runtime.Exponential, Base: 10 * time.Second, Factor: 3, Cap: time.Minute},
	} {
		fmt.Print(policy.Backoff)
		for retry := range policy.Max {
			fmt.Print(" ", policy.Delay(retry+1, 0))
		}
		fmt.Println()
	}
	// Output:
	// constant 10s 10s 10s 10s
	// linear 10s 20s 30s 40s
	// exponential 10s 30s 1m0s 1m0s
}

// A policy may say itself which errors are worth a retry.
func ExampleDefaultRetryable() {
	errRefused := errors.New("card refused")
	policy := runtime.RetryPolicy{Max: 5, Retryable: func(err error) bool {
		return runtime.DefaultRetryable(err) && !errors.Is(err, errRefused)
	}}
	fmt.Println(policy.Retryable(errors.New("connection reset")))
	fmt.Println(policy.Retryable(fmt.Errorf("order 1001: %w", errRefused)))
	fmt.Println(policy.Retryable(runtime.Skip(errors.New("the order is gone"))))
	// Output:
	// true
	// false
	// false
}

// A service that says when to come back is asked again then, and not as the policy says.
func ExampleRetryAfter() {
	spec := &runtime.Spec[string]{Type: "sync", Queue: "crm", Retry: runtime.RetryPolicy{Max: 3}}
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "crm"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(context.Context, string) error {
		return runtime.RetryAfter(time.Hour, errors.New("429 Too Many Requests"))
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	account := "acme"
	sent, err := runtime.Enqueue(ctx, m, spec, &account)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	status, err := m.Lookup(ctx, sent.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s after %d attempt: %s\n", status.State, status.Attempts, status.Failure)
	fmt.Println("in less than half an hour:", status.DueAt.Before(time.Now().Add(30*time.Minute)))
	// Output:
	// scheduled after 1 attempt: 429 Too Many Requests
	// in less than half an hour: false
}
