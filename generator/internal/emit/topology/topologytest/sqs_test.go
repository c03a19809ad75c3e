// Package topologytest compares what package topology writes with what the providers of the
// runtime make. Its tests need the clients of brokers, which a program that uses taskgen would
// download if they stood beside the code.
package topologytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/emit/topology"
	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/sqs"
	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

var declared = []model.Queue{
	{Name: "plain"},
	{Name: "line", Type: model.FIFO, Visibility: 1500 * time.Millisecond, MaxDeliveries: 3, Retention: time.Hour, DLQ: "line_graves"},
	{Name: "7urgent", Type: model.Priority, Levels: 3, MaxDeliveries: 667},
	{Name: "levels", Type: model.Priority, DLQ: "shared"},
	{Name: "many", MaxDeliveries: 400, DLQ: "shared"},
	{Name: "line-fifo", Visibility: 12 * time.Hour},
}

func configs() []driver.QueueConfig {
	var all []driver.QueueConfig
	for _, q := range declared {
		all = append(all, driver.QueueConfig{
			Name: q.Name, Type: driver.QueueType(q.Type), Levels: q.Levels, Visibility: q.Visibility, MaxDeliveries: q.MaxDeliveries, DLQ: q.DLQ, Retention: q.Retention,
		})
	}
	return all
}

// A state is what a server has of a queue: its attributes and tags.
type state struct{ Attributes, Tags map[string]string }

func open(t *testing.T, server *sqstest.Server, opts ...sqs.Option) {
	t.Helper()
	p, err := sqs.New(server.Client(), opts...)
	require.NoError(t, err)
	defer p.Close()
	for _, cfg := range configs() {
		_, err := p.Open(t.Context(), cfg)
		require.NoError(t, err, cfg.Name)
	}
}

var settings = []string{"VisibilityTimeout", "MessageRetentionPeriod", "MaximumMessageSize", "DelaySeconds", "ReceiveMessageWaitTimeSeconds", "FifoQueue", "DeduplicationScope", "FifoThroughputLimit", "RedrivePolicy"}

func states(t *testing.T, server *sqstest.Server) map[string]state {
	t.Helper()
	api := server.Client()
	list, err := api.ListQueues(t.Context(), &awssqs.ListQueuesInput{})
	require.NoError(t, err)
	all := make(map[string]state)
	for _, url := range list.QueueUrls {
		got, err := api.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
		require.NoError(t, err)
		tags, err := api.ListQueueTags(t.Context(), &awssqs.ListQueueTagsInput{QueueUrl: &url})
		require.NoError(t, err)
		s := state{Attributes: make(map[string]string), Tags: tags.Tags}
		for _, name := range settings {
			if v := got.Attributes[name]; v != "" {
				s.Attributes[name] = v
			}
		}
		all[url[strings.LastIndexByte(url, '/')+1:]] = s
	}
	require.NotEmpty(t, all)
	return all
}

// apply makes queues on a server, dead letter queues first, as a tool does.
func apply(t *testing.T, server *sqstest.Server, queues map[string]state, deadOf func(string) string) {
	t.Helper()
	api := server.Client()
	arn := func(name string) string {
		url, err := api.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: &name})
		require.NoError(t, err)
		got, err := api.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
		require.NoError(t, err)
		return got.Attributes["QueueArn"]
	}
	for _, dead := range []bool{true, false} {
		for name, s := range queues {
			if (s.Tags["taskgen-role"] == "dlq") != dead {
				continue
			}
			attributes := maps.Clone(s.Attributes)
			if receives := attributes["RedrivePolicy"]; receives != "" {
				attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%s}`, arn(deadOf(name)), receives)
			}
			_, err := api.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes, Tags: s.Tags})
			require.NoError(t, err, name)
		}
	}
}

// sameAsOpened makes the queues on one server, and has the runtime make them on another.
func sameAsOpened(t *testing.T, queues map[string]state, deadOf func(string) string) {
	t.Helper()
	byRuntime, byTool := sqstest.New(nil), sqstest.New(nil)
	for _, server := range []*sqstest.Server{byRuntime, byTool} {
		require.NoError(t, server.Start())
		t.Cleanup(func() { server.Stop() })
	}
	open(t, byRuntime)
	apply(t, byTool, queues, deadOf)
	assert.Equal(t, states(t, byRuntime), states(t, byTool))
	open(t, byTool, sqs.WithoutCreate())
}

func value(v any) string {
	if f, ok := v.(float64); ok {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprint(v)
}

func TestTerraformMakesWhatTheRuntimeWouldMake(t *testing.T) {
	var doc struct {
		Resource struct {
			Queues map[string]map[string]any `json:"aws_sqs_queue"`
			Alarms map[string]map[string]any `json:"aws_cloudwatch_metric_alarm"`
		}
	}
	text := topology.Terraform(&model.Package{Name: "p", Path: "example.com/p", Queues: declared})
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	attribute := map[string]string{
		"visibility_timeout_seconds": "VisibilityTimeout", "message_retention_seconds": "MessageRetentionPeriod", "max_message_size": "MaximumMessageSize",
		"delay_seconds": "DelaySeconds", "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds", "fifo_queue": "FifoQueue",
		"deduplication_scope": "DeduplicationScope", "fifo_throughput_limit": "FifoThroughputLimit",
	}
	policy := regexp.MustCompile(`^\$\{jsonencode\(\{deadLetterTargetArn = aws_sqs_queue\.([A-Za-z_][A-Za-z0-9_-]*)\.arn, maxReceiveCount = (\d+)\}\)\}$`)
	queues, dead := make(map[string]state), make(map[string]string)
	for label, q := range doc.Resource.Queues {
		assert.Regexp(t, `^[A-Za-z_][A-Za-z0-9_-]*$`, label)
		s := state{make(map[string]string), make(map[string]string)}
		for key, v := range q {
			switch {
			case attribute[key] != "":
				s.Attributes[attribute[key]] = value(v)
			case key == "tags":
				for tag, v := range v.(map[string]any) {
					s.Tags[tag] = v.(string)
				}
			case key == "redrive_policy":
				m := policy.FindStringSubmatch(v.(string))
				require.NotNil(t, m, v)
				s.Attributes["RedrivePolicy"] = m[2]
				dead[q["name"].(string)] = doc.Resource.Queues[m[1]]["name"].(string)
			default:
				require.Equal(t, "name", key)
			}
		}
		queues[q["name"].(string)] = s
	}
	require.Len(t, queues, len(doc.Resource.Queues), "each label is one queue")
	assert.Len(t, doc.Resource.Alarms, len(queues))
	sameAsOpened(t, queues, func(name string) string { return dead[name] })
	by, ok := model.MarkedBy([]byte(text))
	assert.True(t, ok && by == "example.com/p")
}

func TestCloudFormationMakesWhatTheRuntimeWouldMake(t *testing.T) {
	var doc struct {
		Resources map[string]struct {
			Type       string
			Properties map[string]any
		}
	}
	text := topology.CloudFormation(&model.Package{Name: "p", Path: "example.com/p", Queues: declared})
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	queues, dead := make(map[string]state), make(map[string]string)
	alarms := 0
	for id, r := range doc.Resources {
		assert.Regexp(t, `^[A-Za-z0-9]+$`, id)
		if r.Type == "AWS::CloudWatch::Alarm" {
			alarms++
			continue
		}
		require.Equal(t, "AWS::SQS::Queue", r.Type)
		name := r.Properties["QueueName"].(string)
		s := state{make(map[string]string), make(map[string]string)}
		for key, v := range r.Properties {
			switch key {
			case "QueueName":
			case "Tags":
				for _, tag := range v.([]any) {
					s.Tags[tag.(map[string]any)["Key"].(string)] = tag.(map[string]any)["Value"].(string)
				}
			case "RedrivePolicy":
				p := v.(map[string]any)
				s.Attributes[key] = value(p["maxReceiveCount"])
				target := p["deadLetterTargetArn"].(map[string]any)["Fn::GetAtt"].([]any)
				require.Equal(t, "Arn", target[1])
				dead[name] = doc.Resources[target[0].(string)].Properties["QueueName"].(string)
			default:
				s.Attributes[key] = value(v)
			}
		}
		queues[name] = s
	}
	assert.Equal(t, len(queues), alarms)
	sameAsOpened(t, queues, func(name string) string { return dead[name] })
	by, ok := model.MarkedBy([]byte(text))
	assert.True(t, ok && by == "example.com/p")
}
