package sqs_test

import (
	"context"
	"log"

	"github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// The queue "orders" subscribes a topic of SNS, whose publishers know nothing of taskgen: the
// payload is the JSON that they publish, the type of the task is in an attribute.
func ExampleSNS() {
	p, err := sqs.Open(context.Background(), "sqs://eu-central-1", sqs.WithQueue("orders", sqs.Existing{
		URL:        "https://sqs.eu-central-1.amazonaws.com/123456789012/order-events",
		DLQ:        "https://sqs.eu-central-1.amazonaws.com/123456789012/order-events-failed",
		Codec:      sqs.SNS(sqs.JSONByAttribute("event")),
		MaxRetries: 5,
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}

// The queue "mail" stands on SQS queues that were made by hand, of another account.
func ExampleWithQueue() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	p, err := sqs.New(awssqs.NewFromConfig(cfg), sqs.WithQueue("mail", sqs.Existing{
		URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/Mail_Inbound",
		DLQ: "https://sqs.eu-central-1.amazonaws.com/123456789012/failed-mail",
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
}
