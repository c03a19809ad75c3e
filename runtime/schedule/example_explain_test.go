package schedule_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
	"github.com/taskgen/taskgen/runtime/tasktest"
)

// A dry run explains what a deploy would change.
func ExampleChanges_Explain() {
	ctx := context.Background()
	clock := tasktest.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	m := runtime.NewManager(runtime.ManagerConfig{Clock: clock})
	if err := m.Open(ctx, memory.New(memory.WithClock(clock)), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(memory.WithClock(clock)), m, schedule.Config{})
	greet := &runtime.Spec[struct{}]{Type: "greet", Queue: "reports"}
	report := &runtime.Spec[struct{}]{Type: "report", Queue: "reports"}
	tidy := &runtime.Spec[struct{}]{Type: "tidy", Queue: "reports"}

	_, err := schedule.Declare(ctx, s, "office", []schedule.Declaration{
		schedule.Recurring(schedule.Cron("@daily", ""), schedule.AllowOverlap, greet),
		schedule.Recurring(schedule.Cron("30 2 * * *", ""), schedule.SkipOverlap, tidy),
	})
	if err != nil {
		log.Fatal(err)
	}
	changes, err := schedule.Declare(ctx, s, "office", []schedule.Declaration{
		schedule.Recurring(schedule.Every(time.Hour), schedule.AllowOverlap, report),
		schedule.Recurring(schedule.Cron("30 4 * * *", ""), schedule.SkipOverlap, tidy),
	}, schedule.DryRun())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes.Explain())
	fmt.Println(len(changes.Differences), "difference,", len(changes.Lost), "firing lost,", len(changes.TakenOver), "taken over")
	// Output:
	// + schedule#report
	// - schedule#greet
	//     does not fire at 2030-01-02T00:00:00Z
	// ~ schedule#tidy
	//     when: cron "30 2 * * *" in UTC → cron "30 4 * * *" in UTC
	// 1 difference, 1 firing lost, 0 taken over
}
