package otelmetrics_test

import (
	"context"
	"fmt"
	"log"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/metrics/otelmetrics"
	"github.com/taskgen/taskgen/runtime/observe"
)

// A program that exports by OpenTelemetry gives its meter provider. This one reads it by
// hand; sdk.NewPeriodicReader exports.
func Example() {
	reader := sdk.NewManualReader()
	m, err := otelmetrics.New(otelmetrics.Config{MeterProvider: sdk.NewMeterProvider(sdk.WithReader(reader))})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	manager := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{m.Listener()}})
	if err := manager.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail", Types: []string{"welcome"}}); err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, manager, spec, &to); err != nil {
		log.Fatal(err)
	}

	var data metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &data); err != nil {
		log.Fatal(err)
	}
	for _, scope := range data.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if sum, ok := metric.Data.(metricdata.Sum[int64]); ok {
				fmt.Println(metric.Name, sum.DataPoints[0].Value)
			}
		}
	}
	// Output: messaging.client.sent.messages 1
}
