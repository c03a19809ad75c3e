package sqs_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// A URL names the region, credentials come from the chain of the SDK, and the queues that
// are missing are created. Without the endpoint of a server in this process, the URL is that
// of AWS.
func ExampleOpen() {
	s := newServer()
	defer s.Stop()
	ctx := context.Background()
	p, err := sqs.Open(ctx, "sqs://eu-central-1?prefix=prod-&endpoint="+s.URL(), sqs.WithCloseWait(0), sqs.WithLogger(slog.Default().With("component", "tasks")))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	m := runtime.NewManager(runtime.ManagerConfig{})
	if err := m.Open(ctx, p, runtime.QueueConfig{Name: "mail"}); err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	spec := &runtime.Spec[string]{Type: "welcome", Queue: "mail"}
	r := runtime.NewRouter()
	runtime.Register(r, spec, func(_ context.Context, to string) error {
		fmt.Println("welcome,", to)
		return nil
	})
	pool, err := runtime.NewPool(m, r, runtime.PoolConfig{})
	if err != nil {
		log.Fatal(err)
	}
	to := "ada"
	if _, err := runtime.Enqueue(ctx, m, spec, &to); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Drain(ctx); err != nil { // a program has pool.Run
		log.Fatal(err)
	}
	// Output: welcome, ada
}

// A worker whose queues are created elsewhere, and which makes few requests. Its client
// comes from awssqs.NewFromConfig.
func ExampleNew() {
	s := newServer()
	defer s.Stop()
	p, err := sqs.New(s.Client(),
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
	_, err = p.Open(context.Background(), runtime.QueueConfig{Name: "mail"})
	fmt.Println(err)
	// Output: queue "mail" in SQS: its dead letter queue: the SQS queue prod-mail-dlq does not exist, and WithoutCreate forbids creating it
}

// The queue "uploads" receives the events of a bucket of S3.
func ExampleS3Event() {
	s := newServer("bucket-events", "bucket-events-failed")
	defer s.Stop()
	p, err := sqs.New(s.Client(), sqs.WithCloseWait(0), sqs.WithQueue("uploads", sqs.Existing{
		URL:   s.url["bucket-events"], // https://sqs.eu-central-1.amazonaws.com/123456789012/bucket-events
		DLQ:   s.url["bucket-events-failed"],
		Codec: sqs.S3Event("upload"),
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	event, to := `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}`, s.url["bucket-events"]
	s.send(&awssqs.SendMessageInput{QueueUrl: &to, MessageBody: &event})

	ctx := context.Background()
	q, err := p.Open(ctx, runtime.QueueConfig{Name: "uploads"})
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
	// upload {"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}
	// <nil>
}
