package sqs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/runtime/driver"
)

const trace = "Root=1-5759e988-bd862e3fe1be46a994272793"

func attribute(text string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &text}
}

// sent is what others send: with attributes of each type, a group and a trace.
func sent(l *source, body string) *awssqs.SendMessageInput {
	in := &awssqs.SendMessageInput{
		QueueUrl: &l.url, MessageBody: &body, MessageGroupId: aws.String("tenant-1"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"tenant": attribute("acme"),
			"n":      {DataType: aws.String("Number.int"), StringValue: aws.String("7")},
			"blob":   {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
		},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String(trace)}},
	}
	if l.fifo {
		in.MessageDeduplicationId = aws.String("d")
	}
	return in
}

// receiveOne receives one message past the provider.
func receiveOne(t *testing.T, b *bench, r *sqsQueue) types.Message {
	t.Helper()
	var got *awssqs.ReceiveMessageOutput
	require.Eventually(t, func() bool {
		var err error
		got, err = b.p.api.ReceiveMessage(within(t), &awssqs.ReceiveMessageInput{QueueUrl: &r.url, MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
		require.NoError(t, err)
		return len(got.Messages) > 0
	}, soon, time.Millisecond)
	m := got.Messages[0]
	_, err := b.p.api.ChangeMessageVisibility(within(t), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &r.url, ReceiptHandle: m.ReceiptHandle})
	require.NoError(t, err)
	return m
}

// requireKept holds a message against what was sent. What taskgen put beside is left out.
func requireKept(t *testing.T, in *awssqs.SendMessageInput, m types.Message) {
	t.Helper()
	require.Equal(t, *in.MessageBody, *m.Body)
	for name, v := range in.MessageAttributes {
		require.Equal(t, v, m.MessageAttributes[name], name)
	}
	require.Equal(t, "tenant-1", m.Attributes["MessageGroupId"])
	require.Equal(t, trace, m.Attributes["AWSTraceHeader"])
}

func TestAMessageThatIsNoTaskStaysAsItWasSent(t *testing.T) {
	t.Parallel()
	const body = "<note>\t\"1\" %41 кот 😀</note>"
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}, {Type: driver.Priority, Levels: 2}} {
		b := briefBench(t)
		p := b.provider(t)
		q := openQueue(t, p, cfg)
		from := q.state.sources[0]
		in := sent(from, body)
		_, err := b.p.api.SendMessage(within(t), in)
		require.NoError(t, err)
		nothing(t, q)
		becomes(t, q, driver.Stats{Dead: 1})
		require.NoError(t, p.Close()) // no poll of its own is to bury it again
		q = openQueue(t, b.p, cfg)
		m := receiveOne(t, b, q.state.dlq)
		requireKept(t, in, m)
		require.Contains(t, *m.MessageAttributes[attrBuried].StringValue, driver.ErrInvalidTask.Error())

		// Who looks at it sees a task that stands for it, with an ID that stays.
		dead := openQueue(t, b.p, driver.QueueConfig{Name: "q-dlq"})
		id := ""
		for range 3 {
			d := take(t, dead, 1)[0]
			require.Equal(t, driver.UndecodableType, d.Task.Type)
			require.True(t, id == "" || id == d.Task.ID)
			id = d.Task.ID
			require.NoError(t, dead.Release(within(t), []*driver.Delivery{d}))
		}
		requireKept(t, in, receiveOne(t, b, q.state.dlq))

		moved, err := q.Redrive(within(t), []string{id})
		require.NoError(t, err)
		require.Equal(t, []string{id}, moved)
		m = receiveOne(t, b, from.sqsQueue)
		requireKept(t, in, m)
		require.Len(t, m.MessageAttributes, len(in.MessageAttributes), "as it was")
	}
}

func TestARedriveOfAllMovesAMessageThatIsNoTaskOnce(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	_, err := b.p.api.SendMessage(within(t), sent(q.state.sources[0], "no task"))
	require.NoError(t, err)
	nothing(t, q)
	becomes(t, q, driver.Stats{Dead: 1})
	b.clock.Advance(time.Second)
	ids, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	require.Len(t, ids, 1)
	// One that is buried while a walk is under way is left to the next.
	w := newWalk(q.state)
	w.began = b.clock.Now()
	b.clock.Advance(time.Second)
	nothing(t, q)
	becomes(t, q, driver.Stats{Dead: 1})
	ms, err := w.next(within(t))
	require.NoError(t, err)
	require.True(t, ms[0].sent.After(w.began))
	w.held = ms
	w.end(within(t))
}

// TestWhatSQSItselfMovedKnowsItsQueue shares a dead letter queue.
func TestWhatSQSItselfMovedKnowsItsQueue(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{Name: "q", DLQ: "dead"})
	other := openQueue(t, b.p, driver.QueueConfig{Name: "other", DLQ: "dead"})
	in := sent(q.state.sources[0], "no task")
	_, err := b.p.api.SendMessage(within(t), in)
	require.NoError(t, err)
	for range b.p.backstop(q.cfg) + 1 {
		_, err := b.p.api.ReceiveMessage(within(t), &awssqs.ReceiveMessageInput{QueueUrl: &q.state.sources[0].url, VisibilityTimeout: 1})
		require.NoError(t, err)
		b.clock.Advance(time.Second)
	}
	becomes(t, q, driver.Stats{Dead: 1})
	moved, err := other.Redrive(within(t), nil)
	require.NoError(t, err)
	require.Empty(t, moved)
	moved, err = q.Redrive(within(t), nil)
	require.NoError(t, err)
	require.Len(t, moved, 1)
	requireKept(t, in, receiveOne(t, b, q.state.sources[0].sqsQueue))
}

func TestATaskKeepsTheAttributesOfItsSender(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.Priority, Levels: 2}} {
		b := briefBench(t)
		q := openQueue(t, b.p, cfg)
		l := q.state.sources[len(q.state.sources)-1]
		in := sent(l, body(task(q, "a")))
		_, err := b.p.api.SendMessage(within(t), in)
		require.NoError(t, err)
		ds := take(t, q, 1)
		ds[0].Task.RetryCount++
		require.NoError(t, q.Release(within(t), ds))
		in.MessageBody = aws.String(body(ds[0].Task))
		requireKept(t, in, receiveOne(t, b, l.sqsQueue))
		ds = take(t, q, 1)
		driver.RecordDeath(ds[0].Task, "q", b.clock.Now(), errors.New("x"))
		in.MessageBody = aws.String(body(ds[0].Task))
		require.NoError(t, q.DeadLetter(within(t), ds))
		requireKept(t, in, receiveOne(t, b, q.state.dlq))
		_, err = q.Redrive(within(t), []string{"a"})
		require.NoError(t, err)
		m := receiveOne(t, b, l.sqsQueue)
		in.MessageBody = m.Body
		requireKept(t, in, m)
		require.Len(t, m.MessageAttributes, len(in.MessageAttributes))
	}
}

// TestTenAttributesAreTheSenders leaves no room for ours.
func TestTenAttributesAreTheSenders(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	in := sent(q.state.sources[0], "no task")
	for i := range maxAttributes - len(in.MessageAttributes) {
		in.MessageAttributes[fmt.Sprint("more", i)] = attribute("x")
	}
	_, err := b.p.api.SendMessage(within(t), in)
	require.NoError(t, err)
	nothing(t, q)
	becomes(t, q, driver.Stats{Dead: 1})
	m := receiveOne(t, b, q.state.dlq)
	requireKept(t, in, m)
	require.Len(t, m.MessageAttributes, maxAttributes)
	dead := openQueue(t, b.p, driver.QueueConfig{Name: "q-dlq"})
	require.Contains(t, take(t, dead, 1)[0].Task.Metadata[driver.MetaFailureReason], "cannot be decoded")
}

func TestAMessageOfTheLargestSizeIsBuriedWithoutItsReason(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	text := strings.Repeat("x", maxBatchSize)
	_, err := b.p.api.SendMessage(within(t), &awssqs.SendMessageInput{QueueUrl: &q.state.sources[0].url, MessageBody: &text})
	require.NoError(t, err)
	nothing(t, q)
	becomes(t, q, driver.Stats{Dead: 1})
	require.Equal(t, text, *receiveOne(t, b, q.state.dlq).Body)
}

// TestSomebodyElsesQueueIsNotEmptied opens queues that hold no tasks, and that nobody has
// tagged.
func TestSomebodyElsesQueueIsNotEmptied(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, {Type: driver.FIFO}} {
		b := newBench(t)
		name, attributes := "q", map[string]string(nil)
		if cfg.Type == driver.FIFO {
			name, attributes = "q.fifo", map[string]string{"FifoQueue": "true"}
		}
		declare(t, b, name, attributes)
		q := openQueue(t, b.p, cfg)
		const n = 25
		for i := range n {
			in := &awssqs.SendMessageInput{QueueUrl: &q.state.sources[0].url, MessageBody: aws.String("order"), MessageGroupId: aws.String(fmt.Sprint("g", i))}
			if q.state.fifo {
				in.MessageDeduplicationId = in.MessageGroupId
			}
			_, err := b.p.api.SendMessage(within(t), in)
			require.NoError(t, err)
		}
		for range 3 {
			_, err := q.Dequeue(within(t), 10, time.Minute)
			require.ErrorIs(t, err, driver.ErrQueueMismatch)
			require.ErrorContains(t, err, queueTag+"=q")
		}
		becomes(t, q, driver.Stats{Ready: n})
		// A task shows that the queue is ours after all.
		put(t, q, "a")
		require.Eventually(t, func() bool {
			q.state.mu.Lock()
			q.state.foreignUntil = time.Time{}
			q.state.mu.Unlock()
			ds, err := q.Dequeue(shortly(t), 10, time.Minute)
			if err == nil {
				require.Equal(t, []string{"a"}, idsOf(ds))
			} else {
				b.clock.Advance(time.Second)
			}
			return err == nil || stats(t, q).Dead > 0
		}, soon, time.Millisecond)
	}
}

// TestARedriveGivesBackTheBodyThatEarlierVersionsWrapped buries as those did.
func TestARedriveGivesBackTheBodyThatEarlierVersionsWrapped(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	old := task(q, "sqs-1", func(t *driver.Task) { t.Type, t.Payload = driver.UndecodableType, []byte(`"bm8gdGFzaw=="`) })
	driver.RecordDeath(old, "q", b.clock.Now(), errors.New("no task"))
	_, err := b.p.api.SendMessage(within(t), &awssqs.SendMessageInput{QueueUrl: &q.state.dlq.url, MessageBody: aws.String(body(old)), MessageAttributes: map[string]types.MessageAttributeValue{attrDead: attribute("q")}})
	require.NoError(t, err)
	moved, err := q.Redrive(within(t), []string{"sqs-1"})
	require.NoError(t, err)
	require.Equal(t, []string{"sqs-1"}, moved)
	m := receiveOne(t, b, q.state.sources[0].sqsQueue)
	require.Equal(t, "no task", *m.Body)
	require.Empty(t, m.MessageAttributes)
}

// TestWhatEarlierVersionsBuriedKeepsItsIDAndReason has a record as those wrote it.
func TestWhatEarlierVersionsBuriedKeepsItsIDAndReason(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := openQueue(t, b.p, driver.QueueConfig{})
	record := `{"id":"sqs-1","queue":"q","from":"` + q.state.sources[0].arn + `","at":"2026-03-01T10:00:00Z","reason":"taskgen: invalid task: the message's body is not a task: why"}`
	_, err := b.p.api.SendMessage(within(t), &awssqs.SendMessageInput{QueueUrl: &q.state.dlq.url, MessageBody: aws.String("no task"), MessageAttributes: map[string]types.MessageAttributeValue{attrBuried: attribute(record)}})
	require.NoError(t, err)
	dead := openQueue(t, b.p, driver.QueueConfig{Name: "q-dlq"})
	ds := take(t, dead, 1)
	require.Equal(t, "sqs-1", ds[0].Task.ID)
	require.Equal(t, "taskgen: invalid task: the message cannot be decoded: the message's body is not a task: why", ds[0].Task.Metadata[driver.MetaFailureReason])
	require.Equal(t, "2026-03-01T10:00:00Z", ds[0].Task.Metadata[driver.MetaFailedAt])
	require.NoError(t, dead.Release(within(t), ds))
	gone, err := q.Discard(within(t), []string{"sqs-1"})
	require.NoError(t, err)
	require.Equal(t, []string{"sqs-1"}, gone)
}
