package sqstest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/sqs/sqstest"
)

// only makes f the fate of every call of one operation.
func only(operation string, f sqstest.Fault) sqstest.Hook {
	return func(c sqstest.Call) sqstest.Fault {
		if c.Operation == operation {
			return f
		}
		return sqstest.Fault{}
	}
}

// testEnv is an env whose failures are those of the test.
func testEnv(t *testing.T) *env {
	w := fakeEnv(t, t.Name())
	t.Cleanup(func() { assert.Empty(t, w.failures) })
	return w
}

func TestAFaultAnswersInPlaceOfActing(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	for fault, want := range map[*sqstest.Error]struct {
		code   string
		status int
	}{
		sqstest.Throttled():     {"RequestThrottled", 403},
		sqstest.Unavailable():   {"ServiceUnavailable", 503},
		sqstest.InternalError(): {"InternalFailure", 500},
	} {
		w.fake.SetHook(only("SendMessage", sqstest.Fault{Error: fault}))
		_, err := w.trySend(url, "x")
		w.refuses(err, want.code)
		var response interface{ HTTPStatusCode() int }
		require.ErrorAs(t, err, &response)
		assert.Equal(t, want.status, response.HTTPStatusCode())
	}
	assert.Equal(t, "0/0/0", w.counts(url))
}

func TestTheSDKTriesAgainWhatWasThrottled(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	var calls atomic.Int64
	w.fake.SetHook(func(c sqstest.Call) sqstest.Fault {
		if c.Operation == "SendMessage" && calls.Add(1) == 1 {
			return sqstest.Fault{Error: sqstest.Throttled()}
		}
		return sqstest.Fault{}
	})
	w.client = newClient(w.fake.URL(), newTransport(t), 2)
	w.send(url, "x")
	assert.EqualValues(t, 2, calls.Load())
	assert.Equal(t, 2, w.fake.Requests()["SendMessage"])
}

func TestADroppedRequestDidNotActAndADroppedReplyDid(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	w.fake.SetHook(only("SendMessage", sqstest.Fault{Drop: true}))
	_, err := w.trySend(url, "x")
	require.Error(t, err)
	assert.Equal(t, "0/0/0", w.counts(url))
	w.fake.SetHook(only("SendMessage", sqstest.Fault{DropReply: true}))
	_, err = w.trySend(url, "x")
	require.Error(t, err)
	assert.Equal(t, "1/0/0", w.counts(url))
}

func TestEntriesOfABatchFailAlone(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	w.fake.SetHook(only("SendMessageBatch", sqstest.Fault{Entries: map[int]*sqstest.Error{1: sqstest.InternalError()}}))
	out, err := w.sendBatch(url, entries(3))
	require.NoError(t, err)
	require.Len(t, out.Failed, 1)
	assert.Equal(t, "e1", *out.Failed[0].Id)
	assert.False(t, out.Failed[0].SenderFault)
	assert.Equal(t, "2/0/0", w.counts(url))
}

func TestASlowAnswerHasActedBefore(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	w.fake.SetHook(only("SendMessage", sqstest.Fault{Delay: time.Minute}))
	done := make(chan error)
	go func() {
		_, err := w.trySend(url, "x")
		done <- err
	}()
	require.Eventually(t, func() bool { return w.counts(url) == "1/0/0" }, patience, time.Millisecond)
	select {
	case <-done:
		t.Fatal("it answered before its time")
	default:
	}
	require.Eventually(t, func() bool { // the delay may not have begun yet
		w.clock.Advance(time.Minute)
		select {
		case err := <-done:
			return assert.NoError(t, err)
		default:
			return false
		}
	}, patience, time.Millisecond)
}

func TestAHookSeesWhatIsAskedFor(t *testing.T) {
	w := testEnv(t)
	calls := make(chan sqstest.Call, 3)
	w.fake.SetHook(func(c sqstest.Call) sqstest.Fault {
		calls <- c
		return sqstest.Fault{}
	})
	url, err := w.tryCreate("orders")
	require.NoError(t, err)
	_, err = w.sendBatch(url, entries(2))
	require.NoError(t, err)
	assert.Equal(t, sqstest.Call{Operation: "CreateQueue", Queue: "orders"}, <-calls)
	assert.Equal(t, sqstest.Call{Operation: "SendMessageBatch", Queue: "orders", Entries: []string{"e0", "e1"}}, <-calls)
}

func TestAPollThatWasGivenUpTakesNothingUnlessItGoesOn(t *testing.T) {
	for _, goesOn := range []bool{false, true} {
		w := testEnv(t)
		url := w.queue()
		w.fake.SetHook(only("ReceiveMessage", sqstest.Fault{GoOn: goesOn}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := w.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			done <- err
		}()
		require.Eventually(t, func() bool { return w.polls() == 1 }, patience, time.Millisecond)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		want := "0/1/0"
		if !goesOn {
			require.Eventually(t, func() bool { return w.polls() == 0 }, patience, time.Millisecond)
			want = "1/0/0"
		}
		w.send(url, "x")
		assert.Equal(t, want, w.counts(url))
		w.fake.Stop()
	}
}

func TestQueuesOutliveTheListener(t *testing.T) {
	w := testEnv(t)
	url := w.fifo()
	w.sendGroup(url, "A", "a1", "a2")
	m := w.one(url)
	poll := w.poll(url, 1, 20)
	at := w.fake.URL()
	w.fake.Stop()
	<-poll.done
	require.Error(t, poll.err)
	_, err := w.trySend(url, "x", grouped("A", "x"))
	require.Error(t, err)
	require.NoError(t, w.fake.Start())
	require.Equal(t, at, w.fake.URL())
	require.Error(t, w.fake.Start())
	assert.Equal(t, "1/1/0", w.counts(url))
	w.delete(url, m)
	assert.Equal(t, "a2", *w.one(url).Body)
}

func TestStopEndsPollsThatGoOnWithoutTheirClients(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	w.fake.SetHook(only("ReceiveMessage", sqstest.Fault{GoOn: true}))
	poll := w.poll(url, 1, 20)
	w.fake.Stop()
	<-poll.done
	require.Error(t, poll.err)
	assert.Zero(t, w.polls())
}

func TestThereIsALimitInFlight(t *testing.T) {
	w := testEnv(t)
	w.fake.InFlightLimit = 2
	for _, url := range []string{w.queue(), w.fifo()} {
		isFIFO := url[len(url)-1] == 'o'
		for _, body := range []string{"a", "b", "c"} {
			if isFIFO {
				w.sendGroup(url, body, body)
			} else {
				w.send(url, body)
			}
		}
		require.Len(t, w.receive(url, 10, 0), 2, "no more than the limit")
		ms, err := w.receiveNow(url, 10, 0)
		if isFIFO {
			require.NoError(t, err)
			assert.Empty(t, ms, "a FIFO queue says nothing")
			continue
		}
		var over *types.OverLimit
		require.ErrorAs(t, err, &over)
		assert.Empty(t, w.receive(url, 10, 20), "a long poll waits in silence")
	}
}

func TestPollsEndWhereNoClockMoves(t *testing.T) {
	w := testEnv(t)
	w.fake.LongestPoll = time.Millisecond
	poll := w.poll(w.queue(), 1, 20)
	assert.Empty(t, poll.result())
	assert.Zero(t, w.polls())
}

func TestAHandleThatWasReplacedChangesNothing(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	w.send(url, "x")
	old := w.one(url, visibility(1))
	w.pass(time.Second)
	w.one(url)
	w.delete(url, old)
	require.NoError(t, w.change(url, old, 0))
	assert.Equal(t, "0/1/0", w.counts(url))
}

func TestADeletedQueueEndsItsPolls(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	poll := w.poll(url, 1, 20)
	_, err := w.client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url})
	require.NoError(t, err)
	<-poll.done
	assert.True(t, isQueueDoesNotExist(poll.err), "%v", poll.err)
}

func TestErrorsAreThoseOfTheProtocol(t *testing.T) {
	w := testEnv(t)
	for _, c := range []struct {
		target, body, typ, query string
		status                   int
	}{
		{"AmazonSQS.GetQueueUrl", `{"QueueName":"nope"}`, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender", 400},
		{"AmazonSQS.GetQueueUrl", `{"QueueName":`, "SerializationException", "SerializationException;Sender", 400},
		{"AmazonSQS.GetQueueUrl", "{\"QueueName\":\"\xff\"}", "SerializationException", "SerializationException;Sender", 400},
		{"AmazonSQS.Fly", `{}`, "UnknownOperationException", "InvalidAction;Sender", 400},
		{"AmazonSQS.ReceiveMessage", `{}`, "MissingRequiredParameterException", "MissingParameter;Sender", 400},
	} {
		status, typ, header := raw(t, w, c.target, c.body)
		assert.Equal(t, c.status, status)
		assert.Equal(t, "com.amazonaws.sqs#"+c.typ, typ)
		assert.Equal(t, c.query, header.Get("x-amzn-query-error"))
		assert.NotEmpty(t, header.Get("x-amzn-requestid"))
	}
}

func TestSettingsOfAFIFOQueueHaveToFit(t *testing.T) {
	w := testEnv(t)
	_, err := w.tryCreate("q.fifo", "FifoQueue", "true", "FifoThroughputLimit", "perMessageGroupId")
	w.refuses(err, "InvalidAttributeValue")
	_, err = w.tryCreate("q", "ContentBasedDeduplication", "true")
	w.refuses(err, "InvalidAttributeName")
	url := w.fifo()
	_, err = w.client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"FifoQueue": "false"}})
	w.refuses(err, "InvalidAttributeValue")
}

func TestADeadLetterQueueMayNameItsSources(t *testing.T) {
	w := testEnv(t)
	dead := w.queue("RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:friend"]}`)
	_, err := w.tryCreate("friend", "RedrivePolicy", w.redrive(dead, 3))
	require.NoError(t, err)
	_, err = w.tryCreate("stranger", "RedrivePolicy", w.redrive(dead, 3))
	w.refuses(err, "InvalidParameterValue")
	url, err := w.tryCreate("friend", "RedrivePolicy", w.redrive(dead, 3))
	require.NoError(t, err)
	_, err = w.client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": ""}})
	require.NoError(t, err)
	assert.NotContains(t, w.attributes(url), "RedrivePolicy")
}

func TestAShortPollMayMissWhatIsThere(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	w.send(url, "x")
	w.fake.SetHook(only("ReceiveMessage", sqstest.Fault{Empty: true}))
	assert.Empty(t, w.receive(url, 1, 0))
	assert.Len(t, w.receive(url, 1, 1), 1, "one that waits asks all servers")
}

func TestCountsMayTrail(t *testing.T) {
	w := testEnv(t)
	url := w.queue()
	release := w.fake.HoldCounts()
	w.send(url, "x")
	assert.Equal(t, "0/0/0", w.counts(url))
	later := w.queue()
	w.send(later, "x")
	assert.Equal(t, "1/0/0", w.counts(later), "of a queue that is younger")
	release()
	assert.Equal(t, "1/0/0", w.counts(url))
}
