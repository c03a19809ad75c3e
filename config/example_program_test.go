package config_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/memory" // registers the URLs that begin with memory:
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/schedule"
)

// WelcomeTask would be in a package of tasks, with the generated code.
type WelcomeTask struct {
	User string `json:"user"`
}

var welcomeSpec = runtime.Spec[WelcomeTask]{Type: "welcome", Queue: "mail"}

// A program of a file and its code: what the file names is opened, run, and stopped in
// order.
func ExampleConfig() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute) // signal.NotifyContext in a program
	defer stop()
	c, err := config.Parse("tasks.yaml", []byte(`
providers:
  main:
    url: ${TASKS_URL:-memory:}
queues:
  mail:
    visibility: 1m
pool:
  workers: 4
`))
	if err != nil {
		log.Fatal(err)
	}
	program, err := c.Build(ctx, config.Code{
		Queues: []runtime.QueueConfig{{Name: "mail"}}, // tasks.Queues()
		Handlers: func(r *runtime.Router) { // tasks.RegisterHandlers(r, handlers)
			runtime.Register(r, &welcomeSpec, func(_ context.Context, t WelcomeTask) error {
				fmt.Println("welcome,", t.User)
				stop()
				return nil
			})
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := runtime.Enqueue(ctx, program.Manager, &welcomeSpec, &WelcomeTask{User: "ada"}); err != nil {
		log.Fatal(err)
	}
	if err := program.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// welcome, ada
}

// A program with schedules in its code, whose scheduler keeps the jobs with the provider.
func ExampleCode() {
	ctx := context.Background()
	c := config.Config{Providers: map[string]config.ProviderConfig{"main": {URL: config.NewURL("memory:")}}}
	program, err := c.Build(ctx, config.Code{
		Queues: []runtime.QueueConfig{{Name: "mail"}}, // tasks.Queues()
		Schedules: []config.Schedules{ // tasks.RegisterSchedules
			func(ctx context.Context, in schedule.Scheduler, opts ...schedule.RegisterOption) (schedule.Changes, error) {
				return schedule.Declare(ctx, in, "example.com/shop", []schedule.Declaration{
					schedule.Recurring(schedule.Cron("0 6 * * mon-fri", "Europe/Berlin"), schedule.SkipOverlap, &welcomeSpec),
				}, opts...)
			},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer program.Close()
	for job, err := range schedule.All(ctx, program.Scheduler, schedule.Filter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(job.Task.Type)
	}
	// Output:
	// welcome
}

// The file says what is wrong with it, all at once.
func ExampleLoad() {
	file := filepath.Join(os.TempDir(), "tasks.yaml")
	if err := os.WriteFile(file, []byte("pool:\n  workerz: 4\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file)
	_, err := config.Load(file)
	fmt.Println(err != nil)
	// Output:
	// true
}

// The variables of the environment are enough, without a file.
func ExampleFromEnvironment() {
	os.Setenv("TASKGEN_PROVIDERS_MAIN_URL", "memory:")
	defer os.Unsetenv("TASKGEN_PROVIDERS_MAIN_URL")
	c, err := config.FromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Providers["main"].URL)
	// Output:
	// memory:
}

// A Config can also be made in code, from the flags of a program, say.
func ExampleProviderConfig() {
	c := config.Config{
		Providers: map[string]config.ProviderConfig{"main": {URL: config.NewURL("redis://app@localhost:6379"), Password: config.NewSecret("p4ss")}},
		Queues:    map[string]config.QueueConfig{"mail": {Rate: config.Rate{Limit: 100, Per: time.Second}}},
		Pool:      config.PoolConfig{Workers: 20},
		Results:   config.ResultsConfig{Provider: "main"},
		Scheduler: config.SchedulerConfig{Provider: "main"},
		Log:       config.LogConfig{Level: "debug", Format: "json"},
	}
	fmt.Printf("%s %s\n", c.Providers["main"].URL, c.Providers["main"].Password)
	// Output:
	// redis://••••@localhost:6379 ••••
}

// What is printed of a URL has no password in it.
func ExampleURL() {
	url := config.NewURL("amqp://app:p4ss@localhost:5672/shop")
	fmt.Println(url)
	fmt.Println(url.Reveal())
	// Output:
	// amqp://app:••••@localhost:5672/shop
	// amqp://app:p4ss@localhost:5672/shop
}

// Schema is written into a file that editors read.
func ExampleSchema() {
	schema := config.Schema()
	fmt.Println(string(schema[:1]))
	// Output:
	// {
}
