package sqs_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// lines is the codec of messages such as "order.made 1001": a type and a number.
type lines struct{}

func (lines) Decode(m sqs.Message) (*runtime.Task, error) {
	kind, order, ok := strings.Cut(m.Body, " ")
	if !ok {
		return nil, fmt.Errorf("%q is no event", m.Body)
	}
	return &runtime.Task{Type: kind, Payload: []byte(order)}, nil
}

func (lines) Encode(t *runtime.Task) (sqs.Message, error) {
	return sqs.Message{Body: t.Type + " " + string(t.Payload)}, nil
}

// Messages of another program that are neither envelopes nor JSON have a codec.
func ExampleCodec() {
	s := newServer("orders", "orders-failed")
	defer s.Stop()
	p, err := sqs.New(s.Client(), sqs.WithCloseWait(0), sqs.WithQueue("orders", sqs.Existing{
		URL:   s.url["orders"], // https://sqs.eu-central-1.amazonaws.com/123456789012/orders
		DLQ:   s.url["orders-failed"],
		Codec: lines{},
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	body, to := "order.made 1001", s.url["orders"]
	s.send(&awssqs.SendMessageInput{QueueUrl: &to, MessageBody: &body})

	ctx := context.Background()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "orders"})
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
	// order.made 1001
	// <nil>
}
