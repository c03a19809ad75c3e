package sqstest_test

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
)

func delay(seconds int32) sendOption {
	return func(in *sqs.SendMessageInput) { in.DelaySeconds = seconds }
}

// while is how long a message stays away of which a check sees that it is away: calls
// to an emulator on a busy machine take a second and more.
const (
	while        = 5 * time.Second
	whileSeconds = "5"
)

var visibilityChecks = []check{
	{name: "a delayed message is not there before its time", do: func(w *env) {
		url := w.queue()
		w.send(url, "x", delay(int32(while/time.Second)))
		w.none(url, "it is delayed")
		w.counted(url, "0/0/1")
		w.pass(while)
		w.one(url)
	}},
	{name: "what has become visible counts as such before anybody receives", do: func(w *env) {
		url := w.queue()
		w.send(url, "x", delay(1))
		w.send(url, "y")
		w.one(url, visibility(1))
		w.pass(time.Second)
		w.counted(url, "2/0/0")
	}},
	{name: "a delay has 900 seconds at most", do: func(w *env) {
		_, err := w.trySend(w.queue(), "x", delay(901))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "a queue may delay every message", do: func(w *env) {
		url := w.queue("DelaySeconds", whileSeconds)
		w.send(url, "x")
		w.none(url, "its queue delays it")
		w.pass(while)
		w.one(url)
	}},
	{name: "entries of a batch have their own delays", do: func(w *env) {
		url := w.queue()
		es := entries(2)
		es[1].DelaySeconds = int32(while / time.Second)
		_, err := w.sendBatch(url, es)
		w.must(err)
		ms, err := w.receiveNow(url, 10, 0)
		w.must(err)
		assert.Equal(w, "0", bodies(ms))
		w.pass(while)
		assert.Equal(w, "1", bodies(w.receive(url, 1, 3)))
	}},
	{name: "what is not deleted in time is received again", do: func(w *env) {
		url := w.queue("VisibilityTimeout", whileSeconds)
		w.send(url, "x")
		first := w.one(url)
		w.none(url, "it is in flight")
		w.pass(while)
		second := w.one(url)
		assert.Equal(w, "2", count(second))
		assert.Equal(w, *first.MessageId, *second.MessageId)
		assert.NotEqual(w, *first.ReceiptHandle, *second.ReceiptHandle)
		assert.Equal(w, first.Attributes["ApproximateFirstReceiveTimestamp"], second.Attributes["ApproximateFirstReceiveTimestamp"])
	}},
	{name: "a receive may set its own visibility", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		w.one(url, visibility(1))
		w.pass(time.Second)
		w.one(url)
	}},
	{name: "visibility zero gives a message back at once", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		w.must(w.change(url, w.one(url), 0))
		m := w.one(url)
		assert.Equal(w, "2", count(m))
	}},
	{name: "visibility can be extended", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url, visibility(int32(while/time.Second)))
		w.must(w.change(url, m, int32(2*while/time.Second)))
		w.pass(while)
		w.none(url, "its visibility was extended")
		w.pass(while)
		w.one(url)
	}},
	{name: "changing visibility does not count as a receive", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url)
		w.must(w.change(url, m, 30))
		w.must(w.change(url, m, 0))
		assert.Equal(w, "2", count(w.one(url)))
	}},
	{name: "visibility has twelve hours at most", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		w.refuses(w.change(url, w.one(url), 43201), "InvalidParameterValue")
	}},
	{name: "visibility has twelve hours at most from the receive", slow: true, do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url, visibility(3600))
		w.pass(time.Minute)
		w.refuses(w.change(url, m, 43200), "InvalidParameterValue")
		w.must(w.change(url, m, 43140))
		w.pass(43139 * time.Second)
		w.none(url, "it has a second left")
		w.pass(time.Second)
		w.one(url)
	}},
	{name: "a visibility that has ended can be changed while nobody received again", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url, visibility(1))
		w.pass(time.Second)
		w.must(w.change(url, m, 5))
	}},
	{name: "the visibility of a deleted message cannot be changed", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url)
		w.delete(url, m)
		w.refuses(w.change(url, m, 5), "InvalidParameterValue")
	}},
	{name: "a handle that has expired deletes while nobody received again", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url, visibility(1))
		w.pass(time.Second)
		w.delete(url, m)
		w.none(url, "it was deleted")
	}},
	{name: "a handle that was replaced is taken without an error", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		old := w.one(url, visibility(1))
		w.pass(time.Second)
		w.one(url)
		w.delete(url, old)
	}},
	{name: "visible, in flight and delayed are counted apart", do: func(w *env) {
		url := w.queue()
		_, err := w.sendBatch(url, entries(7))
		w.must(err)
		w.send(url, "late", delay(60))
		w.one(url)
		w.one(url)
		w.counted(url, "5/2/1")
	}},
}
