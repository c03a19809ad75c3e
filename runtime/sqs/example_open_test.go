package sqs_test

import (
	"context"
	"log"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// A URL names the region, credentials come from the chain of the SDK, and the queues that
// are missing are created.
func ExampleOpen() {
	ctx := context.Background()
	p, err := sqs.Open(ctx, "sqs://eu-central-1?prefix=prod-")
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

// A worker whose queues are declared elsewhere, and that is to cost few requests.
func ExampleNew() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	p, err := sqs.New(awssqs.NewFromConfig(cfg),
		sqs.WithPrefix("prod-"),
		sqs.WithoutCreate(),               // sqs:CreateQueue is not permitted
		sqs.WithWait(20*time.Second),      // of a poll that finds nothing
		sqs.WithMaxPolls(4),               // at the same time, of each queue
		sqs.WithCloseWait(30*time.Second), // for polls that are under way at the end
		sqs.RetryByVisibility(),           // a retry costs one request less
		sqs.WithStarvationFree(10),        // every tenth Dequeue begins at the lowest level
	)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}

// The queue "uploads" is fed by a bucket of S3, and "orders" by a program whose messages are
// JSON, all of one type.
func ExampleS3Event() {
	p, err := sqs.Open(context.Background(), "sqs://eu-central-1",
		sqs.WithQueue("uploads", sqs.Existing{
			URL:   "https://sqs.eu-central-1.amazonaws.com/123456789012/bucket-events",
			DLQ:   "https://sqs.eu-central-1.amazonaws.com/123456789012/bucket-events-failed",
			Codec: sqs.S3Event("upload"),
		}),
		sqs.WithQueue("orders", sqs.Existing{
			URL:   "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
			DLQ:   "https://sqs.eu-central-1.amazonaws.com/123456789012/orders-failed",
			Codec: sqs.JSON("order.made"),
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
