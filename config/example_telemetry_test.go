package config_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/observe"
)

// The sections metrics and traces lead to what packages register for them: config/metrics and
// config/traces, or those of one's own, which the tests of this package have.
func init() {
	config.RegisterMetrics(buildMetrics)
	config.RegisterTraces(buildTraces)
}

func buildMetrics(ctx context.Context, c config.MetricsConfig, traces *config.Telemetry, deps config.Deps) (*config.Telemetry, error) {
	if telemetry.metrics != nil { // a test
		return telemetry.metrics(c, traces, deps)
	}
	enqueued := 0
	return &config.Telemetry{
		Listener: &observe.Listener{EnqueueEnd: func(_ context.Context, e *observe.Enqueue) { enqueued += len(e.Tasks) }},
		Close: func(context.Context) error {
			fmt.Printf("%s is told of %d tasks\n", c.Listen, enqueued)
			return nil
		},
	}, nil
}

func buildTraces(ctx context.Context, c config.TracesConfig, deps config.Deps) (*config.Telemetry, error) {
	if telemetry.traces != nil { // a test
		return telemetry.traces(c, deps)
	}
	return &config.Telemetry{Listener: &observe.Listener{}}, nil
}

// A program that shows its metrics in a way of its own registers it, in place of an import of
// package config/metrics.
func ExampleRegisterMetrics() {
	ctx := context.Background()
	c := config.Config{
		Providers: map[string]config.ProviderConfig{"main": {URL: config.NewURL("memory:")}},
		Metrics:   config.MetricsConfig{Listen: "graphite.example.com:2003"},
	}
	program, err := c.Build(ctx, config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}}) // tasks.Queues()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := runtime.Enqueue(ctx, program.Manager, &welcomeSpec, &WelcomeTask{User: "ada"}); err != nil {
		log.Fatal(err)
	}
	if err := program.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// graphite.example.com:2003 is told of 1 tasks
}

// Whether a program is watched can be said in code, too.
func ExampleTracesConfig() {
	c := config.Config{
		Fleet:   config.FleetConfig{Provider: "main"},
		History: config.HistoryConfig{Provider: "main", Retention: 30 * 24 * time.Hour, MaxBytes: 1 << 30},
		Metrics: config.MetricsConfig{Listen: "127.0.0.1:9464"},
		Traces:  config.TracesConfig{Ratio: new(config.Ratio(0.01)), Endpoint: config.NewURL("https://shop:p4ss@collector:4318")},
	}
	endpoint, headers, err := c.Traces.Collector()
	fmt.Println(c.Traces.Endpoint, endpoint, len(headers), err)
	// Output:
	// https://shop:••••@collector:4318 https://collector:4318/v1/traces 1 <nil>
}
