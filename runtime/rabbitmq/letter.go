package rabbitmq

import (
	"math"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Headers of a message, beside the envelope in its body.
const (
	headerCrashes = "x-taskgen-crashes" // deliveries that ended without an outcome, before this copy was made
	headerDue     = "x-taskgen-due"     // nanoseconds since 1970; on messages that are not due yet
	// The broker's count of such deliveries of this copy.
	headerDeliveries = "x-delivery-count"
)

// A letter is a message on its way to a queue.
type letter struct {
	to       string // one of the broker's queues
	exchange string // the step of the ladder from which it goes there, if any
	id       string
	body     []byte
	from     *amqp.Delivery // from another program: its headers and properties go along
	headers  amqp.Table     // further ones of ours
	crashes  int
	line     int // where it goes when it is due
	due      time.Time
	alone    bool  // on a channel of its own, which the broker may end
	err      error // why the broker does not have it; nil: it has
	open     bool  // not confirmed yet

	// Published, with an unknown outcome. It is published again only when the channel
	// has ended without a confirm.
	sent  *amqp.DeferredConfirmation
	over  *publisher
	stuck *stuck // possibly under way
	own   *letter
}

// A stuck delivery hangs on its way into a connection that the broker does not read.
// Its own copies of the letters have the outcome when it is over.
type stuck struct {
	over chan struct{}
	err  error // once it is over
}

func (l *letter) publishing() amqp.Publishing {
	p := amqp.Publishing{ContentType: "application/json", MessageId: short(l.id)}
	if l.from != nil {
		p = original(l.from)
	}
	p.DeliveryMode, p.Body = amqp.Persistent, l.body
	if n := len(l.headers); l.crashes > 0 || !l.due.IsZero() || n > 0 {
		if p.Headers == nil {
			p.Headers = make(amqp.Table, 3+n)
		}
		for k, v := range l.headers {
			p.Headers[k] = v
		}
		if l.crashes > 0 {
			p.Headers[headerCrashes] = int64(l.crashes)
		}
		if !l.due.IsZero() {
			p.Headers[headerDue] = nanos(l.due)
			if l.line > 0 {
				p.Headers[headerLine] = int64(l.line)
			}
		}
	}
	return p
}

// nanos is the Unix time in nanoseconds of a future time; one that does not fit (after
// 2262) becomes the last that does.
func nanos(due time.Time) int64 {
	if due.Unix() >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return due.UnixNano()
}

// short cuts a string to what AMQP can carry.
func short(s string) string { return s[:min(len(s), maxName)] }
