package tracing_test

import (
	"context"
	"fmt"
	"log"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/memory"
	"github.com/taskgen/taskgen/runtime/observe"
	"github.com/taskgen/taskgen/runtime/tracing"
)

// With ParentFromProducer a request and the tasks that it enqueued are one trace.
func ExampleConfig() {
	provider := sdktrace.NewTracerProvider()
	tracer := tracing.New(tracing.Config{TracerProvider: provider, ParentFromProducer: true})
	ctx := context.Background()
	m := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{tracer.Listener()}})
	if err := m.Open(ctx, memory.New(), runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	r := runtime.NewRouter()
	var ran string
	runtime.Register(r, spec, func(ctx context.Context, _ string) error {
		ran = tracing.Exemplar(ctx)[tracing.LogTraceID]
		return nil
	})
	p, err := runtime.NewPool(m, r, runtime.PoolConfig{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	request, span := provider.Tracer("shop").Start(ctx, "GET /signup")
	to := "ada"
	if _, err := runtime.Enqueue(request, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	span.End()
	if _, err := p.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("one trace:", ran == span.SpanContext().TraceID().String())
	// Output: one trace: true
}
