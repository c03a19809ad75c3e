package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/taskgen/taskgen/runtime/driver"
)

// Headers of a dead message that cannot be decoded. The broker keeps its body
// unchanged.
const (
	headerReason = "x-taskgen-reason" // why it cannot be decoded
	headerQueue  = "x-taskgen-queue"  // the queue that it was on
	headerDied   = "x-taskgen-died"   // RFC 3339
	// headerEnvelope is the envelope without its payload, which is in the body. It is
	// for a task whose envelope already had the broker's largest size before it was
	// retried or died.
	headerEnvelope = "x-taskgen-envelope"

	headerDeaths = "x-death" // written by the broker when it dead letters a message itself
)

const (
	maxReason   = 1 << 10  // bytes of headerReason
	maxEnvelope = 32 << 10 // bytes of headerEnvelope
	// maxHeaders is the room for all headers without ours: they are one frame, and a
	// broker closes the connection for a frame above 128 KiB.
	maxHeaders = 120 << 10
)

// foreign returns what a message has beyond the usual message of this package, without
// its body; nil if it has nothing, or only known headers.
func foreign(d *amqp.Delivery, known map[string]bool) *amqp.Delivery {
	plain := d.ContentType == "application/json" && d.ContentEncoding == "" && d.CorrelationId == "" && d.ReplyTo == "" && d.Type == "" && d.AppId == "" && d.Timestamp.IsZero()
	if plain {
		for k := range d.Headers {
			if !known[k] {
				plain = false
			}
		}
	}
	if plain {
		return nil
	}
	from := *d
	from.Body, from.Acknowledger = nil, nil
	return &from
}

// counters are the headers of ordinary tasks.
var counters = map[string]bool{headerCrashes: true, headerDue: true, headerLine: true, headerDeliveries: true, "x-acquired-count": true}

// accounts are the headers that the broker and this package keep about one copy of a
// message, and those that make a broker send further copies elsewhere.
var accounts = map[string]bool{
	headerCrashes: true, headerDue: true, headerLine: true, headerDeliveries: true, "x-acquired-count": true,
	headerDeaths: true, "x-first-death-queue": true, "x-first-death-reason": true, "x-first-death-exchange": true,
	"x-last-death-queue": true, "x-last-death-reason": true, "x-last-death-exchange": true,
	headerReason: true, headerQueue: true, headerDied: true,
	"CC": true, "BCC": true,
}

// original is a message as it was published, as far as another user may publish it.
func original(d *amqp.Delivery) amqp.Publishing {
	p := amqp.Publishing{
		ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo,
		MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, AppId: d.AppId,
	}
	for k, v := range d.Headers {
		if accounts[k] {
			continue
		}
		if p.Headers == nil {
			p.Headers = make(amqp.Table, len(d.Headers)+3)
		}
		p.Headers[k] = v
	}
	return p
}

func headersOf(d *amqp.Delivery) amqp.Table {
	if d == nil {
		return nil
	}
	return d.Headers
}

// marks are our headers that say why a message is on a dead letter queue.
func marks(h amqp.Table) amqp.Table {
	m := make(amqp.Table, 3)
	for _, k := range []string{headerReason, headerQueue, headerDied} {
		if v, ok := h[k]; ok {
			m[k] = v
		}
	}
	return m
}

// decode reads a task from a message.
func decode(body []byte, h amqp.Table) (*driver.Task, error) {
	t, err := driver.DecodeEnvelope(body)
	if err != nil {
		return nil, err
	}
	if newer := textOf(h[headerEnvelope]); newer != "" {
		if n, err := driver.DecodeEnvelope([]byte(newer)); err == nil && n.ID == t.ID {
			n.Payload, n.Encoding = t.Payload, t.Encoding
			return n, nil
		}
	}
	return t, nil
}

// shrink makes a letter no larger than the delivered message. The worker's changes go
// into a header, with as many notes on the runs as there is room for. It returns false
// if the payload itself has changed.
func shrink(letter *letter, body []byte, from *amqp.Delivery, t *driver.Task) bool {
	was, err := decode(body, headersOf(from))
	if err != nil || len(letter.body) <= len(body) || string(was.Payload) != string(t.Payload) || was.Encoding != t.Encoding {
		return false
	}
	slim, err := decode(letter.body, nil) // as in the letter: ScheduledFor may differ
	if err != nil {
		return false
	}
	slim.Payload, slim.Encoding = []byte("null"), ""
	for _, notes := range [][]string{nil, {driver.MetaStackPrefix}, {driver.MetaAttemptPrefix}} {
		maps.DeleteFunc(slim.Metadata, func(k, _ string) bool {
			for _, n := range notes {
				if strings.HasPrefix(k, n) {
					return true
				}
			}
			return false
		})
		head := driver.AppendEnvelope(nil, slim)
		if len(head) <= maxEnvelope && size(headersOf(from)) <= maxHeaders-maxEnvelope {
			letter.body, letter.from = body, from
			letter.headers = amqp.Table{headerEnvelope: string(head)}
			letter.alone = true
			return true
		}
	}
	return false
}

// size is the approximate size of headers in bytes.
func size(v any) int {
	switch v := v.(type) {
	case amqp.Table:
		n := 8
		for k, v := range v {
			n += 8 + len(k) + size(v)
		}
		return n
	case []any:
		n := 8
		for _, v := range v {
			n += 8 + size(v)
		}
		return n
	case string:
		return len(v)
	case []byte:
		return len(v)
	}
	return 16
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

// A dead is a message of a dead letter queue.
type dead struct {
	task *driver.Task
	raw  bool // it represents bytes that cannot be decoded
}

// readDead reads a message of a dead letter queue: a task, bytes that this package
// buried unchanged, or a message that the broker removed from a queue itself.
func (n names) readDead(body []byte, id string, h amqp.Table, dlq string) dead {
	now := time.Now()
	queue, reason, at := textOf(h[headerQueue]), textOf(h[headerReason]), now
	if t, err := time.Parse(time.RFC3339Nano, textOf(h[headerDied])); err == nil {
		at = t
	}
	if from, why := died(h); from != "" && queue == "" {
		queue, reason, at = n.queueOf(from), removed(why).Error(), diedAt(h, now)
	}
	task, err := decode(body, h)
	if err == nil {
		if reason != "" {
			driver.RecordDeath(task, queue, at, errors.New(reason))
		}
		return dead{task, false}
	}
	if reason != "" {
		err = errors.New(reason)
	}
	return dead{driver.Undecodable(id, cmp.Or(queue, dlq), body, at, err), true}
}

// removed is why a broker removed a message from a queue itself. Nothing in this
// package asks for that: a policy does.
func removed(reason string) error {
	how := map[string]string{
		"expired": "message-ttl", "maxlen": "max-length or max-length-bytes with overflow=drop-head", "delivery_limit": "delivery-limit",
	}[reason]
	return fmt.Errorf("RabbitMQ removed it from its queue (%s): a policy with %s applies to the queue: see rabbitmqctl list_policies", clip(reason, 64), cmp.Or(how, "such an effect"))
}

// lastDeath is the broker's note on the last queue that it removed a message from
// itself; nil if there is none.
func lastDeath(h amqp.Table) amqp.Table {
	all, _ := h[headerDeaths].([]any)
	if len(all) == 0 {
		return nil
	}
	last, _ := all[0].(amqp.Table)
	return last
}

// died returns that queue's name on the broker, and the reason.
func died(h amqp.Table) (queue, reason string) {
	last := lastDeath(h)
	return textOf(last["queue"]), textOf(last["reason"])
}

func diedAt(h amqp.Table, now time.Time) time.Time {
	if at, ok := lastDeath(h)["time"].(time.Time); ok {
		return at
	}
	return now
}

// letterOf is the task of a message on a dead letter queue.
func (q *queue) letterOf(l *lease) *driver.Task {
	x := q.p.names.readDead(l.body, l.id, headersOf(l.from), q.cfg.Name)
	if x.raw {
		if l.raw = l.from; l.raw == nil {
			l.raw = &amqp.Delivery{ContentType: "application/json", MessageId: l.id}
		}
	}
	return x.task
}

// Pauses between two attempts to bury a message.
const (
	firstBurialPause = time.Second
	maxBurialPause   = 30 * time.Second
)

// burials is how many messages a queue buries at a time.
const burials = 2

// buryUndecodable buries an undecodable message unchanged, in the background. It keeps trying
// until it succeeds or the message cannot be kept longer.
func (q *queue) buryUndecodable(ctx context.Context, l *lease, cause error) {
	st := q.st
	if st.take([]*driver.Delivery{{Receipt: l.receipt}})[0] == nil {
		return // lost meanwhile
	}
	marks := amqp.Table{headerReason: clip(cause.Error(), maxReason), headerQueue: q.cfg.Name, headerDied: time.Now().UTC().Format(time.RFC3339Nano)}
	moved := &letter{to: q.p.names.line(q.cfg.DLQ, 0), id: l.id, body: l.body, from: l.from, alone: true}
	if moved.from == nil {
		moved.from = &amqp.Delivery{ContentType: "application/json", MessageId: l.id}
	}
	if size(moved.from.Headers) <= maxHeaders {
		moved.headers = marks
	}
	st.p.mu.Lock()
	defer st.p.mu.Unlock()
	if st.p.closed {
		return
	}
	st.p.wg.Go(func() {
		if st.bury(l, moved) {
			driver.Buried(ctx, q.p.names.readDead(l.body, l.id, marks, q.cfg.DLQ).task)
		}
	})
}

func (st *queueState) bury(l *lease, moved *letter) bool {
	ctx := st.ctx
	for pause := firstBurialPause; ; pause = min(2*pause, maxBurialPause) {
		select {
		case st.burying <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		moving, cancel := outlast(ctx)
		st.p.publish(moving, []*letter{moved})
		cancel()
		<-st.burying
		if moved.err == nil {
			_ = l.t.ack([]*lease{l})
			st.settled([]*lease{l})
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		st.p.logger().LogAttrs(ctx, slog.LevelWarn, "rabbitmq: a message that cannot be decoded cannot be buried for now, will keep trying",
			slog.String("queue", st.name), slog.String("dlq", moved.to), slog.Int("bytes", len(l.body)), slog.Duration("pause", pause), slog.Any("error", moved.err))
		select {
		case <-time.After(pause):
		case <-l.t.ch.gone: // the broker has it again
			st.settled([]*lease{l})
			return false
		case <-ctx.Done():
			return false
		}
		if time.Since(l.at) > st.p.maxLease {
			l.t.reject(l)
			st.settled([]*lease{l})
			return false
		}
	}
}
