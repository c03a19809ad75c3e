package sqstest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arnOf is the ARN of a queue of the fake.
func arnOf(name string) string { return "arn:aws:sqs:us-east-1:000000000000:" + name }

func TestWhatIsWrongWithARequestIsSaidByItsType(t *testing.T) {
	w := testEnv(t)
	for _, name := range []string{"dead", "plain"} {
		_, err := w.tryCreate(name)
		require.NoError(t, err)
	}
	_, err := w.tryCreate("source", "RedrivePolicy", `{"deadLetterTargetArn":"`+arnOf("dead")+`","maxReceiveCount":1}`)
	require.NoError(t, err)
	_, err = w.tryCreate("line.fifo", "FifoQueue", "true")
	require.NoError(t, err)
	for _, c := range []struct{ operation, body, want string }{
		{"CreateQueue", `{}`, "MissingRequiredParameterException"},
		{"CreateQueue", `{"QueueName":"x.fifo","Attributes":{"FifoQueue":"no"}}`, "InvalidAttributeValue"},
		{"CreateQueue", `{"QueueName":"x","Attributes":{"RedrivePolicy":"{"}}`, "InvalidParameterValueException"},
		{"CreateQueue", `{"QueueName":"x","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"dummy\",\"maxReceiveCount\":42}"}}`, "InvalidParameterValueException"},
		{"CreateQueue", `{"QueueName":"x","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"` + arnOf("dead") + `\",\"maxReceiveCount\":1001}"}}`, "InvalidParameterValueException"},
		{"CreateQueue", `{"QueueName":"x","Attributes":{"RedriveAllowPolicy":"{"}}`, "InvalidParameterValueException"},
		{"CreateQueue", `{"QueueName":"x","Attributes":{"RedriveAllowPolicy":"{\"redrivePermission\":\"maybe\"}"}}`, "InvalidParameterValueException"},
		{"CreateQueue", `{"QueueName":"x","Attributes":{"RedriveAllowPolicy":"{\"redrivePermission\":\"byQueue\"}"}}`, "InvalidParameterValueException"},
		{"GetQueueUrl", `{}`, "MissingRequiredParameterException"},
		{"SetQueueAttributes", `{"QueueUrl":"/plain","Attributes":{"FifoQueue":"true"}}`, "InvalidAttributeName"},
		{"SetQueueAttributes", `{"QueueUrl":"/plain","Attributes":{"DelaySeconds":"soon"}}`, "InvalidAttributeValue"},
		{"SetQueueAttributes", `{"QueueUrl":"/line.fifo","Attributes":{"DeduplicationScope":"world"}}`, "InvalidAttributeValue"},
		{"ListQueues", `{"MaxResults":1001}`, "InvalidParameterValueException"},
		{"ListQueues", `{"NextToken":"YQ=="}`, "InvalidParameterValueException"},
		{"ListDeadLetterSourceQueues", `{"QueueUrl":"/gone"}`, "QueueDoesNotExist"},
		{"ListQueueTags", `{"QueueUrl":"/gone"}`, "QueueDoesNotExist"},
		{"UntagQueue", `{"QueueUrl":"/gone"}`, "QueueDoesNotExist"},
		{"DeleteMessage", `{"QueueUrl":"/gone"}`, "QueueDoesNotExist"},
		{"ChangeMessageVisibilityBatch", `{"QueueUrl":"/gone","Entries":[{"Id":"1"}]}`, "QueueDoesNotExist"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageDeduplicationId":"d"}`, "InvalidParameterValueException"},
		{"SendMessage", `{"QueueUrl":"/line.fifo","MessageBody":"x","MessageDeduplicationId":"d","MessageGroupId":"a b"}`, "InvalidParameterValueException"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageSystemAttributes":{"Other":{}}}`, "InvalidParameterValueException"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"Number"}}}`, "InvalidParameterValueException"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageAttributes":{"a b":{"DataType":"String","StringValue":"x"}}}`, "InvalidParameterValueException"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageAttributes":{"AWS.a":{"DataType":"String","StringValue":"x"}}}`, "InvalidParameterValueException"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Text","StringValue":"x"}}}`, "InvalidParameterValueException"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Number","StringValue":"x"}}}`, "InvalidParameterValueException"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageAttributes":{"a":{"DataType":"String","StringValue":"\u0001"}}}`, "InvalidMessageContents"},
		{"SendMessage", `{"QueueUrl":"/plain","MessageBody":"x","MessageAttributes":{"a":{"DataType":"Binary"}}}`, "InvalidParameterValueException"},
		{"StartMessageMoveTask", `{}`, "MissingRequiredParameterException"},
		{"StartMessageMoveTask", `{"SourceArn":"` + arnOf("gone") + `"}`, "ResourceNotFoundException"},
		{"StartMessageMoveTask", `{"SourceArn":"` + arnOf("dead") + `","DestinationArn":"` + arnOf("gone") + `"}`, "ResourceNotFoundException"},
		{"StartMessageMoveTask", `{"SourceArn":"` + arnOf("dead") + `","DestinationArn":"` + arnOf("line.fifo") + `"}`, "InvalidParameterValueException"},
		{"StartMessageMoveTask", `{"SourceArn":"` + arnOf("dead") + `","MaxNumberOfMessagesPerSecond":501}`, "InvalidParameterValueException"},
		{"ListMessageMoveTasks", `{}`, "MissingRequiredParameterException"},
		{"ListMessageMoveTasks", `{"SourceArn":"` + arnOf("gone") + `"}`, "ResourceNotFoundException"},
		{"ListMessageMoveTasks", `{"SourceArn":"` + arnOf("dead") + `","MaxResults":11}`, "InvalidParameterValueException"},
		{"CancelMessageMoveTask", `{"TaskHandle":"garbage"}`, "InvalidParameterValueException"},
		{"CancelMessageMoveTask", `{"TaskHandle":"YSBi"}`, "ResourceNotFoundException"},
	} {
		_, typ, _ := raw(t, w, "AmazonSQS."+c.operation, c.body)
		assert.Equal(t, "com.amazonaws.sqs#"+c.want, typ, "%s %s", c.operation, c.body)
	}
}

func TestAMoveTaskKeepsTheGroupsOfFIFOQueues(t *testing.T) {
	w := testEnv(t)
	dead, to := w.fifo(), w.fifo()
	w.fifo("RedrivePolicy", w.redrive(dead, 1))
	w.sendGroup(dead, "A", "a1", "a2")
	w.sendGroup(dead, "B", "b1")
	from, destination := w.arn(dead), w.arn(to)
	_, err := w.client.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &from, DestinationArn: &destination})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return w.counts(to) == "3/0/0" }, patience, time.Millisecond)
	assert.ElementsMatch(t, []string{"a1", "a2", "b1"}, groupOrder(w, to))
	list, err := w.client.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &from, MaxResults: aws.Int32(10)})
	require.NoError(t, err)
	require.Len(t, list.Results, 1)
	assert.Equal(t, destination, *list.Results[0].DestinationArn)
	assert.Nil(t, list.Results[0].TaskHandle, "it is over")
}

// groupOrder receives what there is and checks that A comes in its order.
func groupOrder(w *env, url string) (got []string) {
	line := ""
	for _, m := range w.receive(url, 10, 0) {
		if m.Attributes["MessageGroupId"] == "A" {
			line += *m.Body
		}
		got = append(got, *m.Body)
	}
	assert.Equal(w, "a1a2", line)
	return got
}

func TestAMoveTaskFailsWhenItsDestinationGoes(t *testing.T) {
	w := testEnv(t)
	dead, to := w.queue(), w.queue()
	w.queue("RedrivePolicy", w.redrive(dead, 1))
	_, err := w.sendBatch(dead, entries(3))
	require.NoError(t, err)
	from, destination := w.arn(dead), w.arn(to)
	_, err = w.client.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &from, DestinationArn: &destination, MaxNumberOfMessagesPerSecond: aws.Int32(1)})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return w.counts(to) == "1/0/0" }, patience, time.Millisecond)
	_, err = w.client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &to})
	require.NoError(t, err)
	w.pass(time.Second)
	list, err := w.client.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &from})
	require.NoError(t, err)
	assert.Equal(t, "FAILED", *list.Results[0].Status)
	assert.Equal(t, "AWS.SimpleQueueService.NonExistentQueue", *list.Results[0].FailureReason)
	assert.Equal(t, "2/0/0", w.counts(dead))
}

func TestMessagesOfOneQueueAgeApart(t *testing.T) {
	w := testEnv(t)
	url := w.fifo("MessageRetentionPeriod", "60")
	w.sendGroup(url, "A", "a1")
	w.pass(30 * time.Second)
	w.sendGroup(url, "A", "a2")
	w.pass(30 * time.Second)
	assert.Equal(t, "a2", bodies(w.receive(url, 10, 0)))
	w.pass(30 * time.Second)
	assert.Equal(t, "0/0/0", w.counts(url))
}
