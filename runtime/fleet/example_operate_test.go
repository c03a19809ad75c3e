package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/memory"
)

// running is a store with a worker that runs a task, as it says itself.
func running(ctx context.Context) fleet.Store {
	store := memory.NewFleet()
	w := &fleet.Worker{
		ID: "w7", Name: "mailer-1", Host: "web7", PID: 4711,
		Build:  fleet.Build{Path: "example.com/mailer", Version: "v1.2.3"},
		Queues: []fleet.Queue{{Name: "mail", Provider: "redis"}},
		Slots:  10, Busy: 1,
		Running: []fleet.Run{{TaskID: "t1", Type: "welcome", Queue: "mail", Attempt: 2, Since: time.Now()}},
	}
	if _, err := store.Heartbeat(ctx, w, 0, fleet.TTL); err != nil {
		log.Fatal(err)
	}
	return store
}

// Who works on what.
func ExampleFleet_List() {
	ctx := context.Background()
	all, err := fleet.New(running(ctx), fleet.Config{}).List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range all {
		fmt.Printf("%s (%s) on %s, %d of %d busy\n", w.Name, w.Build.Version, w.Host, w.Busy, w.Slots)
		for _, r := range w.Running {
			fmt.Printf("  %s %s, attempt %d\n", r.Type, r.TaskID, r.Attempt)
		}
	}
	// Output:
	// mailer-1 (v1.2.3) on web7, 1 of 10 busy
	//   welcome t1, attempt 2
}

// Orders reach a worker with its next heartbeat.
func ExampleFleet_Quiet() {
	ctx := context.Background()
	workers := fleet.New(running(ctx), fleet.Config{})
	fmt.Println(workers.Quiet(ctx, "w7"))
	fmt.Println(workers.Resume(ctx, "w7"))
	fmt.Println(errors.Is(workers.Quiet(ctx, "w8"), fleet.ErrWorkerNotFound))
	// Output:
	// <nil>
	// <nil>
	// true
}

// A task that runs is cancelled at its worker, one that waits on its queue: see
// driver.Canceller.
func ExampleFleet_Cancel() {
	ctx := context.Background()
	workers := fleet.New(running(ctx), fleet.Config{})
	told, err := workers.Cancel(ctx, "t1")
	fmt.Println(told, err)
	_, err = workers.Cancel(ctx, "t2")
	fmt.Println(errors.Is(err, fleet.ErrNotRunning))
	// Output:
	// [w7] <nil>
	// true
}

// What workers know about types is there for tools without their code.
func ExampleFleet_Types() {
	ctx := context.Background()
	store := memory.NewFleet()
	published := []fleet.Type{{Name: "welcome", Queue: "mail", Secrets: []string{"/token"}, Timeout: 30 * time.Second, MaxRetries: 5}}
	if err := store.PutTypes(ctx, published, fleet.TypesTTL); err != nil { // a worker does so
		log.Fatal(err)
	}
	var types fleet.Types
	types, err := fleet.New(store, fleet.Config{}).Types(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if t, ok := types.Of("welcome"); ok {
		fmt.Println(t.Queue, t.Timeout, t.MaxRetries, t.Secrets)
	}
	// Output: mail 30s 5 [/token]
}

// How a task of a type is made, and when a failed one is retried, is published as well.
// Package catalog makes tasks by it.
func ExampleTemplate() {
	published := fleet.Type{
		Name: "welcome", MaxRetries: 5, Retry: fleet.Retry{Backoff: "linear", Base: time.Minute},
		Template: &fleet.Template{Version: 1, UniqueBy: []string{"user"}, UniqueFor: time.Hour},
	}
	fmt.Println("unique by", published.Template.UniqueBy, "for", published.Template.UniqueFor)
	fmt.Println(published.MaxRetries, "retries,", published.Retry.Backoff, "from", published.Retry.Base)
	// Output:
	// unique by [user] for 1h0m0s
	// 5 retries, linear from 1m0s
}
