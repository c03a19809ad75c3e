package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/tracing"
)

// A task that fails once is five spans: one for the enqueue, and for each run one of the
// handler and one of its settlement. Each run links to the enqueue, and the second to the
// first.
func ExampleNew() {
	exporter := tracetest.NewInMemoryExporter() // a program has one that sends the spans
	tracer := tracing.New(tracing.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)),
	})
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{tracer.Listener()}})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail", Retry: runtime.RetryPolicy{Max: 1}}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(ctx context.Context, _ string) error {
		if info, _ := runtime.TaskFromContext(ctx); info.Attempt == 1 {
			return runtime.RetryAfter(0, errors.New("the mail server is busy"))
		}
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	for _, span := range exporter.GetSpans() {
		fmt.Printf("%s (%s), links: %d\n", span.Name, span.SpanKind, len(span.Links))
	}
	// Unordered output:
	// send mail (producer), links: 0
	// process mail (consumer), links: 1
	// release mail (client), links: 1
	// process mail (consumer), links: 2
	// ack mail (client), links: 1
}
