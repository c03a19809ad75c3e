package sqs_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// The queue "orders" subscribes to a topic of SNS, whose publishers do not use taskgen. The
// payload is the JSON that they publish, and an attribute has the type of the task.
func ExampleSNS() {
	s := newServer("order-events", "order-events-failed")
	defer s.Stop()
	p, err := sqs.New(s.Client(), sqs.WithCloseWait(0), sqs.WithQueue("orders", sqs.Existing{
		URL:        s.url["order-events"], // https://sqs.eu-central-1.amazonaws.com/123456789012/order-events
		DLQ:        s.url["order-events-failed"],
		Codec:      sqs.SNS(sqs.JSONByAttribute("event")),
		MaxRetries: 5,
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	s.send(&awssqs.SendMessageInput{ // as SNS does with raw message delivery
		QueueUrl:          aws.String(s.url["order-events"]),
		MessageBody:       aws.String(`{"order":7}`),
		MessageAttributes: map[string]types.MessageAttributeValue{"event": {DataType: aws.String("String"), StringValue: aws.String("order.made")}},
	})

	ctx := context.Background()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "orders"})
	if err != nil {
		log.Fatal(err)
	}
	ds, err := q.Dequeue(ctx, 1, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ds[0].Task.Type, string(ds[0].Task.Payload), "retries:", ds[0].Task.MaxRetries)
	fmt.Println(q.Complete(ctx, ds))
	// Output:
	// order.made {"order":7} retries: 5
	// <nil>
}

// The queue "mail" uses SQS queues that were made by hand, in this account or another, and
// messages that are plain JSON.
func ExampleWithQueue() {
	s := newServer("Mail_Inbound", "failed-mail")
	defer s.Stop()
	p, err := sqs.New(s.Client(), sqs.WithCloseWait(0), sqs.WithQueue("mail", sqs.Existing{
		URL:   s.url["Mail_Inbound"], // https://sqs.eu-central-1.amazonaws.com/123456789012/Mail_Inbound
		DLQ:   s.url["failed-mail"],
		Codec: sqs.JSON("mail.received"),
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	s.send(&awssqs.SendMessageInput{QueueUrl: aws.String(s.url["Mail_Inbound"]), MessageBody: aws.String(`{"from":"ada"}`)})

	ctx := context.Background()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "mail"})
	if err != nil {
		log.Fatal(err)
	}
	ds, err := q.Dequeue(ctx, 1, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ds[0].Task.Type, string(ds[0].Task.Payload))
	fmt.Println(q.Complete(ctx, ds))
	// Output:
	// mail.received {"from":"ada"}
	// <nil>
}
