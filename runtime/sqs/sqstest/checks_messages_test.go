package sqstest_test

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// digest is the MD5 that SQS documents for the attributes of a message.
func digest(attributes map[string]types.MessageAttributeValue) string {
	h := md5.New()
	write := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		write([]byte(name))
		write([]byte(*value.DataType))
		if value.BinaryValue != nil {
			h.Write([]byte{2})
			write(value.BinaryValue)
		} else {
			h.Write([]byte{1})
			write([]byte(*value.StringValue))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func manyKinds() map[string]types.MessageAttributeValue {
	return map[string]types.MessageAttributeValue{
		"str":  text("v ☃"),
		"num":  {DataType: aws.String("Number"), StringValue: aws.String("42.5")},
		"bin":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 2, 255}},
		"cust": {DataType: aws.String("String.json"), StringValue: aws.String("{}")},
	}
}

var messageChecks = []check{
	{name: "a message is received as it was sent", do: func(w *env) {
		url := w.queue()
		body := "hello ☃ \n\t{\"a\":1}"
		sent := w.send(url, body)
		m := w.one(url)
		assert.Equal(w, body, *m.Body)
		assert.Equal(w, *sent.MessageId, *m.MessageId)
		assert.Equal(w, aws.ToString(sent.MD5OfMessageBody), aws.ToString(m.MD5OfBody))
	}},
	{name: "a message says when it was sent and how often it was received", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url)
		for _, name := range []string{"SenderId", "ApproximateFirstReceiveTimestamp"} {
			assert.NotEmpty(w, m.Attributes[name], name)
		}
		assert.Len(w, m.Attributes["SentTimestamp"], 13)
		assert.Equal(w, "1", count(m))
	}},
	{name: "deleting twice is deleting once", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url)
		w.delete(url, m, m)
		w.counted(url, "0/0/0")
	}},
	{name: "a handle that is none is refused", do: func(w *env) {
		url := w.queue()
		w.refuses(w.tryDelete(url, garbage()), "ReceiptHandleIsInvalid")
		w.refuses(w.change(url, garbage(), 5), "ReceiptHandleIsInvalid")
	}},
	{name: "a message carries attributes", do: func(w *env) {
		url := w.queue()
		w.send(url, "x", attributed(manyKinds()))
		m := w.one(url)
		require.Len(w, m.MessageAttributes, 4)
		assert.Equal(w, []byte{0, 1, 2, 255}, m.MessageAttributes["bin"].BinaryValue)
		assert.Equal(w, "v ☃", aws.ToString(m.MessageAttributes["str"].StringValue))
		assert.Equal(w, "String.json", aws.ToString(m.MessageAttributes["cust"].DataType))
	}},
	{name: "attributes have a digest", do: func(w *env) {
		url := w.queue()
		sent := w.send(url, "x", attributed(manyKinds()))
		assert.Equal(w, digest(manyKinds()), aws.ToString(sent.MD5OfMessageAttributes))
		assert.Equal(w, digest(manyKinds()), aws.ToString(w.one(url).MD5OfMessageAttributes))
	}},
	{name: "the attributes that were asked for are returned", do: func(w *env) {
		url := w.queue()
		w.send(url, "x", attributed(map[string]types.MessageAttributeValue{"foo.a": text("1"), "foo.b": text("2"), "bar": text("3")}))
		for _, c := range []struct {
			ask  []string
			want int
		}{{[]string{"bar"}, 1}, {[]string{"foo.*"}, 2}, {[]string{".*"}, 3}, {[]string{"All"}, 3}} {
			m := w.one(url, func(in *sqs.ReceiveMessageInput) { in.MessageAttributeNames = c.ask })
			assert.Len(w, m.MessageAttributes, c.want, "%v", c.ask)
			w.must(w.change(url, m, 0))
		}
	}},
	{name: "attributes that nobody asked for are not returned", do: func(w *env) {
		url := w.queue()
		w.send(url, "x", attributed(map[string]types.MessageAttributeValue{"a": text("1")}))
		m := w.one(url, func(in *sqs.ReceiveMessageInput) {
			in.MessageAttributeNames, in.MessageSystemAttributeNames = nil, nil
			//lint:ignore SA1019 It is the name that they had.
			in.AttributeNames = nil
		})
		assert.Empty(w, m.MessageAttributes)
		assert.Empty(w, m.Attributes)
	}},
	{name: "a message has ten attributes at most, and none is empty", do: func(w *env) {
		url := w.queue()
		eleven := make(map[string]types.MessageAttributeValue)
		for i := range 11 {
			eleven[fmt.Sprint("a", i)] = text("1")
		}
		_, err := w.trySend(url, "x", attributed(eleven))
		w.refuses(err, "InvalidParameterValue")
		_, err = w.trySend(url, "x", attributed(map[string]types.MessageAttributeValue{"a": text("")}))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "a trace header travels", do: func(w *env) {
		url := w.queue()
		trace := "Root=1-5759e988-bd862e3fe1be46a994272793"
		w.send(url, "x", func(in *sqs.SendMessageInput) {
			in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &trace}}
		})
		assert.Equal(w, trace, w.one(url).Attributes["AWSTraceHeader"])
	}},
	{name: "a body has a mebibyte at most", do: func(w *env) {
		url := w.queue()
		w.send(url, strings.Repeat("x", 1<<20))
		_, err := w.trySend(url, strings.Repeat("x", 1<<20+1))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "a queue may set a lower limit of size", do: func(w *env) {
		url := w.queue("MaximumMessageSize", "1024")
		w.send(url, strings.Repeat("x", 1024))
		_, err := w.trySend(url, strings.Repeat("x", 1025))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "attributes count towards the size", do: func(w *env) {
		url := w.queue("MaximumMessageSize", "1024")
		_, err := w.trySend(url, strings.Repeat("x", 1000), attributed(map[string]types.MessageAttributeValue{"abc": text(strings.Repeat("y", 100))}))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "an empty body is refused", do: func(w *env) {
		_, err := w.trySend(w.queue(), "")
		w.refuses(err, "MissingParameter", "InvalidParameterValue", "InvalidMessageContents")
	}},
	{name: "a body holds no control characters", do: func(w *env) {
		url := w.queue()
		_, err := w.trySend(url, "bad\x01")
		w.refuses(err, "InvalidMessageContents")
		_, err = w.trySend(url, "bad\uffff")
		w.refuses(err, "InvalidMessageContents")
	}},
	{name: "a receive out of range is refused", do: func(w *env) {
		url := w.queue()
		_, err := w.receiveNow(url, 11, 0)
		w.refuses(err, "InvalidParameterValue", "ReadCountOutOfRange")
		_, err = w.receiveNow(url, 1, 21)
		w.refuses(err, "InvalidParameterValue")
		_, err = w.receiveNow(url, 1, 0, visibility(43201))
		w.refuses(err, "InvalidParameterValue")
	}},
	{name: "a standard queue takes groups and says them", do: func(w *env) {
		url := w.queue()
		w.send(url, "x", grouped("tenant-1", ""))
		assert.Equal(w, "tenant-1", w.one(url).Attributes["MessageGroupId"])
	}},
	{name: "system attributes can be asked for by the name that they have now", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url, func(in *sqs.ReceiveMessageInput) {
			//lint:ignore SA1019 It is the name that they had.
			in.AttributeNames = nil
			in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{"ApproximateReceiveCount"}
		})
		assert.Equal(w, map[string]string{"ApproximateReceiveCount": "1"}, m.Attributes)
	}},
	{name: "system attributes can be asked for by the name that they had", do: func(w *env) {
		url := w.queue()
		w.send(url, "x")
		m := w.one(url, func(in *sqs.ReceiveMessageInput) {
			//lint:ignore SA1019 It is the name that they had.
			in.AttributeNames = []types.QueueAttributeName{"ApproximateReceiveCount"}
			in.MessageSystemAttributeNames = nil
		})
		assert.Equal(w, map[string]string{"ApproximateReceiveCount": "1"}, m.Attributes)
	}},
}
