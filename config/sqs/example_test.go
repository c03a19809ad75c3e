package sqs_test

import (
	"context"
	"log"

	"github.com/taskgen/taskgen/config"
	sqsconfig "github.com/taskgen/taskgen/config/sqs"
)

// The queues of this program are declared elsewhere.
func ExampleOptions() {
	p, err := config.OpenProvider(context.Background(), "sqs://eu-central-1",
		config.WithOptions(sqsconfig.Options{Prefix: "prod-", Create: new(false)}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}

// Queues that exist already, with names of their own, are given by the names under which
// the program declares its queues.
func ExampleQueue() {
	p, err := config.OpenProvider(context.Background(), "sqs://eu-central-1",
		config.WithOptions(sqsconfig.Options{Queues: map[string]sqsconfig.Queue{
			"mail": {
				URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/outgoing-mail",
				DLQ: "https://sqs.eu-central-1.amazonaws.com/123456789012/outgoing-mail-failed",
			},
		}}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
