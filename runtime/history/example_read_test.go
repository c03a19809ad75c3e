package history_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/history"
	"github.com/taskgen/taskgen/runtime/history/historystore"
	"github.com/taskgen/taskgen/runtime/memory"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// recorded is a store with the records of some workers.
func recorded(ctx context.Context) history.Store {
	store := memory.NewHistory()
	var records []history.Record
	for i, outcome := range []history.Outcome{runtime.Completed, runtime.Died, runtime.Completed} {
		end := noon.Add(time.Duration(i) * time.Minute)
		records = append(records, history.Record{
			TaskID: fmt.Sprint("t", i+1), Type: "welcome", Queue: "mail", Worker: "mailer-1", Attempt: 1, Outcome: outcome,
			EnqueuedAt: end.Add(-3 * time.Second), DueAt: end.Add(-3 * time.Second), StartedAt: end.Add(-time.Second), EndedAt: end,
		})
	}
	if err := store.Add(ctx, records, historystore.Limits{Age: time.Hour, Bytes: 1 << 20}); err != nil {
		log.Fatal(err)
	}
	return store
}

// What failed lately, page by page, the newest first.
func ExampleHistory_List() {
	ctx := context.Background()
	past := history.New(recorded(ctx), history.Config{})
	filter := history.Filter{Type: "welcome", Outcome: runtime.Died, Since: noon}
	for cursor := ""; ; {
		page, next, err := past.List(ctx, filter, cursor, 100)
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range page {
			fmt.Println(r.TaskID, r.EndedAt.Format(time.TimeOnly), describe(r))
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	_, _, err := past.List(ctx, filter, "page two", 100)
	fmt.Println(errors.Is(err, history.ErrCursor))
	// Output:
	// t2 12:01:00 took 1s
	// true
}

func describe(r history.Record) string {
	if !r.Ran() {
		return "did not run"
	}
	return fmt.Sprint("took ", r.Duration())
}

// How the tasks of each type do.
func ExampleHistory_Stats() {
	ctx := context.Background()
	past := history.New(recorded(ctx), history.Config{})
	var all []history.TypeStats
	all, err := past.Stats(ctx, history.Filter{Since: noon, Until: noon.Add(time.Hour)})
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range all {
		fmt.Println(t.Type, t.Outcomes[runtime.Completed], "completed,", t.Outcomes[runtime.Died], "dead")
		fmt.Println("  run", show(t.Duration), "wait", show(t.Wait))
	}
	// Output:
	// welcome 2 completed, 1 dead
	//   run p50 1s, max 1s wait p50 2s, max 2s
}

func show(p history.Percentiles) string {
	return fmt.Sprintf("p50 %v, max %v", p.P50.Round(100*time.Millisecond), p.Max)
}
