package all_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime"
)

type thumbnail struct {
	Image string `json:"image"`
}

var thumbnailSpec = runtime.Spec[thumbnail]{Type: "thumbnail", Queue: "thumbnails", Retry: runtime.RetryPolicy{Max: 0, Base: time.Hour}}

// classicQueue makes the two queues of a classic setup, and returns their URLs.
func classicQueue(t *testing.T, endpoint string) (live, dead string) {
	t.Helper()
	cfg, err := awsconfig.LoadDefaultConfig(within(t), awsconfig.WithRegion("us-east-1"))
	require.NoError(t, err)
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &endpoint })
	create := func(name string, attributes map[string]string) string {
		q, err := client.CreateQueue(within(t), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		require.NoError(t, err)
		return *q.QueueUrl
	}
	dead = create("classic-dlq", map[string]string{"MessageRetentionPeriod": "1209600"})
	attributes, err := client.GetQueueAttributes(within(t), &sqs.GetQueueAttributesInput{QueueUrl: &dead, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	require.NoError(t, err)
	policy := `{"deadLetterTargetArn":` + strconv.Quote(attributes.Attributes["QueueArn"]) + `,"maxReceiveCount":"1000"}`
	live = create("classic", map[string]string{"MessageRetentionPeriod": "1209600", "RedrivePolicy": policy})
	return live, dead
}

// The variables are those of the classic setup, all of them; there is no file.
func TestTheClassicVariablesAloneRunAWorkerOnSQS(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test") // an emulator takes any
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ENDPOINT_URL_SQS", sharedSQS(t)) // no name server knows the host of the emulator's URLs
	live, dead := classicQueue(t, sharedSQS(t))
	for name, value := range map[string]string{
		"SQS_QUEUE_URL": live, "SQS_DLQ_URL": dead, "SQS_VISIBILITY_TIMEOUT": "60", "SQS_MAX_RECEIVE_COUNT": "5", "SQS_WAIT_TIME_SECONDS": "1",
		"QUEUE_WORKER_COUNT": "3", "QUEUE_BATCH_SIZE": "10", "QUEUE_PROCESSING_TIMEOUT": "50ms", "QUEUE_MAX_RETRIES": "2", "QUEUE_RETRY_BASE_DELAY": "1ms", "QUEUE_RETRY_MAX_DELAY": "1s",
	} {
		t.Setenv(name, value)
	}
	c, err := config.FromEnvironment()
	require.NoError(t, err)
	assert.Equal(t, 3, c.Pool.Workers)

	var log strings.Builder
	causes := make(chan error, 10)
	p, err := c.Build(within(t), config.Code{
		Queues: []runtime.QueueConfig{{Name: "thumbnails", Types: []string{"thumbnail"}}},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Handlers: func(r *runtime.Router) {
			runtime.Register(r, &thumbnailSpec, func(ctx context.Context, task thumbnail) error {
				info, _ := runtime.TaskFromContext(ctx)
				switch info.Attempt {
				case 1:
					<-ctx.Done()
					causes <- context.Cause(ctx)
					return errors.New("too slow")
				case 2:
					return errors.New("once more")
				}
				causes <- nil
				return nil
			})
		},
	})
	require.NoError(t, err)
	assert.Contains(t, log.String(), "QUEUE_BATCH_SIZE has no effect")
	q, err := p.Manager.Queue("thumbnails")
	require.NoError(t, err)
	assert.Equal(t, time.Minute, q.Config().Visibility)
	assert.Equal(t, 5, q.Config().MaxDeliveries)

	ctx, stop := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	_, err = runtime.Enqueue(ctx, p.Manager, &thumbnailSpec, &thumbnail{Image: "cat.png"})
	require.NoError(t, err)
	require.ErrorIs(t, <-causes, runtime.ErrTimeout, "a run is bounded")
	require.NoError(t, <-causes, "it is retried twice, soon")
	stop()
	require.NoError(t, <-done)
}

func TestWhatTheClassicVariablesCannotSayIsAnError(t *testing.T) {
	const here = "https://sqs.eu-central-1.amazonaws.com/123456789012/mail"
	for _, c := range []struct {
		set  map[string]string
		want string
	}{
		{map[string]string{"SQS_QUEUE_URL": "mail"}, "environment: SQS_QUEUE_URL: this is not the URL of an SQS queue"},
		{map[string]string{"SQS_QUEUE_URL": here, "SQS_DLQ_URL": "http://app:password@localhost/1/dead"}, "environment: SQS_DLQ_URL: this is not the URL of an SQS queue"},
		{map[string]string{"SQS_QUEUE_URL": here, "SQS_VISIBILITY_TIMEOUT": "soon"}, "environment: SQS_VISIBILITY_TIMEOUT: write a number of seconds, like 30, or a duration, like 30s"},
		{map[string]string{"SQS_QUEUE_URL": here, "QUEUE_WORKER_COUNT": "0"}, "environment: QUEUE_WORKER_COUNT: write a whole number of at least 1"},
		{map[string]string{"SQS_QUEUE_URL": here, "QUEUE_BATCH_SIZE": "x"}, "environment: QUEUE_BATCH_SIZE: write a whole number of at least 1"},
		{map[string]string{"SQS_QUEUE_URL": here, "QUEUE_MAX_RETRIES": "-1"}, "environment: QUEUE_MAX_RETRIES: write a whole number of at least 0"},
		{map[string]string{"SQS_QUEUE_URL": here}, "a worker needs a dead letter queue: set SQS_DLQ_URL"},
		{map[string]string{"SQS_QUEUE_URL": here, "SQS_DLQ_URL": here + "-dlq", "SQS_VISIBILITY_TIMEOUT": "10"}, "queue thumbnails has a visibility of 10s, and the code declares 30s"},
		{map[string]string{"SQS_QUEUE_URL": here, "TASKGEN_PROVIDERS_MAIN_URL": "memory:"}, "SQS_QUEUE_URL is set beside TASKGEN_PROVIDERS_…: unset one of them"},
	} {
		t.Run(c.want, func(t *testing.T) {
			for name, value := range c.set {
				t.Setenv(name, value)
			}
			made, err := config.FromEnvironment()
			if err == nil {
				_, err = made.Build(within(t), config.Code{Queues: []runtime.QueueConfig{{Name: "thumbnails"}}, Handlers: func(*runtime.Router) {}})
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Setenv("SQS_QUEUE_URL", here)
	made, err := config.FromEnvironment()
	require.NoError(t, err)
	_, err = made.Build(within(t), config.Code{Queues: []runtime.QueueConfig{{Name: "a"}, {Name: "b"}}})
	require.ErrorContains(t, err, "SQS_QUEUE_URL is one queue, and the code has several, a and b among them")
	_, err = made.Build(within(t), config.Code{})
	require.ErrorContains(t, err, "the code declares no queue")
}
