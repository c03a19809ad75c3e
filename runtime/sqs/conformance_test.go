package sqs

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/queuetest"
)

var rooms atomic.Int64

// client talks to a server on loopback.
func client(endpoint string) *awssqs.Client {
	return awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func endpoint(testing.TB) string { return os.Getenv("TASKGEN_TEST_SQS_ENDPOINT") }

var standard = queuetest.Harness{
	Name: "sqs-standard",
	Home: queuetest.OnServer,
	Data: func(tb testing.TB) string {
		return endpoint(tb) + "|" + fmt.Sprintf("t%d-%d-", os.Getpid(), rooms.Add(1))
	},
	Open: func(addr string, clock runtime.Clock) (runtime.Provider, error) {
		url, prefix, _ := strings.Cut(addr, "|")
		return New(client(url), WithClock(clock), WithPrefix(prefix), WithWait(time.Second))
	},
	Downgrades: map[queuetest.Law]string{
		queuetest.Contract:           "x",
		queuetest.NothingIsLost:      "x",
		queuetest.StaleReceipts:      "x",
		queuetest.AcksSurviveTrouble: "x",
		queuetest.UniqueMeansTold:    "x",
	},
}

func TestStandardKeepsTheLaws(t *testing.T) { queuetest.Run(t, standard) }
