package sqs

import (
	"context"
	"encoding/json"
	"errors"
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

// senderAttributes are the attributes that its sender gave a message. They stay with it
// wherever it goes.
type senderAttributes struct {
	attrs map[string]types.MessageAttributeValue // without taskgen's own
	group string                                 // MessageGroupId: an order on fifo queues, fairness on others
	trace string                                 // AWSTraceHeader
}

func senderAttributesOf(m types.Message, own ...string) senderAttributes {
	b := senderAttributes{
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
func (b *senderAttributes) size() (n int) {
	for name, v := range b.attrs {
		n += len(name) + len(aws.ToString(v.DataType)) + len(aws.ToString(v.StringValue)) + len(v.BinaryValue)
	}
	return n
}

// A deathRecord is attrBuried: what is known of a message that is not a task, in JSON.
type deathRecord struct {
	ID     string    `json:"id"`
	Queue  string    `json:"queue,omitempty"` // the queue that buried it
	From   string    `json:"from,omitempty"`  // ARN of its SQS queue before that
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// maxReason bounds the reason in a deathRecord, in bytes.
const maxReason = 500

// markUndecodable marks a message as not a task. Its body and attributes stay unchanged; a
// task represents it here, under SQS's ID of the message.
func (m *message) markUndecodable(r types.Message, at time.Time, cause error) {
	e := m.source.state
	b := deathRecord{ID: m.id, At: at, Reason: clip(cause.Error())}
	if e.isDLQ {
		b.From = r.Attributes[string(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)]
	} else {
		b.Queue, b.From = e.name, m.source.arn
	}
	m.setDeathRecord(r, b)
}

// setDeathRecord is markUndecodable for a message whose deathRecord is known.
func (m *message) setDeathRecord(r types.Message, b deathRecord) {
	m.undecodable, m.raw, m.sender, m.deathRecord, m.origin = true, aws.ToString(r.Body), senderAttributesOf(r, attrBuried), b, b.Queue
	m.crashes, m.stored, m.payload, m.byCodec = 0, "", nil, false
	queue := b.Queue
	if queue == "" {
		queue = m.source.state.name
	}
	m.task = driver.Undecodable(b.ID, queue, []byte(m.raw), b.At, errors.New(b.Reason))
}

// restoreBody restores a message that earlier versions turned into a task of type
// driver.UndecodableType, with the body as its payload.
func (m *message) restoreBody() bool {
	if m.task.Type != driver.UndecodableType {
		return false
	}
	var body []byte
	if json.Unmarshal(m.task.Payload, &body) != nil {
		return false
	}
	m.undecodable, m.raw = true, string(body)
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

// parseDeathRecord reads attrBuried.
func parseDeathRecord(text string) (b deathRecord, ok bool) {
	return b, text != "" && json.Unmarshal([]byte(text), &b) == nil && b.ID != ""
}

func (b deathRecord) String() string {
	text, _ := json.Marshal(b)
	return string(text)
}

// attributes are the attributes of a message to send, as far as there is room: the
// essential ones first (the key of a stored payload, and what is known of a task beside
// its body), then the sender's, then taskgen's others.
func (o *outgoing) attributes() map[string]types.MessageAttributeValue {
	if len(o.attrs)+len(o.sender.attrs) == 0 {
		return nil
	}
	all := make(map[string]types.MessageAttributeValue, len(o.attrs)+len(o.sender.attrs))
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
	for _, name := range slices.Sorted(maps.Keys(o.sender.attrs)) {
		add(name, o.sender.attrs[name])
	}
	own(attrCrashes)
	own(attrDead)
	own(attrBuried)
	return all
}

// A queue that taskgen did not create may belong to another system. Its tag, or the first
// task that comes from it, shows that it is ours. Until then at most foreignLimit-1
// messages that are not tasks are buried. With the next ones burying stops, and Dequeue
// returns an error.
const foreignLimit = 10

// Bounds of the pauses between polls of a queue that seems to belong to another system.
const (
	firstForeignPause = 5 * time.Second
	maxForeignPause   = time.Minute
)

// checkOwner returns an error if the received messages must be left alone.
func (e *queueState) checkOwner(l *source, good []*message, rest []unrunnable, at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ours || e.isDLQ || len(good)+len(rest) == 0 {
		return nil
	}
	if len(good) > 0 || slices.ContainsFunc(rest, func(s unrunnable) bool { return s.cause == nil || s.isTask }) {
		e.ours, e.foreignErr = true, nil
		return nil
	}
	if e.undecodableSeen += len(rest); e.undecodableSeen < foreignLimit {
		return nil
	}
	pause := min(firstForeignPause<<min(e.foreignPolls, 10), maxForeignPause)
	e.foreignPolls++
	e.foreignUntil = time.Now().Add(pause)
	if e.foreignErr == nil {
		hint := fmt.Sprintf("tag it %s=%s and open it again", queueTag, e.name)
		if e.onExisting {
			hint = "give WithQueue the Codec of its messages"
		}
		e.foreignErr = fmt.Errorf("%w: the first messages of the SQS queue %s are not tasks (%s): it seems to be somebody else's, and its messages are left there; if it is yours, %s", driver.ErrQueueMismatch, l.name, rest[0].deathRecord.Reason, hint)
		e.p.logger().Error("sqs: a queue seems to be somebody else's, and nothing more is taken from it", slog.String("queue", e.name), slog.Any("error", e.foreignErr))
	}
	return e.foreignErr
}

// currentForeignErr is the error of a Dequeue while the queue is not polled. mu is held.
func (e *queueState) currentForeignErr() error {
	if e.foreignErr != nil && time.Now().Before(e.foreignUntil) {
		return e.foreignErr
	}
	return nil
}

// returnUnchanged makes messages visible again, unchanged.
func (e *queueState) returnUnchanged(rest []unrunnable) {
	ctx, cancel := context.WithTimeout(e.background, giveBackTimeout)
	defer cancel()
	ms := make([]*message, len(rest))
	for i, s := range rest {
		ms[i] = s.message
	}
	defer e.markMoving()()
	e.hide(ctx, true, ms, make([]error, len(ms)), func(*message) int32 { return 0 })
}

// buryUndecodable buries a message that is no task. The next Dequeue reports it.
func (e *queueState) buryUndecodable(ctx context.Context, m *message) {
	const most = 1000 // of those to report: perhaps no Dequeue comes any more
	errs := make([]error, 1)
	if e.moveToDLQ(ctx, []*message{m}, errs); errs[0] != nil {
		e.p.logger().Error("sqs: cannot bury a message that is not a task, will try again when its lease ends", slog.String("queue", e.name), slog.String("message", m.id), slog.Any("error", errs[0]))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.moved && len(e.unreported) < most {
		e.unreported = append(e.unreported, m.task)
	}
}

// reportUndecodable reports to a Dequeue what was buried since the last one.
func (e *queueState) reportUndecodable(ctx context.Context) {
	e.mu.Lock()
	buried := e.unreported
	e.unreported = nil
	e.mu.Unlock()
	for _, t := range buried {
		driver.Buried(ctx, t)
	}
}
