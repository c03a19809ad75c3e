package sqs

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/taskgen/taskgen/runtime/driver"
)

// The attributes of a message. Most messages have none: the body is the envelope.
const (
	attrCrashes = "taskgen-crashes" // deliveries that ended without an outcome, before the task was sent again
	attrDead    = "taskgen-dead"    // the queue that the task died on
	attrStored  = "taskgen-stored"  // where the payload is
	attrTask    = "taskgen-task"    // the envelope without payload, of a task whose body a Codec writes
	attrBuried  = "taskgen-buried"  // of a dead message that is no task: a deathRecord
)

// reserve is kept free in a message for what the runtime writes into a task: the lines
// of its attempts and the reason of its death.
const reserve = 64 << 10

// A message is one receive of one message.
type message struct {
	source       *source
	id           string // SQS's own, the same at each receive
	handle       string
	task         *driver.Task
	receives     int
	crashes      int
	origin       string // attrDead
	stored       string // attrStored
	payload      []byte // the stored payload, or the one that a Codec has read
	sender       senderAttributes
	undecodable  bool   // it is no task
	byCodec      bool   // a Codec has read its task
	raw          string // its body, in that case
	deathRecord  deathRecord
	sent         time.Time
	received     time.Time
	until        time.Time // when the lease ends, on our clock
	group        *group    // of a fifo queue; the message is one of it
	retries      int       // RetryCount when it was handed out
	due          time.Time // when it may be handed out again; zero: it may be
	releasedHere bool      // a worker has released it, and it stayed here
	counted      bool      // a tag of the SQS queue says that a worker has it
	starts       int       // how often it went to workers before and had no outcome

	outcomeUnknown bool          // a request to delete or release it was sent without an answer
	settling       bool          // a call completes, releases or buries it
	releasing      chan struct{} // closed when its Release has ended: no Extend may come after it; nil: none
	extending      int           // calls of Extend under way
	extended       chan struct{} // closed when they have ended; nil: none
	moved          bool          // it was sent to its new place: only the delete is left
}

// body writes the envelope of a task as SQS can carry it: unchanged, or quoted if it
// has characters that SQS refuses. These are the characters missing from XML 1.0, of
// which a JSON text can hold only U+FFFE and U+FFFF; and some servers that speak the
// protocol of SQS refuse characters beyond U+FFFF, which AWS accepts. A quoted body
// begins with a percent sign. In it, each byte of such a character, and of a percent
// sign, is a percent sign followed by two hexadecimal digits. An envelope begins with a
// brace.
func body(t *driver.Task) string {
	env := driver.AppendEnvelope(nil, t)
	if !slices.ContainsFunc(env, func(c byte) bool { return c >= 0xEF || c < ' ' }) || carried(env) {
		return string(env)
	}
	return quote(env)
}

func carried(text []byte) bool {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if !allowed(r, n) {
			return false
		}
		text = text[n:]
	}
	return true
}

func allowed(r rune, n int) bool {
	switch {
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	case r == utf8.RuneError:
		return n > 1
	}
	return r < 0xFFFE
}

func quote(text []byte) string {
	const digits = "0123456789ABCDEF"
	quoted := append(make([]byte, 0, len(text)+len(text)/8), '%')
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r != '%' && allowed(r, n) {
			quoted = append(quoted, text[:n]...)
		} else {
			for _, c := range text[:n] {
				quoted = append(quoted, '%', digits[c>>4], digits[c&15])
			}
		}
		text = text[n:]
	}
	return string(quoted)
}

// envelope undoes body.
func envelope(text string) ([]byte, error) {
	if !strings.HasPrefix(text, "%") {
		return []byte(text), nil
	}
	plain, err := url.PathUnescape(text[1:])
	return []byte(plain), err
}

// read makes a message of what SQS handed out. The error says why its body is no task;
// the message is returned nevertheless. Without task and error it is to be deleted.
func (l *source) read(m types.Message, at time.Time, lease time.Duration) (*message, error) {
	msg := &message{source: l, id: aws.ToString(m.MessageId), handle: aws.ToString(m.ReceiptHandle), received: at, until: at.Add(lease)}
	msg.receives = int(max(number(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]), 1))
	text := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
	before, _ := strconv.Atoi(text(attrCrashes))
	msg.crashes = max(before, 0)
	msg.origin, msg.stored = text(attrDead), text(attrStored)
	msg.sent = time.UnixMilli(number(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)]))
	if b, ok := parseDeathRecord(text(attrBuried)); ok && l.state.isDLQ {
		msg.setDeathRecord(m, b)
		return msg, nil
	}
	msg.sender = senderAttributesOf(m, attrCrashes, attrDead, attrStored, attrTask, attrBuried)
	err := l.decodeBody(msg, m, text(attrTask))
	if err == nil && msg.task == nil {
		return msg, nil
	}
	if err != nil {
		return msg, err
	}
	if msg.origin != "" && !l.state.isDLQ {
		driver.ClearDeath(msg.task, l.state.deadName) // SQS itself moved it back
	}
	switch {
	case l.state.isDLQ, l == l.state.later, msg.task.ScheduledFor.After(at):
		// It is not run, or not yet: earlier receivers browsed it, or sent it on.
	case l.state.retriesInPlace():
		l.state.applyHint(msg)
	default:
		msg.crashes += msg.receives - 1
	}
	return msg, nil
}

// applyHint adds to SQS's data of a task what this process knows of it.
//
// On a fifo queue that is all. A receive there is of a group: its count is how often
// the group was fetched, and does not show whether the task began. So it charges
// neither a retry nor a crash.
//
// With RetryByVisibility a receive is a run that failed or ended with its worker,
// because a task that goes back unused is sent again. It is charged as a retry.
func (e *queueState) applyHint(m *message) {
	hint := e.attemptHints.get(m.id)
	if hint != nil {
		m.task = hint.task.Clone()
	}
	if e.fifo {
		m.crashes = 0
		return
	}
	runs := m.receives - 1
	if hint != nil {
		runs -= hint.receives
	}
	m.task.RetryCount += max(runs, 0)
}

// fetchStored fetches the payload of a message that holds only its key.
func (m *message) fetchStored(ctx context.Context) error {
	store := m.source.state.p.store
	if store == nil {
		return fmt.Errorf("%w: the payload is in a store (key %s), and this process has none: open the provider WithStore", driver.ErrInvalidTask, m.stored)
	}
	data, err := store.Get(ctx, m.stored)
	if err != nil {
		return fmt.Errorf("the stored payload %s of task %s: %w", m.stored, m.task.ID, unavailable(err))
	}
	m.payload, m.task.Payload = data, data
	return nil
}

// delivery hands a message to a worker.
func (m *message) delivery(receipt driver.Receipt) *driver.Delivery {
	m.retries = m.task.RetryCount
	return &driver.Delivery{Task: m.task, Receipt: receipt, LeaseUntil: m.until, Crashes: m.crashes}
}
