package sqstest_test

import (
	"context"
	"fmt"
	"log"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqs"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// A message of another program is read from a queue that was made by hand, by a worker
// that has no more permissions than it needs.
func Example() {
	ctx := context.Background()
	server := sqstest.New(nil)
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	defer server.Stop()
	client := server.Client()
	url := make(map[string]string)
	for _, name := range []string{"order-events", "order-events-failed"} {
		made, err := client.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			log.Fatal(err)
		}
		url[name] = *made.QueueUrl
	}
	server.Permit("", "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes")

	p, err := sqs.New(client, sqs.WithCloseWait(0), sqs.WithQueue("orders", sqs.Existing{
		URL: url["order-events"], DLQ: url["order-events-failed"], Codec: sqs.JSON("order.made"),
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "orders"})
	if err != nil {
		log.Fatal(err)
	}
	body, to := `{"order": 7}`, url["order-events"]
	if _, err := client.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: &to, MessageBody: &body}); err != nil {
		log.Fatal(err)
	}
	ds, err := q.Dequeue(ctx, 10, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ds[0].Task.Type, string(ds[0].Task.Payload))
	if err := q.Complete(ctx, ds); err != nil {
		log.Fatal(err)
	}
	// Output: order.made {"order": 7}
}
