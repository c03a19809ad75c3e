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

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// coded opens queues made by hand whose bodies a codec writes.
func coded(t *testing.T, b *bench, cfg driver.QueueConfig, codec Codec, opts ...Option) *Queue {
	t.Helper()
	on := Existing{Codec: codec, MaxRetries: 4}
	switch cfg.Type {
	case driver.FIFO:
		urls := byHand(t, b.p.api.Client, "live.fifo", "dead.fifo", "wait")
		on.URL, on.DLQ, on.Later = urls[0], urls[1], urls[2]
	case driver.Priority:
		urls := byHand(t, b.p.api.Client, "low", "high", "dead")
		on.Levels, on.DLQ = urls[:2], urls[2]
	default:
		urls := byHand(t, b.p.api.Client, "live", "dead")
		on.URL, on.DLQ = urls[0], urls[1]
	}
	return openQueue(t, b.provider(t, append(opts, WithQueue("q", on))...), cfg)
}

// sendRaw sends a message as another program would.
func sendRaw(t *testing.T, b *bench, in *awssqs.SendMessageInput) {
	t.Helper()
	_, err := b.p.api.SendMessage(within(t), in)
	require.NoError(t, err)
}

func TestACodecReadsWhatOthersSend(t *testing.T) {
	t.Parallel()
	const s3 = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`
	note := func(text string) string {
		return fmt.Sprintf(`{"Type":"Notification","MessageId":"note-1","TopicArn":"arn:aws:sns:us-east-1:1:t","Message":%q,"Timestamp":"2026-01-02T03:04:05.000Z",
			"MessageAttributes":{"event":{"Type":"String","Value":"order.made"},"blob":{"Type":"Binary","Value":"AA=="},"traceparent":{"Type":"String","Value":%q}}}`, text, traceparent)
	}
	for name, c := range map[string]struct {
		codec          Codec
		body           string
		attributes     map[string]string
		kind, payload  string
		id, wantsTrace string
	}{
		"json of one type":         {codec: JSON("order.made"), body: `{"n": 1}`, kind: "order.made", payload: `{"n": 1}`},
		"json by attribute":        {codec: JSONByAttribute("event"), body: `[1]`, attributes: map[string]string{"event": "order.paid"}, kind: "order.paid", payload: `[1]`},
		"a trace":                  {codec: JSON("x"), body: `1`, attributes: map[string]string{"traceparent": traceparent}, kind: "x", payload: `1`, wantsTrace: traceparent},
		"a notification":           {codec: SNS(JSON("order.made")), body: note(`{"n":1}`), kind: "order.made", payload: `{"n":1}`, id: "note-1", wantsTrace: traceparent},
		"its attributes":           {codec: SNS(JSONByAttribute("event")), body: note(`{"n":1}`), kind: "order.made", payload: `{"n":1}`, id: "note-1", wantsTrace: traceparent},
		"raw message delivery":     {codec: SNS(JSONByAttribute("event")), body: `{"n":1}`, attributes: map[string]string{"event": "e"}, kind: "e", payload: `{"n":1}`},
		"an envelope that is one":  {codec: SNS(nil), body: note(`{"v":1,"id":"e","type":"work","queue":"q","payload":{"n":1},"created_at":"2026-01-02T03:04:05Z"}`), kind: "work", payload: `{"n":1}`, id: "e", wantsTrace: traceparent},
		"an event of S3":           {codec: S3Event("uploaded"), body: s3, kind: "uploaded", payload: s3},
		"one over SNS":             {codec: SNS(S3Event("uploaded")), body: note(s3), kind: "uploaded", payload: s3, id: "note-1", wantsTrace: traceparent},
		"an envelope all the same": {codec: JSON("x"), body: body(&driver.Task{ID: "e", Type: "work", Queue: "q", Payload: []byte(`{"n":1}`), MaxRetries: 4, CreatedAt: time.Now()}), kind: "work", payload: `{"n":1}`, id: "e"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := briefBench(t)
			q := coded(t, b, driver.QueueConfig{}, c.codec)
			in := sent(q.state.sources[0], c.body)
			for name, value := range c.attributes {
				in.MessageAttributes[name] = attribute(value)
			}
			sendRaw(t, b, in)
			ds := take(t, q, 1)
			got := ds[0].Task
			require.Equal(t, c.kind, got.Type)
			require.Equal(t, c.payload, string(got.Payload))
			require.Equal(t, "q", got.Queue)
			require.Equal(t, 4, got.MaxRetries)
			require.NotZero(t, got.CreatedAt)
			require.NotEmpty(t, got.ID)
			require.Equal(t, c.wantsTrace, got.Metadata["traceparent"])
			if c.id != "" {
				require.Equal(t, c.id, got.ID)
			}
			isEnvelope := strings.HasPrefix(c.body, `{"v"`)

			// A retry, a death and a redrive leave the message as it was sent.
			id := got.ID
			got.RetryCount++
			got.Metadata = map[string]string{"seen": "here"}
			require.NoError(t, q.Release(within(t), ds))
			if !isEnvelope {
				requireKept(t, in, receiveOne(t, b, q.state.sources[0].sqsQueue))
			}
			ds = take(t, q, 1)
			require.Equal(t, id, ds[0].Task.ID)
			require.Equal(t, c.payload, string(ds[0].Task.Payload))
			require.Equal(t, 1, ds[0].Task.RetryCount)
			require.Equal(t, "here", ds[0].Task.Metadata["seen"])
			driver.RecordDeath(ds[0].Task, "q", b.clock.Now(), errors.New("broken"))
			require.NoError(t, q.DeadLetter(within(t), ds))
			if !isEnvelope {
				requireKept(t, in, receiveOne(t, b, q.state.dlq))
			}
			letters := openQueue(t, q.state.p, driver.QueueConfig{Name: "q-dlq"})
			letter := take(t, letters, 1)
			require.Equal(t, c.payload, string(letter[0].Task.Payload))
			require.Contains(t, letter[0].Task.Metadata[driver.MetaFailureReason], "broken")
			require.NoError(t, letters.Release(within(t), letter))
			moved, err := q.Redrive(within(t), []string{id})
			require.NoError(t, err)
			require.Equal(t, []string{id}, moved)
			if !isEnvelope {
				requireKept(t, in, receiveOne(t, b, q.state.sources[0].sqsQueue))
			}
			ds = take(t, q, 1)
			require.Equal(t, id, ds[0].Task.ID)
			require.Zero(t, ds[0].Task.RetryCount)
			require.NoError(t, q.Complete(within(t), ds))
			becomes(t, q, driver.Stats{})
		})
	}
}

func TestWhatACodecCannotReadIsBuriedAsItIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		codec  Codec
		body   string
		reason string
	}{
		"no type":      {JSONByAttribute("event"), `{}`, "no attribute event"},
		"no JSON":      {JSON("x"), `{`, "not valid JSON"},
		"no event":     {S3Event("x"), `{}`, "not an event of S3"},
		"not even so":  {S3Event("x"), `{`, "not an event of S3"},
		"notification": {SNS(JSON("x")), `{"Type":"Notification","TopicArn":"arn:t","Message":"{"}`, "not valid JSON"},
		"published":    {SNS(S3Event("x")), `{"Type":"Notification","TopicArn":"arn:t","Message":"{}"}`, "published to arn:t"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			q := coded(t, b, driver.QueueConfig{}, c.codec)
			in := sent(q.state.sources[0], c.body)
			sendRaw(t, b, in)
			nothing(t, q)
			becomes(t, q, driver.Stats{Dead: 1})
			m := receiveOne(t, b, q.state.dlq)
			requireKept(t, in, m)
			require.Contains(t, *m.MessageAttributes[attrBuried].StringValue, c.reason)
		})
	}
}

func TestTheEventByWhichS3TriesAQueueIsDeleted(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, fifo} {
		b := newBench(t)
		q := coded(t, b, cfg, S3Event("uploaded"))
		sendRaw(t, b, sent(q.state.sources[0], `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`))
		nothing(t, q)
		becomes(t, q, driver.Stats{})
	}
}

// TestOthersReadWhatIsEnqueued looks at the messages as a Lambda or a filter does.
func TestOthersReadWhatIsEnqueued(t *testing.T) {
	t.Parallel()
	meta := map[string]string{"traceparent": traceparent, "tracestate": "a=b", "tenant": "acme"}
	for name, c := range map[string]struct {
		codec Codec
		body  string // "": the envelope
		more  map[string]string
	}{
		"envelope":          {nil, "", nil},
		"json of one type":  {JSON("work"), "{\"to\":\"\\uffff\"}", nil},
		"json by attribute": {JSONByAttribute("event"), "{\"to\":\"\\uffff\"}", map[string]string{"event": "work"}},
		"sns":               {SNS(JSON("work")), "{\"to\":\"\\uffff\"}", nil},
		"sns of envelopes":  {SNS(nil), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, cfg := range []driver.QueueConfig{{}, fifo, {Type: driver.Priority, Levels: 2}} {
				b := newBench(t)
				q := coded(t, b, cfg, c.codec)
				in := task(q, "a", func(t *driver.Task) { t.Payload, t.Metadata = []byte("{\"to\":\"\uffff\"}"), meta })
				want := map[string]string{"Type": "work", "traceparent": traceparent, "tracestate": "a=b"}
				for name, value := range c.more {
					want[name] = value
				}
				if cfg.Type == driver.Priority {
					in.Priority, want["Priority"] = 1, "1"
				}
				enqueue(t, q, in)
				m := receiveOne(t, b, q.state.sources[0].sqsQueue)
				if c.body == "" {
					require.Equal(t, body(in), *m.Body)
				} else {
					require.Equal(t, c.body, *m.Body)
				}
				got := textAttributes(m.MessageAttributes)
				delete(got, attrTask)
				require.Equal(t, want, got)
				ds := take(t, q, 1)
				require.Equal(t, "a", ds[0].Task.ID)
				require.Equal(t, meta, ds[0].Task.Metadata)
				require.Equal(t, 3, ds[0].Task.MaxRetries)
				require.Equal(t, in.Priority, ds[0].Task.Priority)
				require.NoError(t, q.Complete(within(t), ds))
			}
		})
	}
}

func TestTheAttributePriorityIsReadOnAPriorityQueue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := coded(t, b, driver.QueueConfig{Type: driver.Priority, Levels: 2}, JSON("work"))
	for _, c := range []struct {
		level    int
		priority string
		want     int
	}{{0, "", 0}, {1, "", 1}, {0, "1", 1}, {1, "7", 1}, {1, "high", 1}} {
		in := &awssqs.SendMessageInput{QueueUrl: &q.state.sources[1-c.level].url, MessageBody: aws.String("1"), MessageAttributes: map[string]types.MessageAttributeValue{}}
		if c.priority != "" {
			in.MessageAttributes["Priority"] = attribute(c.priority)
		}
		sendRaw(t, b, in)
		ds := take(t, q, 1)
		require.Equal(t, c.want, ds[0].Task.Priority, "%+v", c)
		require.NoError(t, q.Complete(within(t), ds))
	}
}

// TestAGroupOfACodecKeepsItsOrder has tasks of others, a delayed one of ours, and one that
// SQS itself moves.
func TestAGroupOfACodecKeepsItsOrder(t *testing.T) {
	t.Parallel()
	b := benchWith(t, 250*time.Millisecond)
	q := coded(t, b, fifo, JSON("work"))
	for i := range 3 {
		in := sent(q.state.sources[0], fmt.Sprint(i))
		in.MessageDeduplicationId = in.MessageBody
		sendRaw(t, b, in)
	}
	for i := range 3 {
		ds := take(t, q, 1)
		require.Equal(t, "tenant-1", ds[0].Task.GroupKey)
		require.Equal(t, fmt.Sprint(i), string(ds[0].Task.Payload))
		require.NoError(t, q.DeadLetter(within(t), ds))
	}
	require.Equal(t, "tenant-1", receiveOne(t, b, q.state.dlq).Attributes["MessageGroupId"])
	moved, err := q.Redrive(within(t), nil)
	require.NoError(t, err)
	require.Len(t, moved, 3)
	for i := range 3 {
		ds := take(t, q, 1)
		require.Equal(t, fmt.Sprint(i), string(ds[0].Task.Payload))
		require.NoError(t, q.Complete(within(t), ds))
	}
	enqueue(t, q, task(q, "later", func(t *driver.Task) { t.ScheduledFor = b.clock.Now().Add(time.Minute) }))
	nothing(t, q)
	b.clock.Advance(time.Minute)
	require.Equal(t, []string{"later"}, idsOf(take(t, q, 1)))
}

// TestWhatSQSMovesOfACodecComesBack has the message die without a word of ours.
func TestWhatSQSMovesOfACodecComesBack(t *testing.T) {
	t.Parallel()
	for _, cfg := range []driver.QueueConfig{{}, fifo} {
		b := briefBench(t)
		q := coded(t, b, cfg, JSON("work"))
		arn := q.state.dlq.arn
		_, err := b.p.api.SetQueueAttributes(within(t), &awssqs.SetQueueAttributesInput{QueueUrl: &q.state.sources[0].url, Attributes: map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":1}`,
		}})
		require.NoError(t, err)
		in := sent(q.state.sources[0], "1")
		sendRaw(t, b, in)
		for range 2 {
			_, err := b.p.api.ReceiveMessage(within(t), &awssqs.ReceiveMessageInput{QueueUrl: &q.state.sources[0].url, VisibilityTimeout: 1})
			require.NoError(t, err)
			b.clock.Advance(time.Second)
		}
		becomes(t, q, driver.Stats{Dead: 1})
		letters := openQueue(t, q.state.p, driver.QueueConfig{Name: "q-dlq"})
		letter := take(t, letters, 1)
		require.Equal(t, "work", letter[0].Task.Type)
		require.Contains(t, letter[0].Task.Metadata[driver.MetaFailureReason], "delivered too often")
		require.NoError(t, letters.Release(within(t), letter))
		moved, err := q.Redrive(within(t), nil)
		require.NoError(t, err)
		require.Len(t, moved, 1)
		requireKept(t, in, receiveOne(t, b, q.state.sources[0].sqsQueue))
	}
}

// TestASharedDeadLetterQueueKnowsTheCodecs has one of each.
func TestASharedDeadLetterQueueKnowsTheCodecs(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	urls := byHand(t, b.p.api.Client, "a", "b", "c", "dead")
	p := b.provider(t, WithQueue("a", Existing{URL: urls[0], DLQ: urls[3], Codec: JSON("a")}), WithQueue("b", Existing{URL: urls[1], DLQ: urls[3], Codec: JSON("b")}), WithQueue("c", Existing{URL: urls[2], DLQ: urls[3]}))
	all := map[string]*Queue{}
	for _, name := range []string{"a", "b", "c"} {
		q := openQueue(t, p, driver.QueueConfig{Name: name, DLQ: "dead"})
		all[name] = q
		enqueue(t, q, task(q, name, func(t *driver.Task) { t.Type = name }))
		require.NoError(t, q.DeadLetter(within(t), take(t, q, 1)))
	}
	dead := openQueue(t, p, driver.QueueConfig{Name: "dead"})
	letters := take(t, dead, 3)
	for _, d := range letters {
		require.Equal(t, d.Task.ID, d.Task.Type)
	}
	require.NoError(t, dead.Release(within(t), letters))
	for name, q := range all {
		moved, err := q.Redrive(within(t), nil)
		require.NoError(t, err)
		require.Equal(t, []string{name}, moved)
		require.Equal(t, name, take(t, q, 1)[0].Task.Type)
	}
}

// TestWithoutRoomForAnAttributeATaskTravelsInAnEnvelope has a sender use most of the ten.
func TestWithoutRoomForAnAttributeATaskTravelsInAnEnvelope(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := coded(t, b, driver.QueueConfig{}, JSON("work"))
	in := sent(q.state.sources[0], "1")
	for i := range maxAttributes - len(in.MessageAttributes) {
		in.MessageAttributes[fmt.Sprint("more", i)] = attribute("x")
	}
	sendRaw(t, b, in)
	ds := take(t, q, 1)
	ds[0].Task.RetryCount++
	require.NoError(t, q.Release(within(t), ds))
	m := receiveOne(t, b, q.state.sources[0].sqsQueue)
	require.Equal(t, body(ds[0].Task), *m.Body)
	in.MessageBody = m.Body
	requireKept(t, in, m)
	require.Equal(t, 1, take(t, q, 1)[0].Task.RetryCount)
}

// TestATaskOfTheLargestSizeDiesAsItWasSent leaves no room for what is known of it.
func TestATaskOfTheLargestSizeDiesAsItWasSent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := coded(t, b, driver.QueueConfig{}, JSON("work"))
	text := `"` + strings.Repeat("x", maxBatchSize-100) + `"`
	sendRaw(t, b, &awssqs.SendMessageInput{QueueUrl: &q.state.sources[0].url, MessageBody: &text})
	ds := take(t, q, 1)
	driver.RecordDeath(ds[0].Task, "q", b.clock.Now(), errors.New("broken"))
	require.NoError(t, q.DeadLetter(within(t), ds))
	m := receiveOne(t, b, q.state.dlq)
	require.Equal(t, text, *m.Body)
	require.Equal(t, "q", *m.MessageAttributes[attrDead].StringValue)
}

func TestACodecRefusesWhatItsReadersCouldNotRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := coded(t, b, driver.QueueConfig{}, JSON("work"))
	for want, change := range map[error]func(*driver.Task){
		driver.ErrInvalidTask: func(t *driver.Task) { t.Type = "other" },
		driver.ErrUnsupported: func(t *driver.Task) { t.Encoding, t.Payload = "zstd", []byte{1} },
	} {
		_, err := q.Enqueue(within(t), []*driver.Task{task(q, "a", change)})
		require.ErrorIs(t, err, want)
	}
}

// TestWhatACodecHasWrittenIsNoTaskWithoutIt forgets the codec at the next start.
func TestWhatACodecHasWrittenIsNoTaskWithoutIt(t *testing.T) {
	t.Parallel()
	b := briefBench(t)
	q := coded(t, b, driver.QueueConfig{}, JSON("work"))
	put(t, q, "a")
	q = openQueue(t, b.provider(t, WithQueue("q", Existing{URL: q.state.sources[0].url, DLQ: q.state.dlq.url})), driver.QueueConfig{})
	nothing(t, q)
	becomes(t, q, driver.Stats{Dead: 1})
	require.Equal(t, `{"id":"a"}`, *receiveOne(t, b, q.state.dlq).Body)
}

func TestAPayloadTooLargeForABodyIsStored(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	q := coded(t, b, driver.QueueConfig{}, JSON("work"), WithStore(&memoryStore{all: map[string][]byte{}}))
	large := `"` + strings.Repeat("x", maxBatchSize) + `"`
	enqueue(t, q, task(q, "a", func(t *driver.Task) { t.Payload = []byte(large) }))
	ds := take(t, q, 1)
	require.Equal(t, large, string(ds[0].Task.Payload))
	require.NoError(t, q.Release(within(t), ds))
	ds = take(t, q, 1)
	require.Equal(t, large, string(ds[0].Task.Payload))
}
