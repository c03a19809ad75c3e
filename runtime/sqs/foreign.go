package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// systemAttributes are the system attributes that a receive requests.
var systemAttributes = []types.MessageSystemAttributeName{
	types.MessageSystemAttributeNameApproximateReceiveCount,
	types.MessageSystemAttributeNameMessageGroupId,
	types.MessageSystemAttributeNameAWSTraceHeader,
	types.MessageSystemAttributeNameDeadLetterQueueSourceArn,
	types.MessageSystemAttributeNameSentTimestamp,
}

// maxAttributes is how many attributes SQS takes with a message.
const maxAttributes = 10

// beside is what a message's sender put beside its body. It goes wherever the message
// goes.
type beside struct {
	attrs map[string]types.MessageAttributeValue // without taskgen's own
	group string                                 // MessageGroupId: an order on fifo queues, fairness on others
	trace string                                 // AWSTraceHeader
}

func besides(m types.Message, own ...string) beside {
	b := beside{
		group: m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
		trace: m.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)],
	}
	for name, v := range m.MessageAttributes {
		if !slices.Contains(own, name) {
			if b.attrs == nil {
				b.attrs = make(map[string]types.MessageAttributeValue)
			}
			b.attrs[name] = types.MessageAttributeValue{DataType: v.DataType, StringValue: v.StringValue, BinaryValue: v.BinaryValue}
		}
	}
	return b
}

// size is their size as SQS counts it.
func (b *beside) size() (n int) {
	for name, v := range b.attrs {
		n += len(name) + len(aws.ToString(v.DataType)) + len(aws.ToString(v.StringValue)) + len(v.BinaryValue)
	}
	return n
}

// A burial is attrBuried: what is known of a message that is not a task, in JSON.
type burial struct {
	ID     string    `json:"id"`
	Queue  string    `json:"queue,omitempty"` // the queue that buried it
	From   string    `json:"from,omitempty"`  // ARN of its SQS queue before that
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// maxReason bounds the reason of a burial, in bytes.
const maxReason = 500

// estrange marks a message as not a task. Its body and attributes stay unchanged; a
// task of type undecodable represents it here.
func (m *message) estrange(r types.Message, at time.Time, cause error) {
	e := m.lane.e
	b := burial{ID: "sqs-" + m.id, At: at, Reason: clip(cause.Error())}
	if e.isDLQ {
		b.From = r.Attributes[string(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)]
	} else {
		b.Queue, b.From = e.name, m.lane.arn
	}
	m.standFor(r, b)
}

// standFor is estrange for a message whose burial is known.
func (m *message) standFor(r types.Message, b burial) {
	m.foreign, m.raw, m.with, m.burial, m.origin = true, aws.ToString(r.Body), besides(r, attrBuried), b, b.Queue
	m.crashes, m.stored, m.payload, m.coded = 0, "", nil, false
	queue := b.Queue
	if queue == "" {
		queue = m.lane.e.name
	}
	m.task = driver.Undecodable(b.ID, queue, []byte(m.raw), b.At)
	driver.Bury(m.task, queue, b.At, fmt.Errorf("%s", b.Reason))
}

// revive restores a message that earlier versions turned into a task of type
// driver.UndecodableType, with the body as its payload.
func (m *message) revive() bool {
	if m.task.Type != driver.UndecodableType {
		return false
	}
	var body []byte
	if json.Unmarshal(m.task.Payload, &body) != nil {
		return false
	}
	m.foreign, m.raw = true, string(body)
	return true
}

// clip limits a text to what an attribute can hold.
func clip(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return strings.Map(func(r rune) rune {
		if !allowed(r, 3) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// buried reads attrBuried.
func buried(text string) (b burial, ok bool) {
	return b, text != "" && json.Unmarshal([]byte(text), &b) == nil && b.ID != ""
}

func (b burial) String() string {
	text, _ := json.Marshal(b)
	return string(text)
}

// attributes are the attributes of a message to send, as far as there is room: the
// essential ones first (the key of a stored payload, and what is known of a task beside
// its body), then the sender's, then taskgen's others.
func (o *outgoing) attributes() map[string]types.MessageAttributeValue {
	if len(o.attrs)+len(o.with.attrs) == 0 {
		return nil
	}
	all := make(map[string]types.MessageAttributeValue, len(o.attrs)+len(o.with.attrs))
	add := func(name string, v types.MessageAttributeValue) {
		if len(all) < maxAttributes {
			all[name] = v
		}
	}
	own := func(name string) {
		if v := o.attrs[name]; v != "" {
			add(name, types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v})
		}
	}
	own(attrStored)
	own(attrTask)
	for _, name := range slices.Sorted(maps.Keys(o.with.attrs)) {
		add(name, o.with.attrs[name])
	}
	own(attrCrashes)
	own(attrDead)
	own(attrBuried)
	return all
}

// A queue that taskgen did not create may belong to another system. Its tag, or the
// first task that comes from it, shows that it is ours. Until then at most enough-1
// messages that are not tasks are buried. With the next ones burying stops, and Dequeue
// returns an error.
const enough = 10

// Bounds of the pauses between looks at a queue that seems to belong to another system.
const (
	firstStrangePause = 5 * time.Second
	maxStrangePause   = time.Minute
)

// judge returns an error if the received messages must be left alone.
func (e *engine) judge(l *lane, good []*message, rest []stray, at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ours || e.isDLQ || len(good)+len(rest) == 0 {
		return nil
	}
	if len(good) > 0 || slices.ContainsFunc(rest, func(s stray) bool { return s.cause == nil || s.isTask }) {
		e.ours, e.strange = true, nil
		return nil
	}
	if e.foreign += len(rest); e.foreign < enough {
		return nil
	}
	pause := min(firstStrangePause<<min(e.refused, 10), maxStrangePause)
	e.refused++
	e.strangeRest = time.Now().Add(pause)
	if e.strange == nil {
		hint := fmt.Sprintf("tag it %s=%s and open it again", queueTag, e.name)
		if e.adopted {
			hint = "give WithQueue the Codec of its messages"
		}
		e.strange = fmt.Errorf("%w: the first messages of the SQS queue %s are not tasks (%s): it seems to be somebody else's, and its messages are left there; if it is yours, %s", driver.ErrQueueMismatch, l.name, rest[0].burial.Reason, hint)
		slog.Error("sqs: a queue seems to be somebody else's, and nothing more is taken from it", slog.String("queue", e.name), slog.Any("error", e.strange))
	}
	return e.strange
}

// refuses is the error of a Dequeue while the queue is left alone. mu is held.
func (e *engine) refuses() error {
	if e.strange != nil && time.Now().Before(e.strangeRest) {
		return e.strange
	}
	return nil
}

// leaveAlone makes messages visible again, unchanged.
func (e *engine) leaveAlone(rest []stray) {
	ctx, cancel := context.WithTimeout(e.moves, strayTime)
	defer cancel()
	ms := make([]*message, len(rest))
	for i, s := range rest {
		ms[i] = s.message
	}
	defer e.aside()()
	e.hide(ctx, true, ms, make([]error, len(ms)), func(*message) int32 { return 0 })
}
