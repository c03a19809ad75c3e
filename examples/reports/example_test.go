// Package reports shows how generated code schedules tasks.
package reports

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/schedule"

	"github.com/taskgen/taskgen/examples/reports/tasks"
)

// An office has a queue, a worker and a scheduler, in memory: a program has the
// store of SQLite or Redis in its place.
type office struct {
	pool      *runtime.Pool
	scheduler *schedule.Service
}

func (*office) HandleReport(ctx context.Context, t tasks.ReportTask) error {
	runtime.Progress(ctx, 1, 2, "half of it")
	fmt.Printf("report %s for %s\n", t.Name, t.Reader)
	if t.Reader == "nobody" {
		return runtime.Skip(errors.New("there is no such reader"))
	}
	return nil
}

func (*office) HandleTidy(context.Context, tasks.TidyTask) error {
	fmt.Println("tidy")
	return nil
}

func open(ctx context.Context) (*office, error) {
	o := &office{}
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, memory.New(), tasks.Queues()...); err != nil {
		return nil, err
	}
	jobs := memory.NewJobs()
	o.scheduler = schedule.New(jobs, m, schedule.Config{})

	r := runtime.NewRouter()
	r.Use(schedule.Track(jobs, "worker-1", nil)) // for Status
	tasks.RegisterHandlers(r, o)
	var err error
	o.pool, err = runtime.NewPool(m, r, runtime.PoolConfig{})
	return o, err
}

// work fires what is due and runs it. A program has o.scheduler.Run(ctx) and
// o.pool.Run(ctx) do so all the time.
func (o *office) work(ctx context.Context) error {
	if _, err := o.scheduler.FireDue(ctx); err != nil {
		return err
	}
	_, err := o.pool.Drain(ctx)
	return err
}

// A job that is modified keeps its ID.
func Example_modify() {
	ctx := context.Background()
	o, err := open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	id, err := tasks.ScheduleReport(ctx, o.scheduler, schedule.In(24*time.Hour), tasks.ReportTask{Name: "sales", Reader: "Ada"})
	if err != nil {
		log.Fatal(err)
	}
	sooner := schedule.WithWhen(schedule.At(time.Now()))
	if err := tasks.ModifyReport(ctx, o.scheduler, id, tasks.ReportTask{Name: "costs", Reader: "Ada"}, sooner); err != nil {
		log.Fatal(err)
	}
	if err := o.work(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// report costs for Ada
}

// A job that is cancelled is not due any more.
func Example_cancel() {
	ctx := context.Background()
	o, err := open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	id, err := tasks.ScheduleReport(ctx, o.scheduler, schedule.Cron("0 6 * * mon-fri", "Europe/Berlin"), tasks.ReportTask{Name: "sales", Reader: "Ada"})
	if err != nil {
		log.Fatal(err)
	}
	if err := o.scheduler.Cancel(ctx, id); err != nil {
		log.Fatal(err)
	}
	job, err := o.scheduler.Status(ctx, id)
	fmt.Println(job.State, job.Next.IsZero(), err)
	// Output:
	// cancelled true <nil>
}

// Status says what became of a job's task, when workers use schedule.Track.
func Example_status() {
	ctx := context.Background()
	o, err := open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, reader := range []string{"Ada", "nobody"} {
		id, err := tasks.ScheduleReport(ctx, o.scheduler, schedule.At(time.Now()), tasks.ReportTask{Name: "sales", Reader: reader})
		if err != nil {
			log.Fatal(err)
		}
		if err := o.work(ctx); err != nil {
			log.Fatal(err)
		}
		job, err := o.scheduler.Status(ctx, id)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s after %d attempt, %d of %d done. Error: %q\n", job.State, job.Last.Attempts, job.Last.Progress.Done, job.Last.Progress.Total, job.Last.Error)
	}
	// Output:
	// report sales for Ada
	// succeeded after 1 attempt, 1 of 2 done. Error: ""
	// report sales for nobody
	// dead after 1 attempt, 1 of 2 done. Error: "there is no such reader"
}

// The schedules that stand in annotations are registered at the start of a
// program. A dry run says what would change.
func Example_registerSchedules() {
	ctx := context.Background()
	o, err := open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	changes, err := tasks.RegisterSchedules(ctx, o.scheduler, schedule.DryRun())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	if _, err = tasks.RegisterSchedules(ctx, o.scheduler); err != nil {
		log.Fatal(err)
	}
	job, err := o.scheduler.Status(ctx, tasks.TidyJobID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.When)
	if _, err := o.scheduler.RunNow(ctx, tasks.TidyJobID); err != nil {
		log.Fatal(err)
	}
	if err := o.work(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// + schedule#tidy
	// cron "30 2 * * *" in Europe/Berlin
	// tidy
}

// A new version of a program changes what an earlier one declared, and cancels what
// it declares no longer. A dry run shows the difference.
func Example_registerSchedulesOfANewVersion() {
	ctx := context.Background()
	o, err := open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	// What the annotations of the earlier version came to: TidyTask ran at four, and there
	// was a GreetTask.
	greetSpec := runtime.Spec[struct{}]{Type: "greet", Queue: "reports"}
	_, err = schedule.Declare(ctx, o.scheduler, "reports", []schedule.Declaration{
		schedule.Recurring(schedule.Cron("0 4 * * *", "Europe/Berlin"), schedule.SkipOverlap, &tasks.TidySpec),
		schedule.Recurring(schedule.Cron("@daily", ""), schedule.AllowOverlap, &greetSpec),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, opts := range [][]schedule.RegisterOption{{schedule.DryRun()}, nil, nil} {
		changes, err := tasks.RegisterSchedules(ctx, o.scheduler, opts...)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("dry run: %t, nothing differs: %t\n%s", len(opts) > 0, changes.Empty(), changes)
	}
	jobs, _, err := o.scheduler.List(ctx, schedule.Filter{}, "", 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, job := range jobs {
		fmt.Println(job.Task.Type, job.State, job.When)
	}
	// Output:
	// dry run: true, nothing differs: false
	// - schedule#greet
	// ~ schedule#tidy
	// dry run: false, nothing differs: false
	// - schedule#greet
	// ~ schedule#tidy
	// dry run: false, nothing differs: true
	// greet cancelled cron "@daily" in UTC
	// tidy scheduled cron "30 2 * * *" in Europe/Berlin
}
