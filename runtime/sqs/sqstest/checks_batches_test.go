package sqstest_test

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var batchChecks = []check{
	{name: "ten are sent, received and deleted at once", do: func(w *env) {
		url := w.queue()
		sent, err := w.sendBatch(url, entries(10))
		w.must(err)
		require.Len(w, sent.Successful, 10)
		require.Empty(w, sent.Failed)
		var es []types.DeleteMessageBatchRequestEntry
		for len(es) < 10 {
			ms := w.receive(url, 10, 3)
			require.NotEmpty(w, ms)
			for _, m := range ms {
				es = append(es, types.DeleteMessageBatchRequestEntry{Id: aws.String("d" + *m.Body), ReceiptHandle: m.ReceiptHandle})
			}
		}
		out, err := w.client.DeleteMessageBatch(w.ctx(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: es})
		w.must(err)
		assert.Len(w, out.Successful, 10)
		w.counted(url, "0/0/0")
	}},
	{name: "one bad delay fails alone", do: func(w *env) {
		es := entries(3)
		es[1].DelaySeconds = 901
		out, err := w.sendBatch(w.queue(), es)
		w.must(err)
		assert.Len(w, out.Successful, 2)
		require.Len(w, out.Failed, 1)
		assert.Equal(w, "e1 InvalidParameterValue", *out.Failed[0].Id+" "+*out.Failed[0].Code)
		assert.True(w, out.Failed[0].SenderFault)
	}},
	{name: "one bad body fails alone", do: func(w *env) {
		es := entries(3)
		es[2].MessageBody = aws.String("bad\x01")
		out, err := w.sendBatch(w.queue(), es)
		w.must(err)
		assert.Len(w, out.Successful, 2)
		require.Len(w, out.Failed, 1)
		assert.Equal(w, "e2 InvalidMessageContents", *out.Failed[0].Id+" "+*out.Failed[0].Code)
		assert.True(w, out.Failed[0].SenderFault)
	}},
	{name: "eleven are too many", do: func(w *env) {
		_, err := w.sendBatch(w.queue(), entries(11))
		var typed *types.TooManyEntriesInBatchRequest
		assert.ErrorAs(w, err, &typed)
	}},
	{name: "ids in a batch differ", do: func(w *env) {
		es := entries(3)
		es[1].Id = es[0].Id
		_, err := w.sendBatch(w.queue(), es)
		w.refuses(err, "BatchEntryIdsNotDistinct")
	}},
	{name: "a batch is not empty and its ids are plain", do: func(w *env) {
		url := w.queue()
		_, err := w.sendBatch(url, []types.SendMessageBatchRequestEntry{})
		w.refuses(err, "EmptyBatchRequest")
		es := entries(2)
		es[0].Id = aws.String("a b.c")
		_, err = w.sendBatch(url, es)
		w.refuses(err, "InvalidBatchEntryId")
	}},
	{name: "a batch has a mebibyte at most, in all", do: func(w *env) {
		url := w.queue()
		es := entries(3)
		for i := range es {
			es[i].MessageBody = aws.String(strings.Repeat("z", 400_000))
		}
		_, err := w.sendBatch(url, es)
		w.refuses(err, "BatchRequestTooLong")
		_, err = w.sendBatch(url, es[:2])
		w.must(err)
	}},
	{name: "one bad handle fails alone in a batch of deletes", do: func(w *env) {
		url := w.queue()
		w.send(url, "a")
		m := w.one(url)
		out, err := w.client.DeleteMessageBatch(w.ctx(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: aws.String("good"), ReceiptHandle: m.ReceiptHandle}, {Id: aws.String("bad"), ReceiptHandle: aws.String("garbage")},
		}})
		w.must(err)
		assert.Len(w, out.Successful, 1)
		require.Len(w, out.Failed, 1)
		assert.Equal(w, "bad ReceiptHandleIsInvalid", *out.Failed[0].Id+" "+*out.Failed[0].Code)
		assert.True(w, out.Failed[0].SenderFault)
	}},
	{name: "one bad handle fails alone in a batch of changes", do: func(w *env) {
		url := w.queue()
		_, err := w.sendBatch(url, entries(2))
		w.must(err)
		one, two := w.one(url), w.one(url)
		out, err := w.client.ChangeMessageVisibilityBatch(w.ctx(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: one.ReceiptHandle, VisibilityTimeout: 0},
			{Id: aws.String("b"), ReceiptHandle: two.ReceiptHandle, VisibilityTimeout: 20},
			{Id: aws.String("c"), ReceiptHandle: aws.String("garbage"), VisibilityTimeout: 20},
		}})
		w.must(err)
		assert.Len(w, out.Successful, 2)
		require.Len(w, out.Failed, 1)
		assert.Equal(w, "c", *out.Failed[0].Id)
		assert.Equal(w, *one.Body, bodies(w.receive(url, 10, 1)))
	}},
}
