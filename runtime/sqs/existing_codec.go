package sqs

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// What is beside the body of a message on an existing queue, for filters and for other
// programs. The trace is that of W3C, and is in a task's metadata under the same names.
const (
	attrType        = "Type"
	attrPriority    = "Priority"
	attrTraceParent = "traceparent"
	attrTraceState  = "tracestate"
)

// ownAttributes is the most that taskgen needs of a message's ten attributes: attrTask,
// attrCrashes, attrDead.
const ownAttributes = 3

// encodeExisting gives a message that is enqueued to an existing queue the form that it has
// there.
func (e *queueState) encodeExisting(o *outgoing) error {
	t := o.task
	if f := e.on.FairGroup; f != nil {
		if group := f(t); group != "" {
			o.sender.group = token(group)
		}
	}
	attributes := map[string]string{attrType: t.Type, attrTraceParent: t.Metadata[attrTraceParent], attrTraceState: t.Metadata[attrTraceState]}
	if e.kind == driver.Priority {
		attributes[attrPriority] = strconv.Itoa(t.Priority)
	}
	if e.on.Codec != nil {
		m, err := e.on.Codec.Encode(t)
		if err != nil {
			return fmt.Errorf("write task %s (%s) for queue %q: %w", t.ID, t.Type, e.name, err)
		}
		for name, value := range m.Attributes {
			attributes[name] = value
		}
		if m.Body != "" {
			o.raw, o.byCodec = &m.Body, true
		}
	}
	o.sender.attrs = make(map[string]types.MessageAttributeValue, len(attributes))
	for name, value := range attributes {
		if value == "" || !carried([]byte(value)) {
			continue // SQS takes no such
		}
		kind := "String"
		if name == attrPriority {
			kind = "Number"
		}
		o.sender.attrs[name] = types.MessageAttributeValue{DataType: &kind, StringValue: &value}
	}
	if n := len(o.sender.attrs); n > maxAttributes-ownAttributes {
		return fmt.Errorf("%w: task %s (%s) has %d message attributes, and %d of SQS's ten are taskgen's own", driver.ErrInvalidTask, t.ID, t.Type, n, ownAttributes)
	}
	return nil
}

// keepsBody reports whether a message may keep its body when it is sent anew: there must be
// room for what is to be known of its task.
func (m *message) keepsBody() bool {
	return m.byCodec && string(m.payload) == string(m.task.Payload) && len(m.sender.attrs) <= maxAttributes-ownAttributes
}

var errNoCodec = errors.New("a Codec has written it, and the queue is open without one")

// decodeBody reads the task of a message: from an envelope, or on an existing queue by its
// Codec. No task and no error: the message is to be deleted.
func (l *source) decodeBody(msg *message, m types.Message, state string) error {
	text, err := aws.ToString(m.Body), errNoCodec
	if state == "" || !l.state.onExisting {
		msg.task, err = envelopeCodec{}.Decode(Message{Body: text})
	}
	if !l.state.onExisting {
		return err
	}
	seen := textAttributes(m.MessageAttributes)
	if msg.task == nil {
		name, on := l.state.owningQueue(msg.origin, m.Attributes[string(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)])
		if on.Codec == nil {
			return err
		}
		if err = l.decode(msg, Message{Body: text, Attributes: seen}, m, state, name, on); err != nil || msg.task == nil {
			return err
		}
		msg.byCodec, msg.raw, msg.payload = true, text, msg.task.Payload
	}
	withTrace(msg.task, seen)
	return nil
}

// decode has a Codec read a message. Where taskgen has sent it before, its task is in state,
// all but the payload.
func (l *source) decode(msg *message, view Message, m types.Message, state, name string, on Existing) error {
	read, err := on.Codec.Decode(view)
	if err != nil {
		return err
	}
	if read == nil {
		if l.state.isDLQ || l == l.state.later {
			return fmt.Errorf("the codec says that it is not a task")
		}
		return nil
	}
	t, err := l.fillIn(msg, read, state, m, on)
	if err != nil {
		return err
	}
	t.Queue = cmp.Or(t.Queue, name)
	if l.state.isDLQ {
		err = t.Validate()
	} else {
		err = driver.QueueConfig{Name: l.state.name, Type: l.state.kind, Levels: l.state.levels}.Accepts(t)
	}
	if err == nil {
		msg.task = t
	}
	return err
}

// fillIn completes a task that a Codec has read: with what was kept of it, or with what SQS
// says of the message.
func (l *source) fillIn(msg *message, read *driver.Task, state string, m types.Message, on Existing) (*driver.Task, error) {
	if state != "" {
		kept, err := envelopeCodec{}.Decode(Message{Body: state})
		if err != nil {
			return nil, fmt.Errorf("its attribute %s: %w", attrTask, err)
		}
		kept.Payload, kept.Encoding = read.Payload, read.Encoding
		return kept, nil
	}
	t := *read
	t.Queue = ""
	t.ID = cmp.Or(t.ID, msg.id)
	t.MaxRetries = cmp.Or(t.MaxRetries, on.MaxRetries)
	if t.CreatedAt.IsZero() {
		t.CreatedAt = msg.sent
	}
	if l.fifo {
		t.GroupKey = cmp.Or(t.GroupKey, m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)])
	}
	if l.state.kind == driver.Priority && t.Priority == 0 {
		t.Priority = l.level
		if n, err := strconv.Atoi(aws.ToString(m.MessageAttributes[attrPriority].StringValue)); err == nil && n >= 0 && n < l.state.levels {
			t.Priority = n
		}
	}
	return &t, nil
}

// owningQueue is the queue that a message belongs to: this one, or on a dead letter queue the
// one that it died on. The name is empty if WithQueue does not give that queue.
func (e *queueState) owningQueue(origin, source string) (name string, on Existing) {
	if !e.isDLQ {
		return e.name, e.on
	}
	if on, ok := e.p.existing[origin]; ok {
		return origin, on
	}
	for name, on := range e.p.existing {
		for _, u := range on.own() {
			if owner, sqs := ownerAndName(u); strings.HasSuffix(source, ":"+owner+":"+sqs) {
				return name, on
			}
		}
	}
	return "", Existing{}
}

// textAttributes are the attributes that a Codec sees.
func textAttributes(all map[string]types.MessageAttributeValue) map[string]string {
	seen := make(map[string]string, len(all))
	for name, v := range all {
		if v.StringValue != nil {
			seen[name] = *v.StringValue
		}
	}
	return seen
}

// withTrace puts the trace that a message was sent with into the metadata of its task,
// where that has none.
func withTrace(t *driver.Task, attributes map[string]string) {
	if attributes[attrTraceParent] == "" || t.Metadata[attrTraceParent] != "" {
		return
	}
	if t.Metadata = maps.Clone(t.Metadata); t.Metadata == nil {
		t.Metadata = make(map[string]string, 2)
	}
	for _, name := range []string{attrTraceParent, attrTraceState} {
		if v := attributes[name]; v != "" {
			t.Metadata[name] = v
		}
	}
}
