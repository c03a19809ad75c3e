package sqstest_test

import (
	"path"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNothingIsAllowedThatAPolicyDoesNotName(t *testing.T) {
	w := testEnv(t)
	url, other := w.queue(), w.queue()
	w.fake.Permit(path.Base(url), "SendMessage")
	w.send(url, "x")
	_, err := w.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
	w.refuses(err, "AccessDenied")
	require.ErrorContains(t, err, "sqs:ReceiveMessage")
	w.send(other, "x")
	w.fake.Permit("")
	_, err = w.trySend(other, "x")
	w.refuses(err, "AccessDenied")
	w.send(url, "x")
}

func TestAQueueOfAnotherAccountIsFoundByItsURLAlone(t *testing.T) {
	w := testEnv(t)
	ours := w.queue()
	name := path.Base(ours)
	url := w.fake.GiveAway(name, "123456789012")
	w.send(url, "x")
	assert.Equal(t, "1/0/0", w.counts(url))
	assert.Contains(t, w.arn(url), ":123456789012:"+name)
	_, err := w.client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	w.refuses(err, "NonExistentQueue")
	_, err = w.trySend(ours, "x")
	w.refuses(err, "NonExistentQueue")
}
