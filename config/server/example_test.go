package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/memory"
	serverconfig "github.com/taskgen/taskgen/config/server"
	"github.com/taskgen/taskgen/runtime"
)

// Welcome is a payload, and welcomeSpec is in the generated package: tasks.WelcomeSpec.
type Welcome struct {
	User string `json:"user"`
}

var welcomeSpec = runtime.Spec[Welcome]{Type: "welcome", Queue: "mail"}

// A program serves its API where its file says so, and other programs enqueue by it.
func ExampleOf() {
	ctx, stop := context.WithCancel(context.Background())
	c, err := config.Parse("tasks.yaml", []byte(`
providers:
  main: {url: "memory:"}
server:
  listen: 127.0.0.1:0
  tokens:
    shop: {role: operator, secret: 5b1f6a0c9d3e4872}
`))
	if err != nil {
		log.Fatal(err)
	}
	program, err := c.Build(ctx, config.Code{
		Queues: []runtime.QueueConfig{{Name: "mail"}}, // tasks.Queues()
		Types:  []config.TaskType{&welcomeSpec},
	})
	if err != nil {
		log.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- program.Run(ctx) }()

	url := "http://" + serverconfig.Of(program).Addr.String() + "/taskgen.v1.QueueMonitoringService/ListTypes"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer 5b1f6a0c9d3e4872")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	stop()
	fmt.Println(<-over)
	// Output:
	// 200 OK
	// <nil>
}

// It is safe for a program that has no server.
func ExampleAPI() {
	var api *serverconfig.API = serverconfig.Of(&config.Program{})
	fmt.Println(api == nil)
	// Output:
	// true
}
