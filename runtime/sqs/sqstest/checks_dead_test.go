package sqstest_test

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var deadChecks = []check{
	{name: "what was received too often goes to the dead letter queue", do: func(w *env) {
		dead := w.queue()
		url := w.queue("RedrivePolicy", w.redrive(dead, 2))
		sent := w.send(url, "poison", attributed(manyKinds()))
		for _, want := range []string{"1", "2"} {
			m := w.one(url)
			assert.Equal(w, want, count(m))
			w.must(w.change(url, m, 0))
		}
		assert.Empty(w, w.receive(url, 1, 1), "it was received twice")
		m := w.one(dead)
		assert.Equal(w, "poison", *m.Body)
		assert.Equal(w, *sent.MessageId, *m.MessageId)
		assert.Len(w, m.MessageAttributes, 4)
	}},
	{name: "a dead letter says where it came from and goes on counting", do: func(w *env) {
		dead := w.queue()
		url := w.queue("RedrivePolicy", w.redrive(dead, 1))
		w.send(url, "poison")
		w.must(w.change(url, w.one(url), 0))
		w.receive(url, 1, 1)
		m := w.one(dead)
		assert.Equal(w, w.arn(url), m.Attributes["DeadLetterQueueSourceArn"])
		assert.Equal(w, "2", count(m))
	}},
	{name: "a timeout kills as a change to zero does", do: func(w *env) {
		dead := w.queue()
		url := w.queue("VisibilityTimeout", "1", "RedrivePolicy", w.redrive(dead, 1))
		w.send(url, "poison")
		w.one(url)
		w.pass(time.Second)
		assert.Empty(w, w.receive(url, 1, 1))
		w.one(dead)
	}},
	{name: "a dead letter queue knows its sources", do: func(w *env) {
		dead := w.queue()
		url := w.queue("RedrivePolicy", w.redrive(dead, 1))
		out, err := w.client.ListDeadLetterSourceQueues(w.ctx(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dead})
		w.must(err)
		assert.Equal(w, []string{url}, out.QueueUrls)
	}},
	{name: "a dead letter queue has to be there", do: func(w *env) {
		_, err := w.tryCreate(w.queueName(""), "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:nope","maxReceiveCount":3}`)
		w.refuses(err, "InvalidParameterValue", "NonExistentQueue", "QueueDoesNotExist")
	}},
	{name: "the receive count of a policy may be text", do: func(w *env) {
		dead := w.queue()
		url := w.queue("RedrivePolicy", `{"deadLetterTargetArn":"`+w.arn(dead)+`","maxReceiveCount":"1"}`)
		w.send(url, "poison")
		w.must(w.change(url, w.one(url), 0))
		assert.Empty(w, w.receive(url, 1, 1))
		w.one(dead)
	}},
	{name: "a dead letter queue may refuse its sources", do: func(w *env) {
		dead := w.queue("RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
		_, err := w.tryCreate(w.queueName(""), "RedrivePolicy", w.redrive(dead, 3))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "a FIFO queue has a FIFO queue for its dead", do: func(w *env) {
		dead := w.queue()
		_, err := w.tryCreate(w.queueName(".fifo"), "FifoQueue", "true", "RedrivePolicy", w.redrive(dead, 3))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "a move task brings the dead back", do: func(w *env) {
		dead := w.queue()
		url := w.queue("RedrivePolicy", w.redrive(dead, 1))
		arn := w.arn(dead)
		_, err := w.sendBatch(url, entries(3))
		w.must(err)
		for range 3 {
			w.must(w.change(url, w.one(url), 0))
		}
		// A receive buries the three; some emulators bury one for each.
		for range 3 {
			w.receive(url, 10, 1)
		}
		out, err := w.client.StartMessageMoveTask(w.ctx(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		w.must(err)
		assert.NotEmpty(w, aws.ToString(out.TaskHandle))
		for range 3 {
			assert.Equal(w, "1", count(w.oneSoon(url)), "it is a new message")
		}
		list, err := w.client.ListMessageMoveTasks(w.ctx(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn})
		w.must(err)
		require.Len(w, list.Results, 1)
		assert.Equal(w, "COMPLETED", aws.ToString(list.Results[0].Status))
		assert.EqualValues(w, 3, list.Results[0].ApproximateNumberOfMessagesMoved)
	}},
	{name: "a move task does not know where a message came from that was sent to the dead", slow: true, do: func(w *env) {
		dead := w.queue()
		w.queue("RedrivePolicy", w.redrive(dead, 1))
		arn := w.arn(dead)
		w.send(dead, "straight to the dead")
		_, err := w.client.StartMessageMoveTask(w.ctx(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		w.must(err)
		require.Eventually(w, func() bool {
			list, err := w.client.ListMessageMoveTasks(w.ctx(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn})
			return err == nil && aws.ToString(list.Results[0].Status) == "FAILED" && aws.ToString(list.Results[0].FailureReason) == "CouldNotDetermineMessageSource"
		}, patience, time.Millisecond)
		w.counted(dead, "1/0/0")
	}},
	{name: "a move task can be slow and can be cancelled", slow: true, do: func(w *env) {
		dead, to := w.queue(), w.queue()
		w.queue("RedrivePolicy", w.redrive(dead, 1))
		from, destination := w.arn(dead), w.arn(to)
		_, err := w.sendBatch(dead, entries(10))
		w.must(err)
		start := &sqs.StartMessageMoveTaskInput{SourceArn: &from, DestinationArn: &destination, MaxNumberOfMessagesPerSecond: aws.Int32(2)}
		out, err := w.client.StartMessageMoveTask(w.ctx(), start)
		w.must(err)
		require.Eventually(w, func() bool { return w.counts(to) == "2/0/0" }, patience, time.Millisecond)
		_, err = w.client.StartMessageMoveTask(w.ctx(), start)
		w.refuses(err, "InvalidParameterValue")
		w.pass(time.Second)
		w.counted(to, "4/0/0")
		cancelled, err := w.client.CancelMessageMoveTask(w.ctx(), &sqs.CancelMessageMoveTaskInput{TaskHandle: out.TaskHandle})
		w.must(err)
		assert.EqualValues(w, 4, cancelled.ApproximateNumberOfMessagesMoved)
		w.pass(time.Minute)
		w.counted(to, "4/0/0")
		_, err = w.client.CancelMessageMoveTask(w.ctx(), &sqs.CancelMessageMoveTaskInput{TaskHandle: out.TaskHandle})
		w.refuses(err, "ResourceNotFoundException")
	}},
	{name: "a move task needs a dead letter queue", do: func(w *env) {
		arn := w.arn(w.queue())
		_, err := w.client.StartMessageMoveTask(w.ctx(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
		w.refuses(err, "InvalidParameterValue", "ResourceNotFoundException", "UnsupportedOperation")
	}},
}

// oneSoon receives a message that somebody is about to bring.
func (w *env) oneSoon(url string) (m types.Message) {
	require.Eventually(w, func() bool {
		ms, err := w.receiveNow(url, 1, 0)
		if err == nil && len(ms) == 1 {
			m = ms[0]
		}
		return len(ms) == 1
	}, patience, 10*time.Millisecond)
	return m
}
