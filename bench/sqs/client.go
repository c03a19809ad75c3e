package main

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/bench/contest"
)

// A counter counts all HTTP requests: what AWS bills.
type counter struct {
	n    atomic.Int64
	base http.RoundTripper
}

// Do sends a request, as sqs.HTTPClient.
func (c *counter) Do(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.base.RoundTrip(r)
}

var counting = &counter{base: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
	t.MaxIdleConnsPerHost = 2 * (contest.Callers + contest.Workers) // 10 by default, and the rest is dialed anew
}).GetTransport()}

// config is that of every contender.
func config(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(url), HTTPClient: counting,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

func newClient(url string) *sqs.Client { return sqs.NewFromConfig(config(url)) }

const name = "contest"

// create makes the queue of a peer.
func create(ctx context.Context, c *sqs.Client) (url string, err error) {
	out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(name)})
	if err != nil {
		return "", err
	}
	return *out.QueueUrl, nil
}

// left counts what was not deleted.
func left(ctx context.Context, c *sqs.Client, url string) (int64, error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	out, err := c.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, name := range names {
		n, err := strconv.ParseInt(out.Attributes[string(name)], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
