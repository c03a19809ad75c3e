package sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/runtime/driver"
)

// A Message is the message from which a Codec reads a task, or that it writes.
type Message struct {
	Body string
	// Attributes are the message attributes of the types String and Number.
	Attributes map[string]string
}

// A Codec says how tasks are written in the messages of an existing queue, if that is not
// the envelope. It must be safe for concurrent use. There are [JSON], [JSONByAttribute],
// [SNS] and [S3Event].
//
// A message keeps its body wherever it goes: when its task is sent again, or dies, the
// attribute taskgen-task has the data that the runtime has to keep. Envelopes are also
// read, whatever the Codec.
type Codec interface {
	// Decode returns the task of a message, with at least its Type and Payload. Missing
	// fields are filled in: the ID and the time from SQS's own of the message, the group
	// from MessageGroupId, the priority from the attribute Priority or the level, the
	// retries from Existing.MaxRetries. An error says why the message is no task: it is
	// buried unchanged. Without task and error the message is deleted.
	Decode(m Message) (*driver.Task, error)
	// Encode returns the message of a task to enqueue. An empty Body means the envelope.
	// The attributes Type, Priority, traceparent and tracestate are added.
	Encode(t *driver.Task) (Message, error)
}

// JSON is the Codec of bodies that are the payload itself, for tasks of one type.
func JSON(taskType string) Codec { return payloadCodec{taskType: taskType} }

// JSONByAttribute is the Codec of bodies that are the payload itself, for tasks whose
// type is read from and written to the message attribute of that name.
func JSONByAttribute(name string) Codec { return payloadCodec{attribute: name} }

// payloadCodec is the Codec of payloads.
type payloadCodec struct{ taskType, attribute string }

func (c payloadCodec) Decode(m Message) (*driver.Task, error) {
	t := &driver.Task{Type: c.taskType, Payload: []byte(m.Body)}
	if c.attribute != "" {
		if t.Type = m.Attributes[c.attribute]; t.Type == "" {
			return nil, fmt.Errorf("it has no attribute %s, which names the type", c.attribute)
		}
	}
	return t, nil
}

func (c payloadCodec) Encode(t *driver.Task) (Message, error) {
	switch {
	case t.Encoding != "":
		return Message{}, fmt.Errorf("%w: task %s (%s) is encoded (%s), and the bodies of the queue are plain JSON", driver.ErrUnsupported, t.ID, t.Type, t.Encoding)
	case c.taskType != "" && t.Type != c.taskType:
		return Message{}, fmt.Errorf("%w: task %s is of type %s, and the bodies of the queue are payloads of the type %s only", driver.ErrInvalidTask, t.ID, t.Type, c.taskType)
	}
	m := Message{Body: escaped(t.Payload)}
	if c.attribute != "" {
		m.Attributes = map[string]string{c.attribute: t.Type}
	}
	return m, nil
}

// escaped is a JSON text without the characters that SQS refuses.
func escaped(text []byte) string {
	return strings.NewReplacer("\uFFFE", `\ufffe`, "\uFFFF", `\uffff`).Replace(string(text))
}

// SNS is the Codec of a queue that subscribes a topic: what was published is read by the
// given Codec, with the attributes that it was published with; nil: it is an envelope.
// Messages that SNS did not wrap (raw message delivery, or sent to the queue itself) are
// read by that Codec as they are. What is enqueued is not wrapped.
func SNS(published Codec) Codec {
	if published == nil {
		published = envelopeCodec{}
	}
	return snsCodec{published}
}

type snsCodec struct{ Codec }

func (c snsCodec) Decode(m Message) (*driver.Task, error) {
	var n struct {
		Type, TopicArn, MessageId string //nolint:revive // as SNS calls them
		Message                   *string
		MessageAttributes         map[string]struct{ Type, Value string }
	}
	if json.Unmarshal([]byte(m.Body), &n) != nil || n.Type != "Notification" || n.TopicArn == "" || n.Message == nil {
		return c.Codec.Decode(m)
	}
	m = Message{Body: *n.Message, Attributes: make(map[string]string)}
	for name, a := range n.MessageAttributes {
		if a.Type != "Binary" {
			m.Attributes[name] = a.Value
		}
	}
	t, err := c.Codec.Decode(m)
	if err != nil {
		return nil, fmt.Errorf("what was published to %s: %w", n.TopicArn, err)
	}
	if t == nil {
		return nil, nil
	}
	withTrace(t, m.Attributes)
	if t.ID == "" {
		t.ID = n.MessageId // the same where SNS delivers it twice
	}
	return t, nil
}

// envelopeCodec is the Codec of envelopes.
type envelopeCodec struct{}

func (envelopeCodec) Decode(m Message) (*driver.Task, error) {
	data, err := envelope(m.Body)
	if err != nil {
		return nil, err
	}
	return driver.DecodeEnvelope(data)
}

func (envelopeCodec) Encode(*driver.Task) (Message, error) { return Message{}, nil }

// S3Event is the Codec of a queue to which S3 sends the events of a bucket. The payload is
// the event as S3 wrote it, {"Records": […]}, which may have several records. The event by
// which S3 tries the queue, s3:TestEvent, is deleted.
func S3Event(taskType string) Codec { return s3Codec{payloadCodec{taskType: taskType}} }

type s3Codec struct{ payloadCodec }

func (c s3Codec) Decode(m Message) (*driver.Task, error) {
	var event struct {
		Event   string
		Records []struct{ EventSource string }
	}
	if err := json.Unmarshal([]byte(m.Body), &event); err != nil {
		return nil, fmt.Errorf("it is not an event of S3: %w", err)
	}
	switch {
	case event.Event == "s3:TestEvent":
		return nil, nil
	case len(event.Records) == 0 || event.Records[0].EventSource != "aws:s3":
		return nil, errors.New("it is not an event of S3: it has no Records of aws:s3")
	}
	return c.payloadCodec.Decode(m)
}
