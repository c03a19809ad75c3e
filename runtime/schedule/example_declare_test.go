package schedule_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// What a program declares at its start is what there is afterwards. Generated
// RegisterSchedules functions call Declare.
func ExampleDeclare() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(), m, schedule.Config{})
	report := &runtime.Spec[string]{Type: "report", Queue: "reports"}
	tidy := &runtime.Spec[struct{}]{Type: "tidy", Queue: "reports"}

	was := []schedule.Declaration{
		schedule.Recurring(schedule.Cron("30 2 * * *", "Europe/Berlin"), schedule.SkipOverlap, tidy),
	}
	if _, err := schedule.Declare(ctx, s, "office", was); err != nil {
		log.Fatal(err)
	}
	is := []schedule.Declaration{
		schedule.Recurring(schedule.Cron("30 4 * * *", "Europe/Berlin"), schedule.SkipOverlap, tidy),
		schedule.RecurringWith(schedule.Recurrence{
			Name: "sales", When: schedule.Every(24 * time.Hour), Missed: schedule.FireNone, Payload: `"ada"`,
		}, report),
	}
	if _, err := schedule.Declare(ctx, s, "office", is); err != nil {
		log.Fatal(err)
	}
	job, err := s.Status(ctx, schedule.DeclaredNameID("report", "sales"))
	fmt.Println(job.Owner, job.When, string(job.Task.Payload), err)
	job, err = s.Status(ctx, schedule.DeclaredID("tidy"))
	fmt.Println(job.Owner, job.When, err)
	// Output:
	// office every 24h0m0s "ada" <nil>
	// office cron "30 4 * * *" in Europe/Berlin <nil>
}

// A package that declares its jobs under another name from now on takes them along.
func ExampleOwnerAliases() {
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "reports"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s := schedule.New(memory.NewJobs(), m, schedule.Config{})
	tidy := &runtime.Spec[struct{}]{Type: "tidy", Queue: "reports"}
	jobs := []schedule.Declaration{schedule.Recurring(schedule.Cron("@daily", ""), schedule.AllowOverlap, tidy)}
	if _, err := schedule.Declare(ctx, s, "office", jobs); err != nil {
		log.Fatal(err)
	}

	changes, err := schedule.Declare(ctx, s, "headquarters", jobs, schedule.OwnerAliases("office"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	// Output:
	// > schedule#tidy (was schedule#tidy, owner office)
}
