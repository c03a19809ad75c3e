package traces_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/memory"
	tracesconfig "github.com/taskgen/taskgen/config/traces"
	"github.com/taskgen/taskgen/runtime"
)

// The spans of HTTP clients and databases belong below those of the runs that use them: their
// libraries take the global provider.
func ExampleOf() {
	ctx := context.Background()
	c, err := config.Parse("tasks.yaml", []byte(`
providers:
  main: {url: "memory:"}
traces:
  enabled: ${TRACES:-false}
  ratio: 0.01
`))
	if err != nil {
		log.Fatal(err)
	}
	program, err := c.Build(ctx, config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}}) // tasks.Queues()
	if err != nil {
		log.Fatal(err)
	}
	defer program.Close()
	otel.SetTracerProvider(tracesconfig.Of(program))
	_, span := otel.Tracer("shop").Start(ctx, "start")
	defer span.End()
	fmt.Println("recorded:", span.IsRecording())
	// Output:
	// recorded: false
}
