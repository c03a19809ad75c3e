package memory_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/dlq"
	"github.com/taskgen/taskgen/runtime/fleet"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// Jobs in memory end with the process.
func ExampleNewJobs() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(), m, schedule.Config{})
	spec := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	reader := "ada"
	if _, err := schedule.Add(ctx, s, schedule.Every(time.Hour), spec, &reader, schedule.WithID("for-ada")); err != nil {
		log.Fatal(err)
	}
	job, err := s.Status(ctx, "for-ada")
	fmt.Println(job.State, job.When, err)
	// Output: scheduled every 1h0m0s <nil>
}

// Letters keeps the dead that a processor takes off their queue.
func ExampleNewLetters() {
	ctx := context.Background()
	letters := memory.NewLetters()
	dead := &runtime.Task{ID: "7", Type: "welcome", Queue: "mail", Payload: []byte(`"ada"`)}
	if err := letters.Put(ctx, []*runtime.Task{dead}); err != nil { // a processor does so
		log.Fatal(err)
	}
	box := dlq.OpenStore(runtime.NewManager(runtime.ManagerConfig{}), letters, dlq.Config{})
	l, err := box.Show(ctx, "7")
	fmt.Println(l.Type, "of queue", l.Queue, err)
	// Output: welcome of queue mail <nil>
}

// A fleet in memory shows the workers of the same process.
func ExampleNewFleet() {
	ctx := context.Background()
	store := memory.NewFleet()
	if _, err := store.Heartbeat(ctx, &fleet.Worker{ID: "w7", Name: "mailer-1"}, 0, fleet.TTL); err != nil { // a pool does so
		log.Fatal(err)
	}
	all, err := fleet.New(store, fleet.Config{}).List(ctx)
	fmt.Println(len(all), all[0].Name, err)
	// Output: 1 mailer-1 <nil>
}

// A history in memory shows what the same process has done.
func ExampleNewHistory() {
	ctx := context.Background()
	store := memory.NewHistory()
	done := []history.Record{{TaskID: "7", Type: "welcome", Queue: "mail", Outcome: runtime.Completed, EndedAt: time.Now()}}
	if err := store.Add(ctx, done, historystore.Limits{Age: time.Hour, Bytes: 1 << 20}); err != nil { // a pool does so
		log.Fatal(err)
	}
	records, err := history.New(store, history.Config{}).Task(ctx, "7")
	fmt.Println(len(records), records[0].Outcome, err)
	// Output: 1 completed <nil>
}
