package sqs_test

import (
	"context"
	"fmt"
	"log"
	"strings"

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
	p, err := sqs.Open(context.Background(), "sqs://eu-central-1", sqs.WithQueue("orders", sqs.Existing{
		URL:   "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
		DLQ:   "https://sqs.eu-central-1.amazonaws.com/123456789012/orders-failed",
		Codec: lines{},
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
}
