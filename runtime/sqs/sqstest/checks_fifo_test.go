package sqstest_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sendGroup sends bodies to one group, each with itself for its deduplication
// id.
func (w *env) sendGroup(url, group string, bodies ...string) {
	for _, body := range bodies {
		w.send(url, body, grouped(group, body))
	}
}

var fifoChecks = []check{
	{name: "sequence numbers grow", do: func(w *env) {
		url := w.fifo()
		var numbers []string
		for i := range 3 {
			out := w.send(url, strconv.Itoa(i), grouped("g", strconv.Itoa(i)))
			assert.GreaterOrEqual(w, len(aws.ToString(out.SequenceNumber)), 18)
			numbers = append(numbers, aws.ToString(out.SequenceNumber))
		}
		assert.True(w, slices.IsSorted(numbers) && numbers[0] != numbers[2], "%v", numbers)
		m := w.one(url)
		assert.Equal(w, numbers[0], m.Attributes["SequenceNumber"])
		assert.Equal(w, "g", m.Attributes["MessageGroupId"])
		assert.Equal(w, "0", m.Attributes["MessageDeduplicationId"])
	}},
	{name: "one receive gives many messages of a group, in order", do: func(w *env) {
		url := w.fifo()
		for i := range 12 {
			w.sendGroup(url, "g", strconv.Itoa(i))
		}
		ms := w.receive(url, 10, 1)
		assert.Equal(w, "0,1,2,3,4,5,6,7,8,9", bodies(ms))
		w.delete(url, ms...)
		assert.Equal(w, "10,11", bodies(w.receive(url, 10, 1)))
	}},
	{name: "a group keeps its order, message by message", do: func(w *env) {
		url := w.fifo()
		w.sendGroup(url, "g", "a", "b", "c")
		for _, want := range []string{"a", "b", "c"} {
			m := w.one(url)
			assert.Equal(w, want, *m.Body)
			w.delete(url, m)
		}
	}},
	{name: "the same deduplication id is the same message", do: func(w *env) {
		url := w.fifo()
		one, two := w.send(url, "a", grouped("g", "d")), w.send(url, "a", grouped("g", "d"))
		assert.Equal(w, *one.MessageId, *two.MessageId)
		assert.Equal(w, *one.SequenceNumber, *two.SequenceNumber)
		w.send(url, "a", grouped("g2", "d"))
		w.counted(url, "1/0/0")
	}},
	{name: "a deduplication id outlives its message", do: func(w *env) {
		url := w.fifo()
		w.send(url, "a", grouped("g", "d"))
		w.delete(url, w.one(url))
		w.send(url, "a", grouped("g", "d"))
		w.counted(url, "0/0/0")
	}},
	{name: "a deduplication id is free after five minutes", slow: true, do: func(w *env) {
		url := w.fifo()
		w.send(url, "a", grouped("g", "d"))
		w.pass(5*time.Minute - time.Second)
		w.send(url, "a", grouped("g", "d"))
		w.counted(url, "1/0/0")
		w.pass(time.Second)
		w.send(url, "a", grouped("g", "d"))
		w.counted(url, "2/0/0")
	}},
	{name: "a purge frees deduplication ids", do: func(w *env) {
		url := w.fifo()
		w.send(url, "one", grouped("g", "d"))
		_, err := w.client.PurgeQueue(w.ctx(), &sqs.PurgeQueueInput{QueueUrl: &url})
		w.must(err)
		w.send(url, "two", grouped("g", "d"))
		assert.Equal(w, "two", *w.one(url).Body)
	}},
	{name: "contents deduplicate where a queue says so", do: func(w *env) {
		url := w.fifo("ContentBasedDeduplication", "true")
		for _, body := range []string{"same", "same", "other"} {
			w.send(url, body, grouped("g", ""))
		}
		w.send(url, "same", grouped("g", "explicit"))
		w.counted(url, "3/0/0")
		assert.Len(w, w.one(url).Attributes["MessageDeduplicationId"], 64)
	}},
	{name: "ids deduplicate by group where a queue says so", do: func(w *env) {
		url := w.fifo("DeduplicationScope", "messageGroup", "FifoThroughputLimit", "perMessageGroupId")
		for _, group := range []string{"A", "B", "A"} {
			w.send(url, "a", grouped(group, "d"))
		}
		w.counted(url, "2/0/0")
	}},
	{name: "a FIFO queue needs a group, an id and no delay", do: func(w *env) {
		url := w.fifo()
		_, err := w.trySend(url, "x", grouped("g", ""))
		w.refuses(err, "InvalidParameterValue")
		_, err = w.trySend(url, "x", func(in *sqs.SendMessageInput) { in.MessageDeduplicationId = aws.String("d") })
		w.refuses(err, "MissingParameter")
		_, err = w.trySend(url, "x", grouped("g", "d"), delay(5))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "a missing group fails the whole batch", do: func(w *env) {
		url := w.fifo()
		es := fifoEntries("g", "a", "b")
		es[1].MessageGroupId = nil
		_, err := w.sendBatch(url, es)
		w.refuses(err, "InvalidParameterValue", "MissingParameter")
		w.counted(url, "0/0/0")
	}},
	{name: "a batch keeps its order and knows its duplicates", do: func(w *env) {
		url := w.fifo()
		es := fifoEntries("g", "a", "b", "c", "a")
		out, err := w.sendBatch(url, es)
		w.must(err)
		assert.Len(w, out.Successful, 4)
		var got []string
		for range 3 {
			m := w.one(url)
			got = append(got, *m.Body)
			w.delete(url, m)
		}
		assert.Equal(w, []string{"a", "b", "c"}, got)
		w.none(url, "the fourth was the first")
	}},
	{name: "a group in flight is locked, and others are not", do: func(w *env) {
		url := w.fifo()
		w.sendGroup(url, "A", "a1", "a2")
		w.sendGroup(url, "B", "b1")
		m := w.one(url)
		assert.Equal(w, "a1", *m.Body)
		other, err := w.receiveNow(url, 10, 0)
		w.must(err)
		assert.Equal(w, "b1", bodies(other))
		w.delete(url, m)
		assert.Equal(w, "a2", bodies(w.receive(url, 1, 1)))
	}},
	{name: "a group is locked until all of it is deleted", do: func(w *env) {
		url := w.fifo()
		w.sendGroup(url, "A", "a1", "a2", "a3", "a4")
		ms := w.receive(url, 2, 1)
		require.Equal(w, "a1,a2", bodies(ms))
		w.delete(url, ms[0])
		w.none(url, "one of the group is in flight")
		w.delete(url, ms[1])
		assert.Equal(w, "a3,a4", bodies(w.receive(url, 10, 1)))
	}},
	{name: "what comes back comes back in its place", do: func(w *env) {
		url := w.fifo()
		w.sendGroup(url, "A", "a1", "a2", "a3")
		w.must(w.change(url, w.one(url), 0))
		m := w.one(url, visibility(1))
		assert.Equal(w, "a1", *m.Body)
		w.pass(time.Second)
		m = w.one(url)
		assert.Equal(w, "a1", *m.Body)
		w.delete(url, m)
		assert.Equal(w, "a2", *w.one(url).Body)
	}},
	{name: "of a batch, what stands before an extended message comes back alone", do: func(w *env) {
		url := w.fifo("VisibilityTimeout", whileSeconds)
		w.sendGroup(url, "A", "a1", "a2", "a3")
		ms := w.receive(url, 5, 1)
		require.Equal(w, "a1,a2,a3", bodies(ms))
		w.must(w.change(url, ms[1], 30))
		w.pass(while)
		assert.Equal(w, "a1", bodies(w.receive(url, 5, 1)))
	}},
	{name: "a receive that is tried again gets the same", do: func(w *env) {
		url := w.fifo()
		w.sendGroup(url, "A", "a1", "a2")
		attempt := func(in *sqs.ReceiveMessageInput) { in.ReceiveRequestAttemptId = aws.String("attempt") }
		one := w.receive(url, 10, 1, attempt)
		require.NotEmpty(w, one)
		two := w.receive(url, 10, 0, attempt)
		require.Equal(w, bodies(one), bodies(two))
		assert.Equal(w, *one[0].ReceiptHandle, *two[0].ReceiptHandle)
		assert.Equal(w, count(one[0]), count(two[0]))
	}},
	{name: "a receive that is tried again gets nothing once a message of it is gone", do: func(w *env) {
		url := w.fifo()
		w.sendGroup(url, "A", "a1", "a2")
		attempt := func(in *sqs.ReceiveMessageInput) { in.ReceiveRequestAttemptId = aws.String("attempt") }
		m := w.one(url, attempt)
		w.delete(url, m)
		assert.Equal(w, "a2", *w.one(url, attempt).Body)
	}},
	{name: "an expired handle deletes nothing", do: func(w *env) {
		url := w.fifo()
		w.sendGroup(url, "A", "a1")
		m := w.one(url, visibility(1))
		w.pass(time.Second)
		w.refuses(w.tryDelete(url, m), "InvalidParameterValue", "ReceiptHandleIsInvalid")
		w.counted(url, "1/0/0")
	}},
	{name: "a dead letter leaves its group to go on", do: func(w *env) {
		dead := w.fifo()
		url := w.fifo("RedrivePolicy", w.redrive(dead, 1))
		w.sendGroup(url, "A", "a1", "a2")
		w.must(w.change(url, w.one(url), 0))
		assert.Equal(w, "a2", bodies(w.receive(url, 1, 2)))
		m := w.one(dead)
		assert.Equal(w, "a1", *m.Body)
		assert.Equal(w, "A", m.Attributes["MessageGroupId"])
	}},
	{name: "a FIFO queue may delay every message", do: func(w *env) {
		url := w.fifo("DelaySeconds", whileSeconds)
		w.sendGroup(url, "A", "a1")
		w.none(url, "its queue delays it")
		w.pass(while)
		w.one(url)
	}},
	{name: "many consumers see every group in order and one at a time", do: func(w *env) {
		const groups, each = 10, 12
		url := w.fifo("VisibilityTimeout", "3600")
		for i := range each {
			var es []types.SendMessageBatchRequestEntry
			for g := range groups {
				es = append(es, fifoEntries(fmt.Sprint("g", g), fmt.Sprintf("%d/%d", g, i))...)
				es[g].Id = aws.String(strconv.Itoa(g))
			}
			out, err := w.sendBatch(url, es)
			w.must(err)
			require.Empty(w, out.Failed)
		}
		watch := &orderWatch{next: make(map[string]int), held: make(map[string]bool)}
		var consumers sync.WaitGroup
		for range 6 {
			consumers.Go(func() { watch.consume(w, url, groups*each) })
		}
		consumers.Wait()
		assert.Equal(w, groups*each, watch.total)
		assert.Empty(w, watch.wrong)
	}},
}

// fifoEntries are entries of a batch of one group, each with its body for its
// deduplication id.
func fifoEntries(group string, bodies ...string) []types.SendMessageBatchRequestEntry {
	es := entries(len(bodies))
	for i, body := range bodies {
		es[i].MessageBody, es[i].MessageDeduplicationId, es[i].MessageGroupId = aws.String(body), aws.String(body), aws.String(group)
	}
	return es
}

// An orderWatch looks at what consumers of a FIFO queue get: bodies "group/n".
type orderWatch struct {
	mu    sync.Mutex
	next  map[string]int
	held  map[string]bool
	total int
	wrong []string
}

// consume receives and deletes until all messages were received. It gives up after many
// receives in a row that found nothing, and not before patience has passed: a machine that
// stands still for a while must not end it.
func (o *orderWatch) consume(w *env, url string, all int) {
	const enough = 100
	found := time.Now()
	for empty := 0; !o.done(all) && (empty < enough || time.Since(found) < patience); empty++ {
		ms, err := w.receiveNow(url, 10, 0)
		if len(ms) > 0 {
			empty, found = 0, time.Now()
		}
		if err != nil {
			o.note(err)
			return
		}
		o.took(ms)
		for _, m := range ms {
			o.gives(ms, m)
			if err := w.tryDelete(url, m); err != nil {
				o.note(err)
			}
		}
	}
}

func (o *orderWatch) done(all int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.total >= all || len(o.wrong) > 0
}

func (o *orderWatch) note(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wrong = append(o.wrong, err.Error())
}

func (o *orderWatch) took(ms []types.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	mine := make(map[string]bool)
	for _, m := range ms {
		group, number, _ := strings.Cut(*m.Body, "/")
		if o.held[group] && !mine[group] {
			o.wrong = append(o.wrong, errors.New("group "+group+" is held twice").Error())
		}
		if number != strconv.Itoa(o.next[group]) {
			o.wrong = append(o.wrong, fmt.Sprintf("group %s: %s where %d comes next", group, number, o.next[group]))
		}
		o.held[group], mine[group] = true, true
		o.next[group]++
		o.total++
	}
}

// gives notes that the group of m is given up with it, when it is the last that
// this consumer holds. It is called before the delete, which lets others have it.
func (o *orderWatch) gives(ms []types.Message, m types.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	group, _, _ := strings.Cut(*m.Body, "/")
	last := m
	for _, other := range ms {
		if strings.HasPrefix(*other.Body, group+"/") {
			last = other
		}
	}
	if *last.Body == *m.Body {
		o.held[group] = false
	}
}
