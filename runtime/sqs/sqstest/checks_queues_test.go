package sqstest_test

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var queueChecks = []check{
	{name: "a queue keeps the attributes it was made with", do: func(w *env) {
		want := []string{"VisibilityTimeout", "45", "MessageRetentionPeriod", "86400", "ReceiveMessageWaitTimeSeconds", "3", "MaximumMessageSize", "2048", "DelaySeconds", "1"}
		have := w.attributes(w.queue(want...))
		for i := 0; i < len(want); i += 2 {
			assert.Equal(w, want[i+1], have[want[i]], want[i])
		}
		for _, name := range []string{"QueueArn", "CreatedTimestamp", "LastModifiedTimestamp"} {
			assert.NotEmpty(w, have[name], name)
		}
	}},
	{name: "a queue without attributes has the defaults", do: func(w *env) {
		url := w.queue()
		have := w.attributes(url)
		for name, want := range map[string]string{"VisibilityTimeout": "30", "MessageRetentionPeriod": "345600", "DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0"} {
			assert.Equal(w, want, have[name], name)
		}
		w.counted(url, "0/0/0")
	}},
	{name: "a message may be a mebibyte by default", do: func(w *env) {
		assert.Equal(w, "1048576", w.attributes(w.queue())["MaximumMessageSize"])
	}},
	{name: "making a queue again returns it", do: func(w *env) {
		name := w.queueName("")
		one, err := w.tryCreate(name, "VisibilityTimeout", "40")
		w.must(err)
		two, err := w.tryCreate(name, "VisibilityTimeout", "40")
		w.must(err)
		assert.Equal(w, one, two)
		_, err = w.tryCreate(name, "VisibilityTimeout", "41")
		w.refuses(err, "QueueAlreadyExists", "QueueNameExists")
	}},
	{name: "a queue is found by its name", do: func(w *env) {
		url := w.queue()
		out, err := w.client.GetQueueUrl(w.ctx(), &sqs.GetQueueUrlInput{QueueName: aws.String(url[strings.LastIndexByte(url, '/')+1:])})
		w.must(err)
		assert.Equal(w, url, *out.QueueUrl)
	}},
	{name: "what asks for a missing queue learns that", do: func(w *env) {
		_, err := w.client.GetQueueUrl(w.ctx(), &sqs.GetQueueUrlInput{QueueName: aws.String(w.queueName(""))})
		assert.True(w, isQueueDoesNotExist(err), "GetQueueUrl: %v", err)
		url := w.queue() + "-not"
		_, err = w.receiveNow(url, 1, 0)
		assert.True(w, isQueueDoesNotExist(err), "ReceiveMessage: %v", err)
		_, err = w.trySend(url, "x")
		assert.True(w, isQueueDoesNotExist(err), "SendMessage: %v", err)
	}},
	{name: "attributes out of range are refused", do: func(w *env) {
		for name, value := range map[string]string{"DelaySeconds": "901", "VisibilityTimeout": "43201", "MessageRetentionPeriod": "59", "ReceiveMessageWaitTimeSeconds": "21", "MaximumMessageSize": "1048577"} {
			_, err := w.tryCreate(w.queueName(""), name, value)
			w.refuses(err, "InvalidAttributeValue", "InvalidParameterValue")
		}
	}},
	{name: "unknown attributes are refused", do: func(w *env) {
		_, err := w.tryCreate(w.queueName(""), "Bogus", "1")
		w.refuses(err, "InvalidAttributeName")
	}},
	{name: "the name of a FIFO queue ends in .fifo, and no other does", do: func(w *env) {
		_, err := w.tryCreate(w.queueName(".fifo"))
		w.refuses(err, "InvalidParameterValue")
		_, err = w.tryCreate(w.queueName(""), "FifoQueue", "true")
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "names of queues are short and plain", do: func(w *env) {
		_, err := w.tryCreate("a b!")
		w.refuses(err, "InvalidParameterValue")
		_, err = w.tryCreate(strings.Repeat("q", 81))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "attributes can be changed", do: func(w *env) {
		url := w.queue()
		_, err := w.client.SetQueueAttributes(w.ctx(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"VisibilityTimeout": "7"}})
		w.must(err)
		assert.Equal(w, "7", w.attributes(url)["VisibilityTimeout"])
	}},
	{name: "the age of the oldest message is no attribute", do: func(w *env) {
		url := w.queue()
		_, err := w.client.GetQueueAttributes(w.ctx(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"ApproximateAgeOfOldestMessage"}})
		w.refuses(err, "InvalidAttributeName")
	}},
	{name: "queues are listed by the beginning of their names", do: func(w *env) {
		prefix := w.queueName("")
		for _, end := range []string{"-a", "-b"} {
			_, err := w.tryCreate(prefix + end)
			w.must(err)
		}
		w.queue()
		out, err := w.client.ListQueues(w.ctx(), &sqs.ListQueuesInput{QueueNamePrefix: &prefix})
		w.must(err)
		assert.Len(w, out.QueueUrls, 2)
	}},
	{name: "queues are listed by pages", do: func(w *env) {
		prefix := w.queueName("")
		for _, end := range []string{"a", "b", "c", "d", "e"} {
			_, err := w.tryCreate(prefix + end)
			w.must(err)
		}
		pages := sqs.NewListQueuesPaginator(w.client, &sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(2)})
		var sizes []int
		for pages.HasMorePages() && len(sizes) < 10 {
			out, err := pages.NextPage(w.ctx())
			w.must(err)
			sizes = append(sizes, len(out.QueueUrls))
		}
		assert.Equal(w, []int{2, 2, 1}, sizes)
	}},
	{name: "queues have tags", do: func(w *env) {
		url := w.queue()
		_, err := w.client.TagQueue(w.ctx(), &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "1", "b": "2"}})
		w.must(err)
		_, err = w.client.UntagQueue(w.ctx(), &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"a"}})
		w.must(err)
		out, err := w.client.ListQueueTags(w.ctx(), &sqs.ListQueueTagsInput{QueueUrl: &url})
		w.must(err)
		assert.Equal(w, map[string]string{"b": "2"}, out.Tags)
	}},
	{name: "a deleted queue is gone", do: func(w *env) {
		url := w.queue()
		_, err := w.client.DeleteQueue(w.ctx(), &sqs.DeleteQueueInput{QueueUrl: &url})
		w.must(err)
		_, err = w.trySend(url, "x")
		assert.True(w, isQueueDoesNotExist(err), "%v", err)
	}},
	{name: "the name of a deleted queue is free after a minute", slow: true, do: func(w *env) {
		name := w.queueName("")
		url, err := w.tryCreate(name)
		w.must(err)
		_, err = w.client.DeleteQueue(w.ctx(), &sqs.DeleteQueueInput{QueueUrl: &url})
		w.must(err)
		_, err = w.tryCreate(name)
		w.refuses(err, "QueueDeletedRecently")
		w.pass(time.Minute)
		_, err = w.tryCreate(name)
		w.must(err)
	}},
	{name: "a purge empties a queue of what is in flight, too", do: func(w *env) {
		url := w.queue()
		_, err := w.sendBatch(url, entries(5))
		w.must(err)
		require.NotEmpty(w, w.receive(url, 2, 3))
		_, err = w.client.PurgeQueue(w.ctx(), &sqs.PurgeQueueInput{QueueUrl: &url})
		w.must(err)
		w.none(url, "it was purged")
		w.counted(url, "0/0/0")
	}},
	{name: "a second purge has to wait", do: func(w *env) {
		url := w.queue()
		_, err := w.client.PurgeQueue(w.ctx(), &sqs.PurgeQueueInput{QueueUrl: &url})
		w.must(err)
		_, err = w.client.PurgeQueue(w.ctx(), &sqs.PurgeQueueInput{QueueUrl: &url})
		w.refuses(err, "PurgeQueueInProgress")
	}},
	{name: "messages are kept as long as the queue keeps them", slow: true, do: func(w *env) {
		url := w.queue("MessageRetentionPeriod", "60")
		w.send(url, "x")
		w.pass(59 * time.Second)
		require.Len(w, w.receive(url, 1, 0, visibility(1)), 1)
		w.pass(time.Second)
		w.none(url, "it was kept for 60 s")
		w.counted(url, "0/0/0")
	}},
}
