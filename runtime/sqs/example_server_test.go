package sqs_test

import (
	"context"
	"log"
	"os"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// A server is an SQS in this process, in place of that of AWS.
type server struct {
	*sqstest.Server
	url map[string]string // of its queues, by name
}

// newServer starts a server on which the queues exist. The SDK finds credentials for it in
// the environment.
func newServer(queues ...string) server {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		check(os.Setenv(name, value))
	}
	s := server{sqstest.New(nil), make(map[string]string)}
	check(s.Start())
	for _, name := range queues {
		made, err := s.Client().CreateQueue(context.Background(), &awssqs.CreateQueueInput{QueueName: &name})
		check(err)
		s.url[name] = *made.QueueUrl
	}
	return s
}

// send sends a message as a program without taskgen does.
func (s server) send(m *awssqs.SendMessageInput) {
	_, err := s.Client().SendMessage(context.Background(), m)
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
