// Command rabbitmq measures taskgen on RabbitMQ beside Watermill and the Go CDK,
// and beside the client alone, with no-op tasks.
package main

import (
	"context"
	"fmt"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/report"
	"github.com/taskgen/taskgen/internal/testserver"
)

func main() { contest.Main(declared) }

var declared = contest.Contest{
	Broker:     "rabbitmq",
	Start:      start,
	Contenders: []contest.Contender{taskgen(), watermillAMQP(), gocloudRabbit(), raw()},
	Goals:      func(r *contest.Result) []report.Goal { return r.Beside(0.6, rawName, watermillName) },
}

// start starts a broker of one node. Every contender uses a quorum queue: what the
// broker has confirmed is on the disk.
func start(context.Context) (*contest.Broker, error) {
	// The queues of a run are removed at its end: the broker must be nobody else's.
	if err := os.Unsetenv("TASKGEN_TEST_RABBITMQ_URL"); err != nil {
		return nil, err
	}
	server, err := testserver.RabbitMQ()
	if err != nil {
		return nil, err
	}
	conn, err := amqp.Dial(server.URL)
	if err != nil {
		return nil, err
	}
	return &contest.Broker{
		URL:   server.URL,
		About: fmt.Sprintf("RabbitMQ %s, one node, quorum queues, on loopback", conn.Properties["version"]),
		// The peers remove their queues when they are closed.
		Clear:    func(context.Context) error { return clearTaskgen(conn) },
		Counters: brokerCPU,
		Stop: func() error {
			_ = conn.Close()
			return server.Stop()
		},
	}, nil
}

const name = "contest-peer"

var quorum = amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": -1}

// declare makes a quorum queue, and returns what counts and what deletes it.
func declare(url string) (count func(context.Context) (int64, error), remove func(context.Context) error, err error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	if _, err := ch.QueueDeclare(name, true, false, false, false, quorum); err != nil {
		return nil, nil, err
	}
	count = func(context.Context) (int64, error) {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, quorum)
		return int64(q.Messages), err
	}
	remove = func(context.Context) error {
		if _, err := ch.QueueDelete(name, false, false, false); err != nil {
			return err
		}
		return conn.Close()
	}
	return count, remove, nil
}
