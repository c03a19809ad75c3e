// Command sqs measures taskgen on SQS beside Watermill and the Go CDK, and beside
// the SDK alone, with no-op tasks: how many requests a task takes, which is what
// SQS costs, and how many tasks a second an emulator does.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/bench/contest"
	"github.com/taskgen/taskgen/bench/report"
	"github.com/taskgen/taskgen/internal/testserver"
)

func main() { contest.Main(declared) }

var declared = contest.Contest{
	Broker:     "sqs",
	Start:      start,
	Contenders: []contest.Contender{taskgen(), watermillSQS(), gocloudSQS(), raw()},
	Goals:      goals,
}

// goals are of requests: a task is enqueued and drained at the same time, by who
// enqueues batches, or enqueued by 32 callers and drained then. A run without
// loopback has none.
func goals(r *contest.Result) []report.Goal {
	rate := func(stage contest.Stage) *contest.Rate { return r.Rate(contest.Loopback, "taskgen", stage) }
	flow, many, drain := rate(contest.Flow), rate(contest.Many), rate(contest.Drain)
	if flow == nil || many == nil || drain == nil {
		return nil
	}
	requests := func(of *contest.Rate) float64 { return of.PerTask[contest.Requests].Median }
	return []report.Goal{
		report.AtMost("requests of a task, enqueued in batches and drained at the same time", requests(flow), 0.4),
		report.AtMost("requests of a task, enqueued by 32 callers and drained then", requests(many)+requests(drain), 0.4),
	}
}

// start starts the emulator that has the semantics of queues right.
func start(context.Context) (*contest.Broker, error) {
	// Every queue is removed between stages: they must be nobody else's.
	if err := os.Unsetenv("TASKGEN_TEST_SQS_ENDPOINT"); err != nil {
		return nil, err
	}
	server, err := testserver.SQS()
	if err != nil {
		return nil, err
	}
	c := newClient(server.URL)
	return &contest.Broker{
		URL:   server.URL,
		About: "fauxqs 1.9.2, an emulator of SQS on one Node.js process, on loopback: its rates are not those of AWS",
		Clear: func(ctx context.Context) error { return clearAll(ctx, c) },
		Counters: func(context.Context) (map[string]float64, error) {
			return map[string]float64{contest.Requests: float64(counting.n.Load())}, nil
		},
		Stop: server.Stop,
	}, nil
}

func clearAll(ctx context.Context, c *sqs.Client) error {
	pages := sqs.NewListQueuesPaginator(c, &sqs.ListQueuesInput{MaxResults: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, url := range page.QueueUrls {
			if _, err := c.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
				return err
			}
		}
	}
	return nil
}
