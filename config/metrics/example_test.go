package metrics_test

import (
	"context"
	"fmt"
	"log"
	"net/http/pprof"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/memory"
	metricsconfig "github.com/taskgen/taskgen/config/metrics"
	"github.com/taskgen/taskgen/runtime"
)

// A program adds its profiles to the server of its metrics. Without the section there is no
// server.
func ExampleOf() {
	ctx := context.Background()
	c, err := config.Parse("tasks.yaml", []byte(`
providers:
  main: {url: "memory:"}
metrics:
  listen: 127.0.0.1:0
`))
	if err != nil {
		log.Fatal(err)
	}
	program, err := c.Build(ctx, config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}}) // tasks.Queues()
	if err != nil {
		log.Fatal(err)
	}
	defer program.Close()
	if server := metricsconfig.Of(program); server != nil {
		server.Mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		fmt.Println(server.Addr.Network())
	}
	// Output:
	// tcp
}

// It is safe for a program that has no server.
func ExampleServer() {
	var server *metricsconfig.Server = metricsconfig.Of(&config.Program{})
	fmt.Println(server == nil)
	// Output:
	// true
}
